"""From queries to hits, on one generation."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.documents import Filters
from colbert_kit.indexes import SearchConfig
from colbert_kit.scores import PackedEmbeddings, TokenMatch, TokenSimilarities, TokenSpan, explain
from colbert_kit.searcher.hits import Generation, Hit, check_k, check_queries, choose, hits_of

__all__ = ["Options", "explain_generation", "search_generation", "search_packed", "similarities_in_generation"]

QUERIES_AT_ONCE = 32
"""Queries of one pass over the documents; it bounds the memory for their similarities to a block of tokens."""

GROUP_FACTOR = 8
"""Documents ranked for each group wanted; where that gives too few groups, so many times as many, and so on."""


@dataclass(frozen=True)
class Options:
    """What a search is told besides queries and ``k``; see ``Searcher.search``."""

    filters: Filters | None = None
    subset: Iterable[str] | None = None
    group_by: str | None = None
    config: SearchConfig | None = None
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
    hits: list[list[Hit]] = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        with _timed(timings, "encode"):
            packed = models.encode_window(encoder, queries[start : start + QUERIES_AT_ONCE], "query")
        hits.extend(_search(generation, packed, k, mask, options, timings))
    return hits


def search_packed(
    generation: Generation, packed: PackedEmbeddings, k: int, config: SearchConfig | None
) -> list[list[Hit]]:
    """Hits of each query that is encoded already, best first.

    Raises:
        InvalidInput: ``k`` is below 1, or the queries are of another ``dim`` or not finite.
    """
    check_k(k)
    hits: list[list[Hit]] = []
    each = list(packed)
    for start in range(0, len(each), QUERIES_AT_ONCE):
        some = PackedEmbeddings.pack(each[start : start + QUERIES_AT_ONCE])
        hits.extend(_search(generation, some, k, None, Options(config=config), {}))
    return hits


def _search(
    generation: Generation,
    packed: PackedEmbeddings,
    k: int,
    mask: NDArray[np.bool_] | None,
    options: Options,
    timings: dict[str, float],
) -> list[list[Hit]]:
    # Which documents a group's best hide is known only when more are ranked.
    depth = k if options.group_by is None else GROUP_FACTOR * k
    while True:
        with _timed(timings, "score"):
            rankings = generation.index.search(packed, depth, mask, options.config)
        with _timed(timings, "fetch"):
            chosen = [choose(generation, ranking, k, options.group_by) for ranking in rankings]
            exhausted = depth >= len(generation.index)
            if options.group_by is None or exhausted or all(len(found) == k for found in chosen):
                return hits_of(generation, chosen)
        depth *= GROUP_FACTOR


def explain_generation(
    generation: Generation, encoder: MultiVectorEncoder, query: str, hits: Sequence[Hit | str]
) -> list[list[TokenMatch]]:
    """For each hit, which of its tokens answered which token of the query.

    Raises:
        InvalidInput: The query is empty, or there is no such document.
    """
    return [explain(*tokens) for tokens in _tokens_of(generation, encoder, query, hits)]


def similarities_in_generation(
    generation: Generation, encoder: MultiVectorEncoder, query: str, hit: Hit | str
) -> TokenSimilarities:
    """How similar every token of the query is to every token of a hit.

    Raises:
        InvalidInput: The query is empty, or there is no such document.
    """
    [(query_embeddings, embeddings, query_spans, document_spans)] = _tokens_of(generation, encoder, query, [hit])
    similarity = query_embeddings.astype(np.float32) @ embeddings.astype(np.float32).T
    return TokenSimilarities(query_spans, document_spans, similarity)


def _tokens_of(
    generation: Generation, encoder: MultiVectorEncoder, query: str, hits: Sequence[Hit | str]
) -> Iterator[tuple[NDArray[Any], NDArray[Any], list[TokenSpan], list[TokenSpan]]]:
    """For each hit the embeddings and the spans of the query and of the hit."""
    [query] = check_queries([query])
    rows = generation.index.rows.find([hit if isinstance(hit, str) else hit.id for hit in hits])
    [query_embeddings] = models.encode_window(encoder, [query], "query")
    query_spans = models.query_spans(encoder, query)
    for row, document in zip(rows.tolist(), generation.documents.get_many(rows.tolist()), strict=True):
        text = document["text"]
        if generation.pool_factor > 1:  # what is stored are means of tokens, which stand nowhere in the text
            [embeddings] = models.encode_window(encoder, [text], "document")
        else:
            embeddings = generation.index.embeddings_of(row)
        yield query_embeddings, embeddings, query_spans, models.document_spans(encoder, text)


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - start
