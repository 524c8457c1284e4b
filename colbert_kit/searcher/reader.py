"""What can be asked of an index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.documents import Filters
from colbert_kit.indexes import SearchConfig
from colbert_kit.scores import TokenMatch
from colbert_kit.searcher.hits import Generation, Hit
from colbert_kit.searcher.reranking import rerank_texts
from colbert_kit.searcher.searching import Options, explain_generation, search_generation

__all__ = ["Reader"]


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

    @property
    def metadata_columns(self) -> list[str]:
        """Columns that filters may use."""
        return self._generation.documents.metadata_columns

    @property
    def index_bytes(self) -> int:
        """Bytes of the index on disk: codes, residuals, postings, ids and the codec, without the texts."""
        return self._generation.index.num_bytes

    @property
    def nbits(self) -> int:
        """Bits of a residual a dimension, once the index is compressed."""
        return self._generation.index.section.nbits

    @property
    def pool_factor(self) -> int:
        """How many similar token embeddings are kept as about one; 1 where all are."""
        return self._generation.pool_factor

    @property
    def is_compressed(self) -> bool:
        """Whether token embeddings are stored as codes; small indexes keep them as they are and score all."""
        return self._generation.index.codec is not None

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
            config: How much work to do; chosen by ``k`` where None.
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

    def documents(self) -> Iterator[dict[str, Any]]:
        """The documents that can be found, in the order they were added: ``{"id", "text", ...metadata}``."""
        generation = self._generation
        for row in np.flatnonzero(generation.index.rows.alive):
            yield generation.documents.get(int(row))
