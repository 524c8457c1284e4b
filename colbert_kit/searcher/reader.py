"""What can be asked of an index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.documents import ColumnSummary, Filters
from colbert_kit.indexes import SearchConfig
from colbert_kit.scores import PackedEmbeddings, TokenMatch, TokenSimilarities
from colbert_kit.searcher.hits import Generation, Hit, check_queries
from colbert_kit.searcher.reranking import rerank_texts
from colbert_kit.searcher.searching import (
    Options,
    explain_generation,
    search_generation,
    search_packed,
    similarities_in_generation,
)

__all__ = ["Reader"]

DOCUMENTS_AT_ONCE = 256
"""Documents whose texts are read together when all are asked for."""


class Reader:
    """The asking half of a ``Searcher``: nothing here changes the folder.

    Args:
        encoder: The model to compute with.
        generation: What to search, until another is set.
    """

    def __init__(self, encoder: MultiVectorEncoder, generation: Generation) -> None:
        self._encoder = encoder
        self._generation = generation

    def __len__(self) -> int:
        """Documents that can be found."""
        return len(self._generation.index)

    def __contains__(self, document_id: object) -> bool:
        """Whether there is a document of this id."""
        return document_id in self._generation.index.rows.by_id

    @property
    def metadata_columns(self) -> list[str]:
        """Columns that filters may use."""
        return self._generation.documents.metadata_columns

    def summarize_columns(self, max_values: int = 50) -> list[ColumnSummary]:
        """What the columns that filters may use hold.

        Args:
            max_values: Values of a column that are named at most.
        """
        return self._generation.documents.summaries(self._generation.index.rows.alive, max_values)

    @property
    def is_compressed(self) -> bool:
        """Whether token embeddings are stored as codes; small indexes keep them as they are and score all."""
        return self._generation.index.codec is not None

    @property
    def nbits(self) -> int | None:
        """Bits of a residual a dimension; None where token embeddings are not compressed."""
        return self._generation.index.section.nbits if self.is_compressed else None

    @property
    def pool_factor(self) -> int:
        """About one token embedding is kept for so many similar ones; 1 where all are."""
        return self._generation.pool_factor

    @property
    def num_bytes(self) -> int:
        """Bytes of all files of this generation: token embeddings, ids, texts and metadata."""
        return sum(entry.size for entry in self._generation.index.snapshot.manifest.files.values())

    @property
    def document_bytes(self) -> int:
        """Those of ``num_bytes`` that are texts and metadata, and what tells the texts' blocks."""
        return self._generation.documents.num_bytes

    @property
    def dim(self) -> int | None:
        """Width of a token embedding; None while there is none."""
        return self._generation.index.dim

    @property
    def document_lengths(self) -> NDArray[np.int64]:
        """Token embeddings of each document, ``(num_documents,)``."""
        return self._generation.index.document_lengths

    @property
    def content_digest(self) -> str:
        """sha256 of what this generation holds, 64 hex digits: equal where all files are."""
        return self._generation.index.snapshot.manifest.content_digest

    @property
    def generation(self) -> int:
        """Which commit of the folder is searched: 1 after ``build``, one more with each."""
        return self._generation.number

    def search_config(self, k: int = 10, config: SearchConfig | None = None) -> SearchConfig:
        """The numbers that a search works with: those given, kept in the folder (``configure``), or the defaults.

        Args:
            k: Hits wanted.
            config: As ``search``.

        Returns:
            Settings without None; all None where the index is not compressed and every document is scored.
        """
        return self._generation.index.search_config(k, config)

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        filters: Filters | None = None,
        subset: Iterable[str] | None = None,
        group_by: str | None = None,
        config: SearchConfig | None = None,
        timings: dict[str, float] | None = None,
    ) -> list[Hit]:
        """Find the documents that answer a query best.

        Args:
            query: The query.
            k: Hits at most; fewer where fewer match.
            filters: ``[("year", ">=", 2020)]``, all must hold; a list of such lists: one must. Null never matches.
            subset: Ids that may be found; an empty one finds nothing.
            group_by: A metadata column of which each value is found once, by its best document:
                ``"document_id"`` for passages.
            config: How much work to do; where None, what the folder keeps, or else a choice by ``k``.
            timings: Filled with the seconds of each stage: ``"filter"``, ``"encode"``, ``"score"``, ``"fetch"``.

        Returns:
            Best first; ties by id.

        Raises:
            InvalidInput: The query is empty, ``k`` is below 1, or the filters do not fit.
        """
        options = Options(filters, subset, group_by, config, timings)
        return search_generation(self._generation, self._encoder, [query], k, options)[0]

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        filters: Filters | None = None,
        subset: Iterable[str] | None = None,
        group_by: str | None = None,
        config: SearchConfig | None = None,
    ) -> list[list[Hit]]:
        """Search for several queries: the documents are read once for every 32 of them.

        Args:
            queries: The queries.
            k: As ``search``.
            filters: As ``search``.
            subset: As ``search``.
            group_by: As ``search``.
            config: As ``search``.

        Returns:
            One list a query, in input order.

        Raises:
            InvalidInput: As ``search``.
        """
        options = Options(filters, subset, group_by, config)
        return search_generation(self._generation, self._encoder, queries, k, options)

    def encode_queries(self, queries: Sequence[str]) -> PackedEmbeddings:
        """Encode queries as ``search`` does, for ``search_encoded``.

        Args:
            queries: The queries.

        Returns:
            Their token embeddings in order, float32.

        Raises:
            InvalidInput: One is empty or no text.
        """
        return models.encode_window(self._encoder, check_queries(queries), "query")

    def search_encoded(
        self, queries: PackedEmbeddings, k: int = 10, *, config: SearchConfig | None = None
    ) -> list[list[Hit]]:
        """Search for queries that are encoded already, so that ten settings cost one encoding.

        Args:
            queries: What ``encode_queries`` returned.
            k: As ``search``.
            config: As ``search``.

        Returns:
            One list a query, in order.

        Raises:
            InvalidInput: ``k`` is below 1, or the queries are of another ``dim``.

        Example:
            >>> encoded = searcher.encode_queries(queries)  # doctest: +SKIP
            >>> wide = searcher.search_encoded(encoded, config=SearchConfig(nprobe=16))  # doctest: +SKIP
        """
        return search_packed(self._generation, queries, k, config)

    def explain(self, query: str, hit: Hit | str) -> list[TokenMatch]:
        """Tell which token of a hit answered which token of the query.

        Args:
            query: The query.
            hit: A hit, or a document's id.

        Returns:
            One match a query token, in order; spans are of the query and of the hit's text. The similarities sum to
            the score, or, where the index keeps pooled tokens, to that of the text with all its tokens.

        Raises:
            InvalidInput: The query is empty, or there is no such document.
        """
        return self.explain_many(query, [hit])[0]

    def explain_many(self, query: str, hits: Sequence[Hit | str]) -> list[list[TokenMatch]]:
        """As ``explain`` for several hits of one query, which is encoded once.

        Raises:
            InvalidInput: The query is empty, or there is no such document.
        """
        return explain_generation(self._generation, self._encoder, query, hits)

    def similarities(self, query: str, hit: Hit | str) -> TokenSimilarities:
        """Tell how similar every token of a query is to every token of a hit, of which ``explain`` gives the best.

        Args:
            query: The query.
            hit: A hit, or a document's id.

        Raises:
            InvalidInput: As ``explain``.

        Example:
            >>> searcher.similarities("what makes the tides?", hits[0]).similarity.max(axis=1).sum()  # doctest: +SKIP
        """
        return similarities_in_generation(self._generation, self._encoder, query, hit)

    def rerank(self, query: str, documents: Sequence[Mapping[str, Any]], k: int | None = None) -> list[Hit]:
        """Order documents that need not be in the index by how well they answer a query.

        Args:
            query: The query.
            documents: ``{"id", "text", ...metadata}``.
            k: Hits at most; all where None.

        Raises:
            InvalidInput: The query is empty, or a document is not well formed.
        """
        return rerank_texts(self._encoder, query, documents, k, dtype="float32")

    def warm(self) -> None:
        """Read the whole index once, so that the first search is as fast as the next."""
        self._generation.index.warm()
        models.encode_window(self._encoder, ["warm"], "query")

    def matching_ids(self, filters: Filters) -> list[str]:
        """Ids of the documents that pass filters, in the order they were added.

        Raises:
            InvalidInput: The filters do not fit.
        """
        rows = self._generation.index.rows
        passing = np.flatnonzero(rows.alive & self._generation.documents.matching(filters))
        return [rows.ids[row] for row in passing.tolist()]

    def get_documents(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Documents by their ids, in the given order: ``{"id", "text", ...metadata}``.

        Raises:
            InvalidInput: There is no such document.
        """
        generation = self._generation
        return generation.documents.get_many(generation.index.rows.find(ids).tolist())

    def documents(self) -> Iterator[dict[str, Any]]:
        """The documents that can be found, in the order they were added: ``{"id", "text", ...metadata}``."""
        generation = self._generation
        rows = np.flatnonzero(generation.index.rows.alive).tolist()
        for start in range(0, len(rows), DOCUMENTS_AT_ONCE):
            yield from generation.documents.get_many(rows[start : start + DOCUMENTS_AT_ONCE])
