"""What an index will weigh and cost in quality, before it is built: from formulas and measured figures."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["EXACT_BELOW", "MEASURED", "Prediction", "describe_quality", "predict"]

EXACT_BELOW = 131_072
"""``indexes.EXACT_BELOW``, which costs torch to import; a test compares them."""

TOKENS_A_WORD = 1.5
"""120 English words are about 180 tokens (``data.split_passages``)."""

DEMO_DIM, DEMO_LENGTH = 128, 256
"""Of the demo model's token embeddings and documents (``models.load_demo``)."""

NOISE = 0.01
"""Differences below it say nothing with so few queries (docs/compression.md)."""

MEASURED: dict[tuple[int | None, int], tuple[float, float]] = {
    (None, 1): (0.7065, 0.5658), (4, 1): (0.7104, 0.5709), (2, 1): (0.7162, 0.5652), (1, 1): (0.7094, 0.5533),
    (4, 2): (0.7082, 0.5647), (2, 2): (0.7063, 0.5564), (1, 2): (0.7094, 0.5411),
    (4, 3): (0.7018, 0.5683), (2, 3): (0.7046, 0.5595), (1, 3): (0.6967, 0.5270),
}  # fmt: skip
"""nDCG@10 on SciFact and CoSQA by nbits (None: exact) and pooling: docs/compression.md, which a test compares."""


@dataclass(frozen=True)
class Prediction:
    """What an index will weigh.

    Args:
        num_documents: How many documents or passages.
        num_tokens: Token embeddings in all, after pooling.
        embedding_bytes: Of the token embeddings.
        text_bytes: Of the texts, which are packed: at most this.
        is_exact: Whether it is too small to be compressed.
    """

    num_documents: int
    num_tokens: int
    embedding_bytes: int
    text_bytes: int
    is_exact: bool


def predict(
    num_documents: int,
    words_a_document: float,
    characters_a_document: float,
    *,
    nbits: int,
    pool_factor: int,
    passage_words: int | None = None,
    dim: int = DEMO_DIM,
    document_length: int = DEMO_LENGTH,
) -> Prediction:
    """What an index of such documents will weigh.

    Example:
        >>> predict(5183, 200, 1400, nbits=4, pool_factor=1).embedding_bytes  # 72 a token, and centroids
        99727360
    """
    if passage_words and words_a_document > passage_words:
        # Each but the first brings three quarters of its words anew.
        passages = 1 + math.ceil((words_a_document - passage_words) / (passage_words - passage_words // 4))
        num_documents, words_a_document = num_documents * passages, passage_words
        characters_a_document = characters_a_document * 4 / 3 / passages
    tokens = min(document_length, words_a_document * TOKENS_A_WORD) / pool_factor
    num_tokens = round(num_documents * tokens)
    is_exact = num_tokens < EXACT_BELOW
    return Prediction(
        num_documents,
        num_tokens,
        _exact_bytes(num_tokens, dim) if is_exact else compressed_bytes(num_tokens, dim, nbits),
        round(num_documents * characters_a_document),
        is_exact,
    )


def compressed_bytes(num_tokens: int, dim: int, nbits: int) -> int:
    """Bytes of compressed token embeddings: residuals, 8 bytes a token for what they belong to, and centroids."""
    num_centroids = 1 << int(math.log2(16 * math.sqrt(max(1, num_tokens))))
    return num_tokens * (dim * nbits // 8 + 8) + num_centroids * 2 * dim


def describe_quality(nbits: int, pool_factor: int) -> str:
    """What compression cost where it was measured, in words."""
    exact, found = MEASURED[None, 1], MEASURED.get((nbits, pool_factor))
    if found is None:
        return (
            f"{nbits} bits with pooling by {pool_factor} were not measured; 4 bits without pooling lost nothing that "
            "could be shown."
        )
    losses = {name: exact[i] - found[i] for i, name in enumerate(("SciFact", "CoSQA"))}
    shown = [f"{loss:.3f} on {name}" for name, loss in losses.items() if loss >= NOISE]
    verdict = f"lost {' and '.join(shown)}" if shown else "lost nothing that 300 and 500 queries can show"
    return (
        f"Measured: {verdict} (nDCG@10 {found[0]:.3f} against {exact[0]:.3f} exact on SciFact, {found[1]:.3f} against "
        f"{exact[1]:.3f} on CoSQA)."
    )


def _exact_bytes(num_tokens: int, dim: int) -> int:
    return num_tokens * dim * 2
