"""The four ways to rank an index: ColBERT through PLAID, MaxSim of everything, BM25, and two of them fused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from colbert_kit.errors import InvalidInput

if TYPE_CHECKING:
    from colbert_kit import Hit, Searcher
    from colbert_kit.app.lexical import Lexical
    from colbert_kit.scores import TokenMatch

__all__ = ["HOWS", "Found", "parse_hows", "rank"]

HOWS = {"colbert": "ColBERT", "exact": "Exact MaxSim", "bm25": "BM25", "hybrid": "Hybrid"}
"""The names that links and programs use, and those that people read."""

FUSION_K = 60
"""Cormack, Clarke & Büttcher, "Reciprocal Rank Fusion outperforms Condorcet", SIGIR 2009, section 2."""

FUSED_DEPTH = 100
"""Documents of each ranking that are fused, at least."""

Filters = list[tuple[str, str, Any]] | None


@dataclass(frozen=True)
class Found:
    """What a search gives to the page.

    Args:
        hits: The hits.
        matches: For each hit, which token met which.
        timings: Seconds of each stage.
        searched: Documents that were searched.
        previous: Places before reranking, by id.
        how: One of ``HOWS``.
        notes: What makes up a hit's score, by id.
    """

    hits: list[Hit]
    matches: list[list[TokenMatch]]
    timings: dict[str, float]
    searched: int
    previous: dict[str, int] = field(default_factory=dict)
    how: str = "colbert"
    notes: dict[str, str] = field(default_factory=dict)


def parse_hows(text: str) -> list[str]:
    """The ways to rank that a link names, as in ``colbert,bm25``; ColBERT where it names none.

    Raises:
        InvalidInput: There is no such way.
    """
    hows = [one.strip() for one in text.split(",") if one.strip()] or ["colbert"]
    for how in hows:
        if how not in HOWS:
            raise InvalidInput(f"how must be one of {', '.join(HOWS)}, got {how!r}.")
    return list(dict.fromkeys(hows))


def rank(searcher: Searcher, lexical: Callable[[], Lexical], query: str, k: int, filters: Filters, how: str) -> Found:
    """Rank the documents of an index.

    Args:
        searcher: The index.
        lexical: Gives BM25 of it.
        query: The query.
        k: Hits at most.
        filters: As ``Searcher.search``.
        how: One of ``HOWS``.

    Returns:
        The hits, without matches.

    Raises:
        InvalidInput: The query is empty, ``k`` is below 1, the filters do not fit, or there is no such way.
    """
    [how] = parse_hows(how)
    if not query.strip():
        raise InvalidInput("the query is empty; type at least one word.")
    if k < 1:
        raise InvalidInput(f"k must be a whole number of 1 or more, got {k!r}.")
    timings: dict[str, float] = {}
    if how == "bm25":
        hits, notes = _rank_bm25(searcher, lexical, query, k, filters, timings)
    elif how == "hybrid":
        hits, notes = _fuse(searcher, lexical, query, k, filters, timings)
    else:
        hits, notes = _rank_maxsim(searcher, query, k, filters, timings, exact=how == "exact"), {}
    return Found(hits, [], timings, len(searcher), how=how, notes=notes)


def _rank_maxsim(
    searcher: Searcher, query: str, k: int, filters: Filters, timings: dict[str, float], *, exact: bool
) -> list[Hit]:
    from colbert_kit.indexes import SearchConfig

    # An index of which all documents are to be rescored is not probed at all.
    config = SearchConfig(num_rescored=max(1, len(searcher))) if exact else None
    return searcher.search(query, k, filters=filters, config=config, timings=timings)


def _rank_bm25(
    searcher: Searcher,
    lexical: Callable[[], Lexical],
    query: str,
    k: int,
    filters: Filters,
    timings: dict[str, float],
) -> tuple[list[Hit], dict[str, str]]:
    with timed(timings, "BM25"):
        bm25 = lexical()
        ranked = bm25.rank(query, k, None if filters is None else searcher.matching_ids(filters))
        notes = {
            one: "BM25: " + " + ".join(f"{word} {score:.2f}" for word, score in words)
            for one, words in bm25.explain(query, [one for one, _ in ranked]).items()
        }
    with timed(timings, "fetch"):
        return hits_of(searcher, ranked), notes


def _fuse(
    searcher: Searcher,
    lexical: Callable[[], Lexical],
    query: str,
    k: int,
    filters: Filters,
    timings: dict[str, float],
) -> tuple[list[Hit], dict[str, str]]:
    depth = max(FUSED_DEPTH, k)
    by_meaning = [hit.id for hit in _rank_maxsim(searcher, query, depth, filters, timings, exact=False)]
    with timed(timings, "BM25"):
        allowed = None if filters is None else searcher.matching_ids(filters)
        by_words = [one for one, _ in lexical().rank(query, depth, allowed)]
    with timed(timings, "fuse"):
        scores: dict[str, float] = {}
        parts: dict[str, list[str]] = {}
        for name, ids in (("ColBERT", by_meaning), ("BM25", by_words)):
            for place, one in enumerate(ids, start=1):
                scores[one] = scores.get(one, 0.0) + 1 / (FUSION_K + place)
                parts.setdefault(one, []).append(f"1/({FUSION_K} + {place}) for place {place} by {name}")
        ranked = sorted(scores.items(), key=lambda one: (-one[1], one[0]))[:k]
    with timed(timings, "fetch"):
        return hits_of(searcher, ranked), {one: "Hybrid: " + " + ".join(parts[one]) for one, _ in ranked}


def hits_of(searcher: Searcher, ranked: Sequence[tuple[str, float]]) -> list[Hit]:
    """The hits of ids with scores."""
    from colbert_kit import Hit

    hits = []
    documents = searcher.get_documents([one for one, _ in ranked])
    for place, (document, (_, score)) in enumerate(zip(documents, ranked, strict=True), start=1):
        metadata = {name: value for name, value in document.items() if name not in ("id", "text")}
        hits.append(Hit(document["id"], score, place, document["text"], metadata))
    return hits


@contextmanager
def timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds that something takes to a stage's."""
    start = time.perf_counter()
    yield
    timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - start
