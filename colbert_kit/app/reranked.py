"""Candidates after reranking, beside their places before: as a table, and as files to keep."""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import TYPE_CHECKING, Any

from colbert_kit.app.render import cut, escape, timings_html, title_of
from colbert_kit.app.tokens import heat_html
from colbert_kit.errors import InvalidData, InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from colbert_kit.app.ranking import Found

__all__ = ["CANDIDATE_SUFFIXES", "read_candidates", "reranked_html", "reranked_rows"]

CANDIDATE_SUFFIXES = (".txt", ".jsonl", ".csv")
MAX_FILE_BYTES = 20_000_000
EXPLANATION = (
    "A score is the sum, over the tokens of the query, of the similarity to the token of the candidate most like it "
    "(MaxSim). Open a candidate to see what each token adds."
)


def read_candidates(path: Path) -> list[dict[str, Any]]:
    """Candidates of a file: a text a line, or rows with a column of texts and one of ids where there are ids.

    Raises:
        InvalidInput: It is another kind of file, or too large.
        InvalidData: A row cannot be read.
    """
    from colbert_kit import data

    if path.suffix.lower() not in CANDIDATE_SUFFIXES:
        raise InvalidInput(
            f"candidates come in a file of {', '.join(CANDIDATE_SUFFIXES)}, got {path.suffix or 'none'}."
        )
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidInput(f"a file of candidates may have {MAX_FILE_BYTES // 10**6} MB.")
    if path.suffix.lower() != ".txt":
        return list(data.read_corpus(path))
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidData("the file is no UTF-8 text; save it as UTF-8.") from error
    texts = [line.strip() for line in lines if line.strip()]
    return [{"id": str(number), "text": text} for number, text in enumerate(texts, start=1)]


def reranked_rows(found: Found) -> list[dict[str, Any]]:
    """The new order for a program."""
    return [
        {"rank": hit.rank, "previous_rank": found.previous[hit.id], "id": hit.id, "score": hit.score, "text": hit.text}
        for hit in found.hits
    ]


def reranked_html(found: Found, query: str, index: str = "", *, is_indexed: bool = False) -> str:
    """The order after reranking beside the one before.

    Args:
        found: The new order.
        query: The query.
        index: Where to ask for what each token adds.
        is_indexed: Whether the candidates are documents of that index.
    """
    if not found.hits:
        return '<p class="ck-message" role="status">No candidate was found.</p>'
    rows = []
    for hit in found.hits:
        before = found.previous[hit.id]
        move = before - hit.rank
        arrow = f"▲ {move}" if move > 0 else f"▼ {-move}" if move < 0 else "="
        kind, word = ("up", "up") if move > 0 else ("down", "down") if move < 0 else ("same", "unmoved")
        title, body_start = title_of(hit)
        heading = f"<strong>{escape(title)}</strong> " if title else ""
        heat = heat_html(index, query, hit.id if is_indexed else "", "" if is_indexed else hit.text)
        rows.append(
            f'<tr><td class="ck-number">{hit.rank}</td><td class="ck-number">{before}</td>'
            f'<td class="ck-move ck-{kind}" title="{word}">{arrow}</td><td class="ck-number">{hit.score:.2f}</td>'
            f'<td dir="auto"><div class="ck-text">{heading}{_text(hit.text[body_start:])}</div>{heat}</td></tr>'
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("After", "Before", "Moved", "Score", "Candidate"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return (
        f'{timings_html(found)}<p class="ck-hint">{EXPLANATION}</p>{_downloads(found)}'
        f'<div class="ck-table" role="region" aria-label="Reranked" tabindex="0">{table}</div>'
    )


def _text(text: str) -> str:
    short = cut(text, 240)
    if short == text:
        return escape(text)
    whole = f"<details><summary>Show all {len(text):,} characters</summary><span>{escape(text)}</span></details>"
    return f"{escape(short)}{whole}"


def _downloads(found: Found) -> str:
    """Links that hold the files: the server keeps nothing."""
    rows = reranked_rows(found)
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    links = []
    for name, kind, content in (
        ("CSV", "text/csv", table.getvalue()),
        ("JSON", "application/json", json.dumps(rows, ensure_ascii=False, indent=1)),
    ):
        encoded = base64.b64encode(content.encode("utf-8", "replace")).decode()
        url = f"data:{kind};charset=utf-8;base64,{encoded}"
        links.append(f'<a download="reranked.{name.lower()}" href="{url}">Download {name}</a>')
    return f'<p class="ck-links">{"".join(links)}</p>'
