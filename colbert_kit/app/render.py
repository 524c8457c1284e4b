"""Hits as HTML. Everything that comes from a corpus or a visitor is escaped here, on the server.

Gradio's own templates run a document's ``${...}`` as JavaScript, so no template ever sees a text: these functions
make whole strings, and ``gr.HTML`` shows them as they are.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colbert_kit import Hit
    from colbert_kit.app.ranking import Found
    from colbert_kit.app.service import Status

__all__ = ["cut", "escape", "message_html", "status_html", "timings_html", "title_of"]

# What no page can show: C0 but tab and line ends, DEL, and halves of surrogate pairs.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def escape(text: str) -> str:
    """The text as HTML that shows exactly it; what cannot be shown becomes U+FFFD."""
    return html.escape(UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text), quote=True)


def status_html(status: Status) -> str:
    """A line on the state of the index, with a bar while it is being made."""
    if status.stage == "ready":
        return f'<p class="ck-status" role="status">{status.done:,} documents, ready.</p>'
    if status.stage == "failed":
        return message_html(status.message)
    if status.stage == "loading":
        text = "Loading the model …"
    else:
        text = "Indexing the first documents …"
        if status.searchable:
            text = f"Indexing: {status.done:,} of {status.total:,} documents. "
            text += f"{status.searchable:,} can be searched already."
    share = status.done / status.total if status.total else 0
    bar = (
        f'<span class="ck-bar" role="progressbar" aria-label="Indexing" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{round(100 * share)}"><span style="width:{share:.1%}"></span></span>'
    )
    return f'<div class="ck-status" role="status"><p>{text}</p>{bar}</div>'


def message_html(message: str) -> str:
    """What the visitor can mend, in one line."""
    return f'<p class="ck-message" role="alert">{escape(message[:1].upper() + message[1:])}</p>'


def title_of(hit: Hit) -> tuple[str, int]:
    """A hit's title, empty where it has none, and where in its text the rest begins."""
    title = hit.metadata.get("title")
    if not isinstance(title, str) or not title:
        return "", 0
    start = len(title) if hit.text.startswith(title) else 0
    return title, start + len(hit.text[start:]) - len(hit.text[start:].lstrip())


def cut(text: str, length: int) -> str:
    """The beginning of a text, in whole words."""
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + " …"


def timings_html(found: Found) -> str:
    """A line on how long each stage took."""
    stages = " · ".join(f"{stage} {1000 * seconds:.0f} ms" for stage, seconds in found.timings.items())
    total = 1000 * sum(found.timings.values())
    return f'<p class="ck-timings">{found.searched:,} documents in {total:.0f} ms · {escape(stages)}</p>'
