"""Runs: what a searcher, BM25 or a dense encoder finds for a set of queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from colbert_kit.errors import MissingExtra

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from colbert_kit.searcher import Searcher

__all__ = ["Qrels", "Run", "bm25_run", "dense_run", "search_run"]

Run = Mapping[str, Mapping[str, float]]
"""Scores by document id, by query id."""
Qrels = Mapping[str, Mapping[str, int]]
"""Relevance by document id, by query id."""

K1, B = 0.9, 0.4
"""BM25 as in Anserini's regressions on BEIR."""


def search_run(searcher: Searcher, queries: Mapping[str, str], k: int = 100) -> dict[str, dict[str, float]]:
    """The run of a searcher.

    Args:
        searcher: Searches.
        queries: Texts by query id.
        k: Documents a query at most.
    """
    rankings = searcher.search_many(list(queries.values()), k=k)
    return {name: {hit.id: hit.score for hit in hits} for name, hits in zip(queries, rankings, strict=True)}


def bm25_run(corpus: Mapping[str, str], queries: Mapping[str, str], k: int = 100) -> dict[str, dict[str, float]]:
    """The run of BM25 with stemming, without stop words.

    Args:
        corpus: Texts by document id.
        queries: Texts by query id.
        k: Documents a query at most.

    Raises:
        MissingExtra: bm25s is not installed.
    """
    try:
        import bm25s
        import Stemmer
    except ImportError as error:
        raise MissingExtra("bm25s", "eval") from error
    stemmer = Stemmer.Stemmer("english")
    names = list(corpus)
    retriever = bm25s.BM25(k1=K1, b=B)
    tokens = bm25s.tokenize(list(corpus.values()), stopwords="en", stemmer=stemmer, show_progress=False)
    retriever.index(tokens, show_progress=False)
    asked = bm25s.tokenize(list(queries.values()), stopwords="en", stemmer=stemmer, show_progress=False)
    rows, scores = retriever.retrieve(asked, k=min(k, len(names)), show_progress=False)
    return {
        query: {names[row]: float(score) for row, score in zip(rows[place], scores[place], strict=True) if score > 0}
        for place, query in enumerate(queries)
    }


def dense_run(
    model: SentenceTransformer,
    corpus: Mapping[str, str],
    queries: Mapping[str, str],
    k: int = 100,
    *,
    batch_size: int = 32,
) -> dict[str, dict[str, float]]:
    """The run of a dense encoder: one vector a text, cosine, every document compared.

    Args:
        model: A plain ``SentenceTransformer``.
        corpus: Texts by document id.
        queries: Texts by query id.
        k: Documents a query at most.
        batch_size: Texts encoded at once.
    """
    from sentence_transformers.util import semantic_search

    names = list(corpus)
    documents = model.encode_document(list(corpus.values()), batch_size=batch_size, convert_to_tensor=True)
    asked = model.encode_query(list(queries.values()), batch_size=batch_size, convert_to_tensor=True)
    found = semantic_search(asked, documents, top_k=min(k, len(names)))
    return {
        query: {names[int(hit["corpus_id"])]: float(hit["score"]) for hit in hits}
        for query, hits in zip(queries, found, strict=True)
    }
