"""Rerank texts that need not be in any index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.documents import check_document
from colbert_kit.models import DType
from colbert_kit.scores import PackedEmbeddings, maxsim
from colbert_kit.searcher.hits import Hit, check_k, check_queries, hit_of

__all__ = ["rerank_texts"]


def rerank_texts(
    model: MultiVectorEncoder,
    query: str,
    documents: Sequence[Mapping[str, Any]],
    k: int | None = None,
    *,
    dtype: DType = "auto",
) -> list[Hit]:
    """Order the candidates of another search by how well they answer a query.

    Args:
        model: The model.
        query: The query.
        documents: The candidates, ``{"id", "text", ...metadata}``.
        k: Hits at most; all where None.
        dtype: What to encode in.

    Returns:
        Best first; ties in the order given.

    Raises:
        InvalidInput: The query is empty, ``k`` is below 1, or a document is not well formed.

    Example:
        >>> rerank_texts(model, "who sings?", [{"id": "1", "text": "A song."}])  # doctest: +SKIP
        [Hit(id='1', score=4.1, rank=1, text='A song.', metadata={})]
    """
    [query] = check_queries([query])
    if k is not None:
        check_k(k)
    for position, document in enumerate(documents):
        check_document(document, position)
    if not documents:
        return []
    [query_embeddings] = models.encode_queries(model, [query], dtype=dtype)
    [embeddings] = models.encode_candidates(model, [[document["text"] for document in documents]], dtype=dtype)
    [scores] = maxsim(query_embeddings, PackedEmbeddings.pack(embeddings))
    order = np.argsort(-scores, kind="stable")[:k]
    return [hit_of(documents[row], float(scores[row]), rank) for rank, row in enumerate(order, start=1)]
