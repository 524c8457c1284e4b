"""Rankings from an index: ``retrieve.ColBERT``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from colbert_kit.indexes import PLAID, Exact, SearchConfig
from colbert_kit.scores import PackedEmbeddings
from colbert_kit.scores.packed import FloatArray

__all__ = ["ColBERT"]


class ColBERT:
    """Retrieve documents from an index by their token embeddings.

    Args:
        index: The index.

    Example:
        >>> retriever = ColBERT(index=index)  # doctest: +SKIP
        >>> retriever.retrieve(queries_embeddings=model.encode_query(["who?"]), k=10)  # doctest: +SKIP
        [[{'id': '3', 'score': 11.27}, {'id': '1', 'score': 10.3}]]
    """

    def __init__(self, index: PLAID | Exact) -> None:
        self.index = index

    def retrieve(
        self,
        queries_embeddings: Sequence[Tensor | FloatArray] | PackedEmbeddings | Tensor | FloatArray,
        k: int = 10,
        subset: Iterable[str] | None = None,
        *,
        config: SearchConfig | None = None,
    ) -> list[list[dict[str, str | float]]]:
        """Rank documents for each query.

        Args:
            queries_embeddings: For each query ``(query_tokens, dim)``: what ``encode_query`` returns.
            k: Hits a query at most.
            subset: Ids that may be found; an empty one finds nothing. All where None.
            config: How much work to do; chosen by ``k`` where None.

        Returns:
            One list a query, in input order: ``{"id", "score"}``, best first; at most ``k`` entries.

        Raises:
            InvalidInput: ``k`` is below 1, or the queries are of another ``dim`` than the index.
        """
        return self.index(queries_embeddings, k=k, subset=subset, config=config)
