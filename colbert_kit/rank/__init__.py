"""Rerank the candidates of a first stage by exact MaxSim, without an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from torch import Tensor

from colbert_kit.errors import InvalidInput
from colbert_kit.scores import PackedEmbeddings, maxsim
from colbert_kit.scores.packed import FloatArray

__all__ = ["rerank"]

Id = TypeVar("Id", int, str)


def rerank(
    documents_ids: Sequence[Sequence[Id]],
    queries_embeddings: Sequence[Tensor | FloatArray],
    documents_embeddings: Sequence[Sequence[Tensor | FloatArray]],
    k: int | None = None,
) -> list[list[dict[str, Id | float]]]:
    """Order each query's candidates by MaxSim.

    Args:
        documents_ids: For each query the ids of its candidates, integers or strings; lists may differ in length.
        queries_embeddings: For each query ``(query_tokens, dim)``.
        documents_embeddings: For each query, for each of its candidates, ``(document_tokens, dim)``:
            ``models.encode_candidates`` makes them.
        k: Hits a query at most; all candidates where None.

    Returns:
        One list a query, in input order: ``{"id", "score"}``, best first, ids as given, ties in the order given.

    Raises:
        InvalidInput: The lists do not fit each other, or ``k`` is below 1.

    Example:
        >>> eye = np.eye(2, dtype=np.float32)
        >>> rerank([[7, 9]], [eye], [[eye[:1], eye]])
        [[{'id': 9, 'score': 2.0}, {'id': 7, 'score': 1.0}]]
    """
    if k is not None and k < 1:
        raise InvalidInput(f"k must be 1 or more, got {k}.")
    if not len(documents_ids) == len(queries_embeddings) == len(documents_embeddings):
        raise InvalidInput(
            "each query needs its embeddings, its candidates' ids and their embeddings; got "
            f"{len(queries_embeddings)}, {len(documents_ids)} and {len(documents_embeddings)}."
        )
    rankings = []
    for position, (ids, query, documents) in enumerate(
        zip(documents_ids, queries_embeddings, documents_embeddings, strict=True)
    ):
        if len(ids) != len(documents):
            raise InvalidInput(
                f"query {position} has {len(ids)} ids for the embeddings of {len(documents)} candidates."
            )
        rankings.append(_rerank_one(ids, query, documents)[:k])
    return rankings


def _rerank_one(
    ids: Sequence[Id], query: Tensor | FloatArray, documents: Sequence[Tensor | FloatArray]
) -> list[dict[str, Id | float]]:
    packed = PackedEmbeddings.pack([query])
    scores = maxsim(packed, PackedEmbeddings.pack(documents, dim=packed.dim))[0]
    return [{"id": ids[row], "score": float(scores[row])} for row in np.argsort(-scores, kind="stable")]
