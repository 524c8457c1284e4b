"""Which token of the document answered which token of the query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from colbert_kit.errors import InvalidInput
from colbert_kit.scores.packed import FloatArray

__all__ = ["TokenMatch", "TokenSimilarities", "TokenSpan", "explain"]


@dataclass(frozen=True)
class TokenSpan:
    """One scored token and where it stands in its text.

    Args:
        token: The token as the tokenizer spells it, ``"[MASK]"`` or ``"##tic"`` for instance.
        start: First character in the text; equal to ``stop`` for a token that is not in it (markers, expansion).
        stop: Character after the last.
    """

    token: str
    start: int
    stop: int


@dataclass(frozen=True)
class TokenMatch:
    """The document token that a query token met: its similarity is what the query token adds to the score.

    Args:
        query: The query token.
        document: The most similar document token.
        similarity: Dot product of their unit-norm embeddings, -1 to 1.
    """

    query: TokenSpan
    document: TokenSpan
    similarity: float


@dataclass(frozen=True)
class TokenSimilarities:
    """How similar every query token is to every document token; the largest of each row sum to the MaxSim score.

    Args:
        query: The query tokens.
        document: The document tokens.
        similarity: Dot products of their unit-norm embeddings, ``(query_tokens, document_tokens)``, float32.
    """

    query: list[TokenSpan]
    document: list[TokenSpan]
    similarity: FloatArray


def explain(
    query_embeddings: FloatArray,
    document_embeddings: FloatArray,
    query_spans: Sequence[TokenSpan],
    document_spans: Sequence[TokenSpan],
) -> list[TokenMatch]:
    """Find the best document token for each query token; the similarities sum to the MaxSim score.

    Args:
        query_embeddings: ``(query_tokens, dim)``.
        document_embeddings: ``(document_tokens, dim)``.
        query_spans: One a query token.
        document_spans: One a document token.

    Returns:
        One match a query token, in query order; the first document token wins a tie.

    Raises:
        InvalidInput: A side has no tokens, or its spans do not fit its embeddings.

    Example:
        >>> [match] = explain(
        ...     np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32),
        ...     [TokenSpan("cat", 0, 3)], [TokenSpan("cats", 0, 4), TokenSpan("dog", 5, 8)],
        ... )
        >>> match.document.token, match.similarity
        ('cats', 1.0)
    """
    for side, embeddings, spans in (
        ("query", query_embeddings, query_spans),
        ("document", document_embeddings, document_spans),
    ):
        if len(embeddings) == 0 or len(embeddings) != len(spans):
            raise InvalidInput(
                f"the {side} needs one span for each of its token embeddings, and at least one; got "
                f"{len(spans)} spans for {len(embeddings)} token embeddings."
            )
    # Shape: query_tokens x document_tokens.
    similarity = query_embeddings.astype(np.float32) @ document_embeddings.astype(np.float32).T
    best = similarity.argmax(axis=1)
    return [
        TokenMatch(query_spans[row], document_spans[column], float(similarity[row, column]))
        for row, column in enumerate(best)
    ]
