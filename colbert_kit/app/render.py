"""Hits as HTML. Everything that comes from a corpus or a visitor is escaped here, on the server.

Gradio's own templates run a document's ``${...}`` as JavaScript, so no template ever sees a text: these functions
make whole strings, and ``gr.HTML`` shows them as they are.
"""

from __future__ import annotations

import html
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from colbert_kit.app.service import Found, Status

if TYPE_CHECKING:
    from colbert_kit import Hit
    from colbert_kit.scores import TokenMatch

__all__ = ["escape", "hits_html", "link_html", "message_html", "reranked_html", "status_html"]

MAX_CHARACTERS = 20_000
PREVIEW_CHARACTERS = 600
MIN_SIMILARITY_SHOWN = 0.3

# What no page can show: C0 but tab and line ends, DEL, and halves of surrogate pairs.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
WORD = re.compile(r"\w+")


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


def hits_html(query: str, found: Found) -> str:
    """Search results: one card a hit, with what met what behind a click."""
    if not found.hits:
        return '<p class="ck-message" role="status">Nothing found.</p>'
    cards = [_card(query, hit, matches) for hit, matches in zip(found.hits, found.matches, strict=True)]
    return f'{_timings(found)}<ol class="ck-hits" aria-label="Search results">{"".join(cards)}</ol>'


def link_html(settings: Mapping[str, str]) -> str:
    """A link to the page as it is now; settings that are empty are left out."""
    query = urllib.parse.urlencode({name: value for name, value in settings.items() if value}, errors="replace")
    return f'<p class="ck-link"><a href="?{escape(query)}">Link to this search</a></p>'


def reranked_html(found: Found) -> str:
    """The order after reranking beside the one before."""
    rows = []
    for hit in found.hits:
        before = found.previous[hit.id]
        move = before - hit.rank
        arrow = f"▲ {move}" if move > 0 else f"▼ {-move}" if move < 0 else "="
        kind = "up" if move > 0 else "down" if move < 0 else "same"
        title, body = _title_and_body(hit)
        heading = f"<strong>{escape(title)}</strong> " if title else ""
        rows.append(
            f'<tr><td class="ck-number">{hit.rank}</td><td class="ck-number">{before}</td>'
            f'<td class="ck-move ck-{kind}">{arrow}</td><td class="ck-number">{hit.score:.2f}</td>'
            f'<td dir="auto">{heading}{escape(_cut(body, 240))}</td></tr>'
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("After", "Before", "Moved", "Score", "Candidate"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'{_timings(found)}<div class="ck-table" role="region" aria-label="Reranked" tabindex="0">{table}</div>'


def _card(query: str, hit: Hit, matches: Sequence[TokenMatch]) -> str:
    title, body = _title_and_body(hit)
    heading = escape(title) if title else escape(hit.id)
    others = {name: value for name, value in hit.metadata.items() if name != "title"}
    facts = "".join(f"<span>{escape(str(name))}: {escape(str(value))}</span>" for name, value in others.items())
    return (
        f'<li class="ck-card"><h3 dir="auto">{heading}</h3>'
        f'<p class="ck-facts"><span class="ck-score">{hit.score:.2f}</span><span>{escape(hit.id)}</span>{facts}</p>'
        f'<p class="ck-text" dir="auto">{escape(_cut(body, PREVIEW_CHARACTERS))}</p>'
        f'<details class="ck-why"><summary>Why this hit?</summary>{_why(query, hit, matches)}</details></li>'
    )


def _why(query: str, hit: Hit, matches: Sequence[TokenMatch]) -> str:
    """For each query word the words of the document it met, and the text with those words marked."""
    met: dict[tuple[int, int], dict[tuple[int, int], float]] = {}
    for match in matches:
        query_word = _word_around(query, match.query.start, match.query.stop)
        word = _word_around(hit.text, match.document.start, match.document.stop)
        # A comma that met a comma is part of the score and tells a reader nothing.
        if (
            query_word is not None
            and word is not None
            and WORD.search(hit.text, *word)
            and WORD.search(query, *query_word)
        ):
            words = met.setdefault(query_word, {})
            words[word] = max(match.similarity, words.get(word, -1.0))
    pairs = []
    for (start, stop), words in met.items():
        found = ", ".join(f"{escape(hit.text[a:b])} <small>{s:.2f}</small>" for (a, b), s in words.items())
        pairs.append(f"<li><b>{escape(query[start:stop])}</b> → {found}</li>")
    marks: dict[tuple[int, int], tuple[float, str]] = {}
    for (start, stop), words in met.items():
        for word, similarity in words.items():
            if similarity > marks.get(word, (MIN_SIMILARITY_SHOWN, ""))[0]:
                marks[word] = (similarity, query[start:stop])
    return f'<ul class="ck-pairs">{"".join(pairs)}</ul><div class="ck-text" dir="auto">{_marked(hit.text, marks)}</div>'


def _marked(text: str, marks: dict[tuple[int, int], tuple[float, str]]) -> str:
    """The text with marks; beyond 20,000 characters the rest is behind a click."""
    parts, position = [], 0
    for (start, stop), (similarity, word) in sorted(marks.items()):
        if start < position or stop > MAX_CHARACTERS:
            continue
        parts.append(escape(text[position:start]))
        strength = round(100 * min(1.0, max(0.0, similarity)))
        parts.append(
            f'<mark style="--strength:{strength}%" title="{escape(word)} {similarity:.2f}">'
            f"{escape(text[start:stop])}</mark>"
        )
        position = stop
    parts.append(escape(text[position:MAX_CHARACTERS]))
    if len(text) > MAX_CHARACTERS:
        rest = escape(text[MAX_CHARACTERS:])
        parts.append(f"<details><summary>Show all {len(text):,} characters</summary><span>{rest}</span></details>")
    return "".join(parts)


def _word_around(text: str, start: int, stop: int) -> tuple[int, int] | None:
    """The whole word that a piece of it belongs to; None for no piece at all."""
    if stop <= start:
        return None
    for word in WORD.finditer(text, max(0, start - 60)):
        if word.start() <= start < word.end():
            return word.start(), max(word.end(), stop)
        if word.start() > start:
            break
    return start, stop


def _title_and_body(hit: Hit) -> tuple[str, str]:
    title = hit.metadata.get("title")
    if not isinstance(title, str) or not title:
        return "", hit.text
    return title, hit.text.removeprefix(title).strip()


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + " …"


def _timings(found: Found) -> str:
    stages = " · ".join(f"{stage} {1000 * seconds:.0f} ms" for stage, seconds in found.timings.items())
    total = 1000 * sum(found.timings.values())
    return f'<p class="ck-timings">{found.searched:,} documents in {total:.0f} ms · {escape(stages)}</p>'
