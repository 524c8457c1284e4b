"""From queries to hits, on one generation."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.documents import Filters
from colbert_kit.searcher.hits import Generation, Hit, check_k, check_queries, hits_of

__all__ = ["Options", "search_generation"]

QUERIES_AT_ONCE = 32
"""Queries of one pass over the documents: their similarities to a block of tokens still fit the caches."""


@dataclass(frozen=True)
class Options:
    """What a search is told besides queries and ``k``; see ``Searcher.search``."""

    filters: Filters | None = None
    subset: Iterable[str] | None = None
    group_by: str | None = None
    timings: dict[str, float] | None = None


def search_generation(
    generation: Generation, encoder: MultiVectorEncoder, queries: Sequence[str], k: int, options: Options
) -> list[list[Hit]]:
    """Hits of each query, best first.

    Raises:
        InvalidInput: A query is empty, ``k`` is below 1, or the filters do not fit.
    """
    queries = check_queries(queries)
    check_k(k)
    timings = options.timings if options.timings is not None else {}
    if options.group_by is not None:
        generation.check_column(options.group_by)
    with _timed(timings, "filter"):
        mask = generation.mask(options.filters, options.subset)
    # Which documents a group's best hide is known only when all are ranked.
    depth = k if options.group_by is None else max(1, len(generation.index))
    hits: list[list[Hit]] = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        with _timed(timings, "encode"):
            packed = models.encode_window(encoder, queries[start : start + QUERIES_AT_ONCE], "query")
        with _timed(timings, "score"):
            rankings = generation.index.search(packed, depth, mask)
        with _timed(timings, "fetch"):
            hits.extend(hits_of(generation, ranking, k, options.group_by) for ranking in rankings)
    return hits


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - start
