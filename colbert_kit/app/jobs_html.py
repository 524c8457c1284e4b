"""Jobs as HTML: how each stands, its curves, what it said, what came of it. Every text of a job's is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from colbert_kit import hub, runners
from colbert_kit.app.curves import curves_html
from colbert_kit.app.job_list import LINES_SHOWN, JobKey, JobView
from colbert_kit.app.job_render import search_link
from colbert_kit.app.render import escape, message_html

__all__ = ["job_label", "job_view_html"]

STATES = {
    "SCHEDULING": "waiting",
    "RUNNING": "running",
    "COMPLETED": "done",
    "CANCELED": "canceled",
    "ERROR": "failed",
    "DELETED": "deleted",
}
KINDS = {
    "train": "Training",
    "build_index": "Index",
    "index": "Index",
    "evaluate": "Evaluation",
    "mine_hard_negatives": "Hard negatives",
}


def job_label(job: runners.Job) -> str:
    """A job in one line, as plain text."""
    names = [job.labels.get("what"), job.labels.get("of")]
    what = " ".join([KINDS.get(job.kind or "", job.kind or "Job"), *(one for one in names if one and one != job.kind)])
    return " · ".join(filter(None, [what, STATES.get(job.state, job.state), _time(job.created), job.id[:6]]))


def job_view_html(view: JobView) -> str:
    """All that is known of a job."""
    return "".join(
        (
            f'<div class="ck-job"><h3 class="ck-job-name">{escape(job_label(view.job))}</h3>',
            _facts(view),
            _outcome(view),
            _progress(view),
            curves_html(view.metrics),
            _log(view),
            "</div>",
        )
    )


def _facts(view: JobView) -> str:
    job = view.job
    facts = [("Where", job.flavor or "at Hugging Face" if view.key.namespace else "this machine")]
    if view.key.namespace:
        facts.append(("In the name of", view.key.namespace))
    if job.started:
        facts.append(("Ran for" if job.finished else "Running for", _duration(job.started, job.finished)))
    if view.usd is not None:
        facts.append(("Cost so far" if not job.is_final else "Cost", f"at most ${view.usd:.2f}"))
    facts += _usage(view.usage)
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    link = _link(job.url, "Its page at the Hub") if _is_link(job.url) else ""
    return f'<dl class="ck-job-facts">{shown}</dl>{link}'


def _usage(usage: runners.Usage | None) -> list[tuple[str, str]]:
    if usage is None:
        return []
    facts = [("Processor", f"{usage.cpu_percent:.0f} %"), ("Memory", _memory(usage.used_bytes, usage.total_bytes))]
    for number, gpu in enumerate(usage.gpus, start=1):
        name = "GPU" if len(usage.gpus) == 1 else f"GPU {number}"
        facts.append((name, f"{gpu.percent:.0f} %, {_memory(gpu.used_bytes, gpu.total_bytes)}"))
    return facts


def _outcome(view: JobView) -> str:
    if view.trouble is not None:
        return message_html(view.trouble)
    if view.job.state == "COMPLETED" and view.result:
        return _result(view.key, view.job.kind, view.result)
    reason = view.failure or view.job.message
    if view.job.state == "ERROR":
        return message_html(hub.redacted(reason or "It ended without a word; its log may say more."))
    return ""


def _result(key: JobKey, kind: str | None, result: Mapping[str, Any]) -> str:
    """Where what came of it is, and what to do with it."""
    place = str(result.get("folder") or result.get("report") or result.get("repo_id") or "")
    url = str(result.get("url") or "")
    shown = f"<code>{escape(place)}</code>" if place else "Done."
    if place and _is_link(url):
        shown = _link(url, place)
    parts = [f"<p>{'Your model' if kind == 'train' else 'The result'}: {shown}</p>" if place else "<p>Done.</p>"]
    if kind == "index" and key.namespace is None and result.get("folder"):
        parts.append(f"<p>{search_link(place)}</p>")
    if kind == "train":
        parts.append(_quality(result) + _next_steps(place))
    return f'<div class="ck-result" role="status">{"".join(parts)}</div>'


def _quality(result: Mapping[str, Any]) -> str:
    start, best = result.get("start"), result.get("best")
    if not isinstance(start, int | float) or not isinstance(best, int | float):
        return ""
    verdict = "" if best > start else " Training did not help: the weights kept may be those it began with."
    return f"<p>nDCG@10 on what was held out: {start:.4f} before, <strong>{best:.4f}</strong> after.{verdict}</p>"


def _next_steps(model: str) -> str:
    code = (
        "from colbert_kit import Searcher, models\n\n"
        f"model = models.ColBERT({model!r})\n"
        'searcher = Searcher.build("my-index", model, [{"id": "1", "text": "..."}])\n'
        'print(searcher.search("..."))'
    )
    return (
        "<p>Search with it: build an index of your documents with this model, in the page or as here.</p>"
        f'<pre class="ck-code" tabindex="0"><code>{escape(code)}</code></pre>'
    )


def _progress(view: JobView) -> str:
    if view.job.is_final:
        return ""
    if view.progress is None:
        waits = "Waiting for a machine …" if view.job.state == "SCHEDULING" else "Starting …"
        return f'<p class="ck-status" role="status">{waits}</p>'
    stage, done, total = view.progress.stage, view.progress.done, view.progress.total
    share = min(1.0, done / total) if total else 0.0
    count = f"{done:,} of {total:,}" if total else f"{done:,}"
    return (
        f'<div class="ck-status" role="status"><p>{escape(stage)}: {count}</p><span class="ck-bar" role="progressbar" '
        f'aria-label="{escape(stage)}" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{round(100 * share)}">'
        f'<span style="width:{share:.1%}"></span></span></div>'
    )


def _log(view: JobView) -> str:
    if not view.lines:
        return ""
    text = hub.redacted("\n".join(view.lines))
    cut = " (the last lines)" if len(view.lines) == LINES_SHOWN else ""
    return (
        f'<h4 class="ck-log-name">Log{cut}</h4>'
        f'<div class="ck-job-log" role="region" aria-label="Log" tabindex="0"><pre>{escape(text)}</pre></div>'
    )


def _link(url: str | None, text: str) -> str:
    return (
        f'<a class="ck-job-link" href="{escape(url or "")}" target="_blank" rel="noopener noreferrer">'
        f"{escape(text)}</a>"
    )


def _is_link(url: str | None) -> bool:
    """Whether it may be a link: what a job says its result's address is may be anything."""
    return url is not None and url.startswith(("https://", "http://"))


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%d %b %H:%M} UTC" if moment else ""


def _duration(start: datetime, stop: datetime | None) -> str:
    seconds = max(0, int(((stop or datetime.now(UTC)) - start).total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _memory(used: int, total: int) -> str:
    return f"{used / 1e9:.1f} of {total / 1e9:.0f} GB"
