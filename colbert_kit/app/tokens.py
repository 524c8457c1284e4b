"""Every token of a query against every token of a document, as a table and as plain values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from colbert_kit.app.render import escape
from colbert_kit.errors import InvalidInput

if TYPE_CHECKING:
    from colbert_kit import Searcher
    from colbert_kit.scores import TokenSimilarities, TokenSpan

__all__ = ["explained", "heat_html", "heatmap_html", "read_heat", "similarities_of"]

MAX_CELLS = 8_000
"""Cells of a table at most; with more, document tokens that nothing met are left out. Not tuned."""

MAX_SENT = 8_000
"""Characters of a text that is in no index which go along to be looked at; models read fewer."""


def similarities_of(searcher: Searcher, query: str, document_id: str, text: str) -> tuple[str, TokenSimilarities]:
    """A document's text, and how similar each of its tokens is to each of the query.

    Args:
        searcher: The index, or the model where the text is in none.
        query: The query.
        document_id: The document; where empty, ``text`` is the document.
        text: The text.

    Raises:
        InvalidInput: The query or the text is empty, or there is no such document.
    """
    from colbert_kit import models
    from colbert_kit.scores import TokenSimilarities

    if document_id:
        [document] = searcher.get_documents([document_id])
        return document["text"], searcher.similarities(query, document_id)
    if not query.strip() or not text.strip():
        raise InvalidInput("the query or the text is empty; type at least one word of each.")
    [[query_embeddings]] = models.encode_queries(searcher.model, [query], dtype="float32")
    [[embeddings]] = models.encode_candidates(searcher.model, [[text]], dtype="float32")
    spans = models.query_spans(searcher.model, query), models.document_spans(searcher.model, text)
    return text, TokenSimilarities(*spans, query_embeddings @ embeddings.T)


def explained(found: TokenSimilarities) -> dict[str, Any]:
    """The similarities for a program."""
    best = found.similarity.argmax(axis=1).tolist()
    return {
        "score": float(found.similarity.max(axis=1).sum()),
        "matches": [
            {
                "query_token": token.token,
                "document_token": found.document[column].token,
                "start": found.document[column].start,
                "stop": found.document[column].stop,
                "similarity": float(found.similarity[row, column]),
            }
            for row, (token, column) in enumerate(zip(found.query, best, strict=True))
        ],
        "document_tokens": [token.token for token in found.document],
        "similarity": [[round(float(one), 4) for one in row] for row in found.similarity],
    }


def heat_html(index: str, query: str, document_id: str, text: str = "") -> str:
    """A place for the table, which is asked for when it is opened."""
    # JSON in ASCII: ids keep their control characters through the page and back.
    what = escape(json.dumps([index, query, document_id, text[:MAX_SENT]]))
    return (
        f'<details class="ck-heat" data-what="{what}"><summary>Token by token</summary>'
        '<div class="ck-heat-body" aria-live="polite"><p class="ck-hint">Comparing every token …</p></div></details>'
    )


def read_heat(what: object) -> tuple[str, str, str, str]:
    """What ``heat_html`` noted, back from the page: index, query, document id, text.

    Raises:
        InvalidInput: It is something else.
    """
    try:
        noted = json.loads(str(what))
    except (ValueError, RecursionError):
        noted = None
    if not isinstance(noted, list) or len(noted) != 4 or not all(isinstance(one, str) for one in noted):
        raise InvalidInput("this comparison cannot be read; search again.")
    index, query, document_id, text = noted
    return index, query, document_id, text


def heatmap_html(query: str, text: str, found: TokenSimilarities) -> str:
    """The table: a row a query token with what it adds, a column a document token."""
    adds = found.similarity.max(axis=1).tolist()
    best = found.similarity.argmax(axis=1).tolist()
    columns = _columns_shown(best, len(found.document), max(20, MAX_CELLS // max(1, len(adds))))
    head = "".join(
        f'<th scope="col"{_kind(found.document[one])}>{_spell(found.document[one], text)}</th>' for one in columns
    )
    rows = []
    for row, token in enumerate(found.query):
        cells = []
        for one in columns:
            similarity = float(found.similarity[row, one])
            kinds = [*(["ck-special"] if _is_special(found.document[one]) else []), *(["ck-best"] * (one == best[row]))]
            kind = f' class="{" ".join(kinds)}"' if kinds else ""
            cells.append(f'<td{kind} style="--s:{max(0, round(100 * similarity))}%">{similarity:.2f}</td>')
        rows.append(
            f'<tr{_kind(token)}><th scope="row">{_spell(token, query)}</th>'
            f'<td class="ck-adds" style="--s:{max(0, round(100 * adds[row]))}%">{adds[row]:.2f}</td>'
            f'<td class="ck-meets">{_spell(found.document[best[row]], text)}</td>{"".join(cells)}</tr>'
        )
    hidden = sum(add for token, add in zip(found.query, adds, strict=True) if _is_special(token))
    left_out = len(found.document) - len(columns)
    return (
        f'<p class="ck-hint">The score, {sum(adds):.2f}, is the sum of what each query token adds: its similarity '
        f"to the document token most like it, 1 at most. Markers such as [CLS] add {hidden:.2f} of it."
        f"{f' {left_out:,} document tokens that nothing met are left out.' if left_out else ''}</p>"
        '<p><label class="ck-specials"><input type="checkbox"> Show markers</label></p>'
        '<div class="ck-table ck-matrix" role="region" aria-label="Similarity of tokens" tabindex="0"><table>'
        f'<thead><tr><th scope="col">Query</th><th scope="col">Adds</th><th scope="col">Meets</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _columns_shown(best: list[int], number: int, most: int) -> list[int]:
    if number <= most:
        return list(range(number))
    met = set(best)
    others = (one for one in range(number) if one not in met)
    return sorted(met | {one for _, one in zip(range(most - len(met)), others, strict=False)})


def _is_special(token: TokenSpan) -> bool:
    """Whether it stands nowhere in the text: markers and expansion."""
    return token.stop <= token.start


def _kind(token: TokenSpan) -> str:
    return ' class="ck-special"' if _is_special(token) else ""


def _spell(token: TokenSpan, text: str) -> str:
    return f"<bdi>{escape(token.token if _is_special(token) else text[token.start : token.stop])}</bdi>"
