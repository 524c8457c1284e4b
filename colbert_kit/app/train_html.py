"""What the train panel shows: rows as the model will see them, findings, costs. Every text of theirs is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colbert_kit.app.launching_training import Checked
from colbert_kit.app.render import escape
from colbert_kit.app.training_data import Rows
from colbert_kit.runners import Flavor

__all__ = ["cost_html", "findings_html", "flavor_choices", "preview_html", "rows_html"]


def rows_html(rows: Rows) -> str:
    """What was brought."""
    columns = ", ".join(f"<code>{escape(name)}</code>" for name in rows.columns)
    return f'<p class="ck-status" role="status"><strong>{escape(rows.name)}</strong>: {columns}</p>'


def preview_html(checked: Checked) -> str:
    """The first rows as the model will see them: markers before the texts, what is cut slanted."""
    if not checked.rows:
        return ""
    rows = "".join(f"<li>{''.join(map(_text, row))}</li>" for row in checked.rows)
    return (
        f'<h4 class="ck-log-name">The first rows as the model will see them, of {checked.num_rows:,}</h4>'
        f'<ol class="ck-rows" tabindex="0" aria-label="Rows">{rows}</ol>'
    )


def findings_html(checked: Checked) -> str:
    """What ``doctor`` found, in words."""
    if not checked.findings:
        return '<p class="ck-result" role="status">Nothing is wrong with the rows, the model or the recipe.</p>'
    items = "".join(map(_finding, checked.findings))
    return f'<ul class="ck-findings" role="status">{items}</ul>'


def cost_html(flavor: Flavor, timeout_seconds: int, usd: float) -> str:
    """What it may cost, and how that comes."""
    hours = timeout_seconds / 3600
    since = f" (price of {escape(flavor.as_of)}: the Hub was not asked)" if flavor.as_of else ""
    return (
        f'<p class="ck-cost">{escape(flavor.name)} at ${flavor.usd_per_hour:.2f} an hour{since}, ended after '
        f"{hours:g} h at the latest: <strong>at most ${usd:.2f}</strong>. What is over earlier costs less.</p>"
    )


def flavor_choices(flavors: Sequence[Flavor]) -> list[tuple[str, str]]:
    """Machines to choose from, the cheapest first; those with several GPUs are for runs from a terminal."""
    usable = [one for one in flavors if one.accelerator is None or one.accelerator.startswith("1x")]
    return [
        (f"{one.name} · {one.accelerator or one.cpu + ', no GPU'} · ${one.usd_per_hour:.2f} an hour", one.name)
        for one in sorted(usable, key=lambda one: one.usd_per_minute)
    ]


def _text(part: Mapping[str, Any]) -> str:
    name = f"<small>{escape(str(part['column']))}</small>"
    if "value" in part:
        return f'<div dir="auto">{name} {escape(str(part["value"]))}</div>'
    marker = f'<span class="ck-marker">{escape(str(part["marker"]))}</span> ' if part["marker"] else ""
    unread = '<span class="ck-cut" title="The model does not read this">'
    cut = f"{unread}{escape(str(part['cut']))}</span>" if part["cut"] else ""
    more = f" <small>… {int(part['more']):,} characters more</small>" if part["more"] else ""
    return f'<div dir="auto">{name} {marker}{escape(str(part["seen"]))}{cut}{more}</div>'


def _finding(finding: Mapping[str, str]) -> str:
    word = "Must be mended" if finding["level"] == "error" else "May make it worse"
    return f"<li><strong>{word}:</strong> {escape(finding['message'])}</li>"
