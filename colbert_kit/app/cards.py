"""Search results as cards, in one column or side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from colbert_kit.app.ranking import HOWS, Found
from colbert_kit.app.render import escape, timings_html, title_of
from colbert_kit.app.tokens import heat_html

if TYPE_CHECKING:
    from colbert_kit import Hit
    from colbert_kit.scores import TokenMatch

__all__ = ["hits_html"]

MAX_CHARACTERS = 20_000
PREVIEW_CHARACTERS = 600
PASSAGE_CHARACTERS = 400
CONTEXT_CHARACTERS = 120
MIN_SIMILARITY_SHOWN = 0.3

WORD = re.compile(r"\w+")
SENTENCE_END = re.compile(r"[.!?\u3002]\s+|\n+")


def hits_html(query: str, columns: Sequence[Found], index: str = "") -> str:
    """Search results: one card a hit; one column a way to rank."""
    if len(columns) == 1:
        return _column(query, columns[0], index, {})
    shown = []
    for number, found in enumerate(columns):
        first = {hit.id: hit.rank for hit in columns[0].hits} if number else {}
        heading = f"<h2>{HOWS[found.how]}</h2>"
        shown.append(f'<section class="ck-column">{heading}{_column(query, found, index, first)}</section>')
    return f'<div class="ck-columns">{"".join(shown)}</div>'


def _column(query: str, found: Found, index: str, first: Mapping[str, int]) -> str:
    if not found.hits:
        words = "Nothing found. If there is a filter, no document may have passed it."
        return f'<p class="ck-message" role="status">{words}</p>'
    compared = bool(first)
    cards = []
    for hit, matches in zip(found.hits, found.matches, strict=True):
        place = f"place {first[hit.id]} in the first column" if hit.id in first else "not in the first column"
        cards.append(_card(query, hit, matches, index, found.notes.get(hit.id, ""), place if compared else ""))
    name = f"Search results, {HOWS[found.how]}"
    return f'{timings_html(found)}<ol class="ck-hits" aria-label="{name}">{"".join(cards)}</ol>'


def _card(query: str, hit: Hit, matches: Sequence[TokenMatch], index: str, note: str, place: str) -> str:
    title, body_start = title_of(hit)
    heading = escape(title) if title else escape(hit.id)
    others = {name: value for name, value in hit.metadata.items() if name != "title"}
    facts = "".join(f"<bdi>{escape(str(name))}: {escape(str(value))}</bdi>" for name, value in others.items())
    where = f'<span class="ck-place">{place}</span>' if place else ""
    # Scores of fused ranks are small.
    score = f"{hit.score:.4f}" if note.startswith("Hybrid") else f"{hit.score:.2f}"
    said = f'<p class="ck-note" dir="auto">{escape(note)}</p>' if note else ""
    return (
        f'<li class="ck-card"><h3 dir="auto">{heading}</h3><p class="ck-facts"><span class="ck-score">{score}</span>'
        f"<bdi>{escape(hit.id)}</bdi>{where}{facts}</p>"
        f'<p class="ck-text" dir="auto">{_preview(hit, body_start, query, matches)}</p>'
        f'<details class="ck-why"><summary>Why this hit?</summary>{said}{_why(query, hit, matches)}</details>'
        f"{heat_html(index, query, hit.id)}</li>"
    )


def _preview(hit: Hit, body_start: int, query: str, matches: Sequence[TokenMatch]) -> str:
    """The text around its best passage, which is marked."""
    text = hit.text
    start, stop = _best_passage(text, query, matches)
    start = max(start, body_start)
    first = body_start
    if start - body_start > PREVIEW_CHARACTERS // 3:
        first = _after_word(text, start - CONTEXT_CHARACTERS)
    last = max(stop, first + PREVIEW_CHARACTERS)
    if last < len(text):
        last = max(stop, text.rfind(" ", first, last))
    before, after = ("… " if first > body_start else ""), (" …" if last < len(text) else "")
    if stop <= start:
        return f"{before}{escape(text[first:last])}{after}"
    passage = f'<mark class="ck-passage" title="The best passage">{escape(text[start:stop])}</mark>'
    return f"{before}{escape(text[first:start])}{passage}{escape(text[stop:last])}{after}"


def _best_passage(text: str, query: str, matches: Sequence[TokenMatch]) -> tuple[int, int]:
    """The sentence whose tokens add most to the score; an empty one where nothing is known."""
    met = [
        match
        for match in matches
        if match.document.stop > match.document.start and WORD.search(query, match.query.start, match.query.stop)
    ]
    if not met:
        return 0, 0
    ends = [end.end() for end in SENTENCE_END.finditer(text, 0, MAX_CHARACTERS)]
    bounds = list(zip([0, *ends], [*ends, len(text)], strict=True))
    added = [sum(match.similarity for match in met if start <= match.document.start < stop) for start, stop in bounds]
    start, stop = bounds[max(range(len(bounds)), key=added.__getitem__)]
    if stop - start > PASSAGE_CHARACTERS:
        within = [match for match in met if start <= match.document.start < stop]
        best = max(within, key=lambda match: match.similarity).document.start
        start = max(start, _after_word(text, best - CONTEXT_CHARACTERS))
        cut = start + PASSAGE_CHARACTERS
        stop = min(stop, max(best + 1, text.rfind(" ", start, cut)) if cut < stop else stop)
    return start, start + len(text[start:stop].rstrip())


def _after_word(text: str, position: int) -> int:
    """The place after the next space, near ``position``."""
    if position <= 0:
        return 0
    space = text.find(" ", position, position + CONTEXT_CHARACTERS // 2)
    return position if space < 0 else space + 1


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
        found = ", ".join(f"<bdi>{escape(hit.text[a:b])}</bdi> <small>{s:.2f}</small>" for (a, b), s in words.items())
        pairs.append(f"<li><b><bdi>{escape(query[start:stop])}</bdi></b> → {found}</li>")
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
