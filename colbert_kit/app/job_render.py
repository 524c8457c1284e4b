"""A job of this machine as HTML."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from colbert_kit.app.local_jobs import JobView
from colbert_kit.app.render import escape, message_html

__all__ = ["job_html", "log_html", "search_link"]


def job_html(view: JobView, done: str) -> str:
    """How a job stands: a line, a bar while it runs, and what it said behind a click.

    Args:
        view: The job.
        done: What to say where it has completed, HTML.
    """
    if view.state == "COMPLETED":
        return f'<div class="ck-done" role="status">{done}</div>'
    if view.state == "CANCELED":
        text = "Canceled. Nothing was changed."
        return f'<p class="ck-message" role="status">{text}</p>'
    if view.is_final:
        return message_html(view.message or "It ended without a word; see what it said.") + log_html(view)
    return f'<div class="ck-status" role="status">{_running(view)}</div>'


def log_html(view: JobView) -> str:
    """What a job said last, behind a click."""
    if not view.lines:
        return ""
    lines = escape("\n".join(view.lines))
    return f'<details class="ck-why"><summary>What it said</summary><pre class="ck-log">{lines}</pre></details>'


def search_link(folder: str | Path) -> str:
    """A link that opens the page with an index."""
    return f'<a class="ck-link" href="?index={escape(quote(str(folder), safe="/"))}">Search it</a>'


def _running(view: JobView) -> str:
    progress = view.progress
    if progress is None:
        return '<p>Starting …</p><span class="ck-bar"><span style="width:0"></span></span>'
    stage = progress.stage[:1].upper() + progress.stage[1:]
    if progress.total is None:
        count = f": {progress.done:,} so far" if progress.done else " …"
        return f'<p>{escape(stage)}{count}</p><span class="ck-bar"><span style="width:0"></span></span>'
    share = progress.done / progress.total if progress.total else 0
    return (
        f"<p>{escape(stage)}: {progress.done:,} of {progress.total:,}.</p>"
        f'<span class="ck-bar" role="progressbar" aria-label="{escape(stage)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{round(100 * share)}"><span style="width:{share:.1%}"></span></span>'
    )
