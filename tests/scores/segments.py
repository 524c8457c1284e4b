"""Small codecs and segments of random numbers for the kernel's tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.scores import CodecView, SegmentView
from tests import oracles

LENGTHS = (0, 3, 1, 9, 0, 0, 2, 17, 5, 8, 1, 4, 33, 0)
"""Tokens of each row: none at both ends and in the middle, more and fewer than the kernel takes at a time."""


def make_codec(*, dim: int, nbits: int = 2, num_centroids: int = 37, seed: int = 0) -> CodecView:
    """Unit centroids, one of them far from a multiple of any block; ascending cutoffs and weights."""
    generator = np.random.default_rng(seed)
    weights = np.sort(generator.normal(size=2**nbits, scale=0.1)).astype(np.float32)
    return CodecView(unit(generator, num_centroids, dim), (weights[1:] + weights[:-1]) / 2, weights)


def make_segment(codec: CodecView, *, code_dtype: Any = np.uint16, seed: int = 1) -> SegmentView:
    """Rows of LENGTHS tokens with random codes, any residual bytes, and the postings that belong to them."""
    generator = np.random.default_rng(seed)
    offsets = np.cumsum([0, *LENGTHS]).astype(np.int64)
    num_tokens = int(offsets[-1])
    codes = generator.integers(0, len(codec.centroids), num_tokens).astype(code_dtype)
    lists = oracles.postings([codes[low:high].tolist() for low, high in bounds(offsets)], len(codec.centroids))
    return SegmentView(
        name="segment",
        codes=codes,
        residuals=generator.integers(0, 256, (num_tokens, codec.residual_bytes)).astype(np.uint8),
        inverse_norms=generator.uniform(0.5, 2, num_tokens).astype(np.float16),
        offsets=offsets,
        posting_offsets=np.cumsum([0, *map(len, lists)]).astype(np.int64),
        postings=np.concatenate(lists).astype(np.uint32),
    )


def make_query(num_tokens: int, dim: int, seed: int = 2) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed), num_tokens, dim)


def unit(generator: np.random.Generator, number: int, dim: int) -> NDArray[np.float32]:
    vectors = generator.normal(size=(number, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def bounds(offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    return list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))


def all_rows(segment: SegmentView) -> NDArray[np.uint32]:
    return np.arange(len(segment), dtype=np.uint32)


def make_table(codec: CodecView, num_tokens: int) -> NDArray[np.uint8]:
    """A table as search keeps it, full of what an earlier query left."""
    return np.full((len(codec.centroids), -(-num_tokens // 16) * 16), 255, dtype=np.uint8)


def obvious_tokens(codec: CodecView, segment: SegmentView, row: int) -> list[list[float]]:
    """A row's token embeddings, bit by bit."""
    low, high = segment.offsets[row], segment.offsets[row + 1]
    return [
        oracles.decode(
            codec.centroids[segment.codes[token]],
            segment.residuals[token].tobytes(),
            codec.weights,
            segment.inverse_norms[token],
        )
        for token in range(low, high)
    ]


def obvious_codes(segment: SegmentView) -> list[list[int]]:
    return [segment.codes[low:high].tolist() for low, high in bounds(segment.offsets)]


def changed(segment: SegmentView, **arrays: NDArray[Any]) -> SegmentView:
    """A copy with other arrays, and with scratch of its own."""
    return replace(segment, _threads=type(segment._threads)(), **arrays)
