"""The evaluate panel's HTML. Every text of a report is escaped here, on the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colbert_kit.app.facts import spell_bytes
from colbert_kit.app.job_render import job_html
from colbert_kit.app.local_jobs import JobView
from colbert_kit.app.render import escape

__all__ = ["comparison_html", "evaluate_job_html", "report_html"]

METHOD = (
    "Differences are tested by a paired permutation test over queries and corrected for all pairs of the report; "
    "intervals are 95 %, by bootstrap. Milliseconds are of one query at a time."
)


def report_html(page: Mapping[str, Any], plots: Sequence[tuple[str, str]]) -> str:
    """A report: for each collection a table, what differs in words, and queries that say something.

    Args:
        page: As ``Evaluating.read``.
        plots: As ``Evaluating.plots``.
    """
    settings = ", ".join(f"{name} {value}" for name, value in page["settings"].items())
    parts = [f'<h3 class="ck-title" dir="auto">{escape(page["title"])}</h3>']
    parts += [_collection(one, page["measures"]) for one in page["collections"]]
    figures = "".join(
        f'<figure><img src="{escape(address)}" alt="{escape(what)}"><figcaption>{escape(what)}</figcaption></figure>'
        for what, address in plots
    )
    parts.append(f'<div class="ck-plots">{figures}</div>' if figures else "")
    parts.append(f'<p class="ck-timings">Index: {escape(settings)}. {METHOD}</p>')
    return "".join(parts)


def comparison_html(found: Mapping[str, Any], first: str, second: str) -> str:
    """What differs between two reports, and the queries that changed most.

    Args:
        found: As ``Evaluating.compare``.
        first: The name of the first report.
        second: Of the second.
    """
    parts = [f'<h3 class="ck-title">{escape(second)} against {escape(first)}</h3>']
    for one in found["collections"]:
        figures = one["figures"]
        wins, losses, ties = (figures[name] for name in ("wins", "losses", "ties"))
        parts.append(
            f'<h4 class="ck-title">{escape(one["name"])}</h4><p class="ck-done">{escape(one["verdict"])}</p>'
            f'<p class="ck-timings">{escape(found["measure"])} {figures["first"]:.4f} and {figures["second"]:.4f}; the '
            f"second is better on {wins} queries, worse on {losses}, equal on {ties}.</p>"
        )
        parts.append(_examples(one["examples"], "The queries that changed most"))
    if found["left_out"]:
        parts.append(f'<p class="ck-timings">Only one has {escape(", ".join(found["left_out"]))}.</p>')
    return "".join(parts)


def evaluate_job_html(view: JobView) -> str:
    """How an evaluation stands."""
    return job_html(view, "<p>Evaluated. The report is below.</p>")


def _collection(one: Mapping[str, Any], measures: Sequence[str]) -> str:
    head = ["", *measures, f"95 % of {measures[0]}", "Judged@10", "p50 ms", "Bytes a document"]
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    rows = "".join(_system_row(system, measures) for system in one["systems"])
    verdicts = "".join(f"<li>{escape(verdict[:1].upper() + verdict[1:])}</li>" for verdict in one["verdicts"])
    table = f"<table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>"
    return (
        f'<h4 class="ck-title">{escape(one["name"])} <small>{one["num_documents"]:,} documents, '
        f"{one['num_queries']:,} queries</small></h4>"
        f'<div class="ck-table ck-figures" role="region" aria-label="Measures on {escape(one["name"])}" tabindex="0">'
        f'{table}</div><ul class="ck-verdicts">{verdicts}</ul>'
        f"{_examples(one['examples'], 'Queries on which they differ most')}"
    )


def _system_row(system: Mapping[str, Any], measures: Sequence[str]) -> str:
    low, high = system["interval"]
    cells = [
        *(f"{system['means'][name]:.4f}" for name in measures),
        f"{low:.3f} to {high:.3f}",
        f"{system['judged']:.0%}",
        "" if system["p50_ms"] is None else f"{system['p50_ms']:.1f}",
        ""
        if system["bytes"] is None
        else spell_bytes(system["bytes"])
        if system["bytes"] > 1e5
        else f"{system['bytes']:,.0f}",
    ]
    numbers = "".join(f'<td class="ck-number">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row">{escape(system["name"])}</th>{numbers}</tr>'


def _examples(examples: Sequence[Mapping[str, Any]], title: str) -> str:
    if not examples:
        return ""
    shown = "".join(f"<li>{_example(one)}</li>" for one in examples)
    return f'<details class="ck-why"><summary>{title}</summary><ol class="ck-queries">{shown}</ol></details>'


def _example(one: Mapping[str, Any]) -> str:
    query_id, first, second = one["change"]
    ranks = [f"rank {rank}" if rank else "not in the first ten" for rank in one["ranks"]]
    where = ""
    if one["document_id"]:
        where = (
            f'<p class="ck-facts"><span>Relevant: {escape(one["document_id"])}</span>'
            f"<span>{escape(one['first_name'])}: {ranks[0]}</span>"
            f"<span>{escape(one['second_name'])}: {ranks[1]}</span></p>"
        )
    met = "".join(
        f"<li><b>{escape(query)}</b> → {escape(token)} <small>{value:.2f}</small></li>"
        for query, token, value in one["matches"]
    )
    pairs = f'<ul class="ck-pairs">{met}</ul>' if met else ""
    text = f'<p class="ck-text" dir="auto">{escape(one["text"])}</p>' if one["text"] else ""
    return (
        f'<details><summary><span dir="auto">{escape(one["query"])}</span> <small>{escape(query_id)} · '
        f"{escape(one['first_name'])} {first:.3f} → {escape(one['second_name'])} {second:.3f}</small></summary>"
        f"{where}{text}{pairs}</details>"
    )
