"""Nested texts in, nested token embeddings out: what ``rank.rerank`` takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import MultiVectorEncoder

from colbert_kit.errors import InvalidInput
from colbert_kit.models.encode import encode_documents
from colbert_kit.models.inference import DType

__all__ = ["encode_candidates"]


def encode_candidates(
    model: MultiVectorEncoder,
    documents: Sequence[Sequence[str]],
    *,
    dtype: DType = "auto",
    pool_factor: int = 1,
) -> list[list[NDArray[np.float32]]]:
    """Encode the candidates of several queries; a text that several queries share is encoded once.

    ``encode_document`` raises on nested lists that differ in length, and reads an inner list of two texts as a pair.

    Args:
        model: The model.
        documents: For each query the texts of its candidates; lists may differ in length or be empty.
        dtype: As ``encode_documents``.
        pool_factor: As ``encode_documents``.

    Returns:
        For each query, for each candidate, ``(document_tokens, dim)``, float32.

    Raises:
        InvalidInput: ``documents`` is not a list of lists of strings.

    Example:
        >>> encode_candidates(model, [["a", "b"], ["a"]])  # doctest: +SKIP
    """
    if isinstance(documents, str) or any(isinstance(inner, str) for inner in documents):
        raise InvalidInput("documents must be a list of lists of texts, one list a query; got a plain text.")
    row_of = {text: row for row, text in enumerate(dict.fromkeys(text for inner in documents for text in inner))}
    encoded: list[NDArray[np.float32]] = []
    for packed in encode_documents(model, list(row_of), dtype=dtype, pool_factor=pool_factor):
        encoded.extend(array.astype(np.float32, copy=False) for array in packed)
    return [[encoded[row_of[text]] for text in inner] for inner in documents]
