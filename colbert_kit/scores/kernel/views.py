"""What the kernel sees of a codec and of a segment: arrays, checked once by whoever makes them."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NBITS", "CodecView", "SegmentView", "byte_weights", "pad_query", "reversed_codes"]

NBITS = (1, 2, 4, 8)
"""Bits of a residual a dimension that an index may have."""


@dataclass(frozen=True)
class CodecView:
    """A residual codec.

    Args:
        centroids: ``(num_centroids, dim)`` float32; ``dim`` is a multiple of 8.
        cutoffs: Bounds of the residual buckets, ``(2**nbits - 1,)`` float32, ascending.
        weights: What a bucket stands for, ``(2**nbits,)`` float32.
    """

    centroids: NDArray[np.float32]
    cutoffs: NDArray[np.float32]
    weights: NDArray[np.float32]

    @property
    def dim(self) -> int:
        """Width of a token embedding."""
        return int(self.centroids.shape[1])

    @functools.cached_property
    def nbits(self) -> int:
        """Bits of a residual a dimension."""
        return len(self.weights).bit_length() - 1

    @property
    def residual_bytes(self) -> int:
        """Bytes of a token's residual."""
        return self.dim * self.nbits // 8

    @functools.cached_property
    def byte_weights(self) -> NDArray[np.float32]:
        """What each byte of a residual stands for, ``(256, 8 / nbits)``."""
        return byte_weights(self.weights)

    @functools.cached_property
    def halves(self) -> tuple[NDArray[np.uint8], float]:
        """Weights of the codes as they are stored, in whole steps of 1/32,767 of the largest, and the step.

        Their low bytes and their high bytes, ``(2, 2**nbits)``: with 4 bits a register holds them.
        """
        largest = float(np.abs(self.weights).max())
        step = largest / 32767 if np.isfinite(largest) and largest > 0 else 1.0
        steps = np.rint(self.weights[self.reversed] / step).astype("<i2")
        return np.ascontiguousarray(steps.view(np.uint8).reshape(-1, 2).T), step

    @functools.cached_property
    def reversed(self) -> NDArray[np.uint8]:
        """The code of each bucket as it is stored, ``(2**nbits,)``."""
        return reversed_codes(self.nbits)


@dataclass(frozen=True)
class SegmentView:
    """A segment's arrays, row for row.

    Args:
        name: For messages.
        codes: Nearest centroid of each token, ``(num_tokens,)``, uint16 or uint32.
        residuals: ``(num_tokens, dim * nbits / 8)`` uint8.
        inverse_norms: What brings a decoded token to unit length, ``(num_tokens,)`` float16.
        offsets: Where each row's tokens begin and the last one's end, ``(num_rows + 1,)`` int64.
        posting_offsets: Where each centroid's list begins, ``(num_lists + 1,)`` int64.
        postings: Rows that have a token at the centroid, each once, uint32.
    """

    name: str
    codes: NDArray[Any]
    residuals: NDArray[np.uint8]
    inverse_norms: NDArray[np.float16]
    offsets: NDArray[np.int64]
    posting_offsets: NDArray[np.int64]
    postings: NDArray[np.uint32]
    _threads: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def scratch(self) -> tuple[NDArray[Any], ...]:
        """This thread's arrays of a number a row: sums and stamps, which are zero between calls, and room for finds."""
        if not hasattr(self._threads, "arrays"):
            kinds = (np.uint16, np.uint16, np.uint32, np.uint32)
            self._threads.arrays = tuple(np.zeros(len(self), dtype=kind) for kind in kinds)
        arrays: tuple[NDArray[Any], ...] = self._threads.arrays
        return arrays


def reversed_codes(nbits: int) -> NDArray[np.uint8]:
    """Bucket numbers with their bits in reverse, ``(2**nbits,)``: so fast-plaid packs them."""
    return np.asarray([int(f"{code:0{nbits}b}"[::-1], 2) for code in range(2**nbits)], dtype=np.uint8)


def byte_weights(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each byte of a residual stands for, ``(256, 8 / nbits)``; its first dimension lies in the highest bits."""
    nbits = len(weights).bit_length() - 1
    shifts = np.arange(8 - nbits, -1, -nbits)
    codes = (np.arange(256)[:, None] >> shifts) & (2**nbits - 1)
    return np.ascontiguousarray(weights[reversed_codes(nbits)[codes]], dtype=np.float32)


def pad_query(query: NDArray[np.float32], lanes: int) -> NDArray[np.float32]:
    """A query by columns, ``(dim, num_tokens rounded up to lanes)``; what is padded is zero and never counted."""
    width = -(-len(query) // lanes) * lanes
    columns = np.zeros((query.shape[1], width), dtype=np.float32)
    columns[:, : len(query)] = query.T
    return columns
