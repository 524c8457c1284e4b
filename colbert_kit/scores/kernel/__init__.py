"""The hot loops of search and build: one C library for all instruction sets, and its twin in NumPy.

``COLBERT_KIT_KERNEL`` forces one: ``numpy``, ``baseline``, ``avx2`` or ``avx512``.
"""

from __future__ import annotations

import functools
import os
import warnings
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidConfig
from colbert_kit.scores.kernel.finding import find_or_compile
from colbert_kit.scores.kernel.native import INSTRUCTION_SETS, NativeKernel
from colbert_kit.scores.kernel.twin import NumpyKernel
from colbert_kit.scores.kernel.views import NBITS, CodecView, SegmentView, byte_weights, reversed_codes

__all__ = ["NBITS", "CodecView", "Kernel", "SegmentView", "byte_weights", "kernel", "open_kernel", "reversed_codes"]


class Kernel(Protocol):
    """What search and build compute in their inner loops; safe to call from several threads.

    Every function that reads a segment raises ``InvalidFolder`` where a code or row in it is out of range.
    """

    name: str
    lanes: int

    def similarities(
        self, codec: CodecView, query: NDArray[np.float32], nprobe: int, first: int, last: int,
        table: NDArray[np.uint8], exact: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:  # fmt: skip
        """Compare the centroids ``first`` to ``last`` with each query token.

        Fills ``table[first:last]``, ``(num_centroids, 16 or more)``, with ``255 * similarity`` rounded, negative ones
        as 0, and ``exact[first:last]``, ``(num_centroids, query_tokens rounded up to lanes)``, with the similarities
        themselves. Returns the ``nprobe`` best cells of each token and their similarities, best first, both
        ``(query_tokens, nprobe)``; -1 and minus infinity where there are fewer.
        """

    def accumulate(
        self, segment: SegmentView, cells: NDArray[np.int32], similarities: NDArray[np.float32],
        allowed: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:  # fmt: skip
        """Rows that have a token in a probed cell, and a first estimate of their scores, both ``(found,)``.

        The estimate sums, for each query token, 255 times what its best cell with the row has above its last cell
        (XTR's imputation, WARP's accumulation).
        """

    def approximate(
        self, codec: CodecView, segment: SegmentView, table: NDArray[np.uint8], rows: NDArray[np.uint32]
    ) -> NDArray[np.uint32]:
        """MaxSim of rows with each token at its centroid, in levels of ``table``, ``(rows,)`` (PLAID, section 4)."""

    def rescore(
        self, codec: CodecView, segment: SegmentView, query: NDArray[np.float32], rows: NDArray[np.uint32],
        exact: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:  # fmt: skip
        """MaxSim of rows from their residual codes, ``(rows,)``; minus infinity for a row without tokens.

        With ``exact`` as ``similarities`` has filled it for this query, only residuals need be multiplied.
        """

    def compress(
        self, codec: CodecView, tokens: NDArray[np.float32], codes: NDArray[np.uint32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Residuals of tokens at their centroids, and the norms of what they decode to."""

    def decode(self, codec: CodecView, segment: SegmentView, start: int, stop: int) -> NDArray[np.float32]:
        """Token embeddings of unit length, ``(stop - start, dim)``."""

    def postings(self, segment: SegmentView, num_lists: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """For each centroid the rows that have a token there: ``posting_offsets`` and ``postings``."""


def open_kernel(name: str | None = None) -> Kernel:
    """The kernel of a name, or the best that can be had here.

    Raises:
        InvalidConfig: This machine cannot run the one named.
    """
    allowed = ("numpy", *INSTRUCTION_SETS)
    if name is not None and name not in allowed:
        raise InvalidConfig(f"COLBERT_KIT_KERNEL must be one of {', '.join(allowed)}, got {name!r}.")
    if name == "numpy":
        return NumpyKernel()
    try:
        return NativeKernel(find_or_compile(), name)
    except ValueError as error:
        raise InvalidConfig(f"COLBERT_KIT_KERNEL={name}: {error}. Unset it, or take a narrower one.") from error
    except OSError as error:
        if name is not None:
            raise InvalidConfig(f"COLBERT_KIT_KERNEL={name} cannot be had here: {error}.") from error
        warnings.warn(f"Search runs in NumPy, tens of times slower: {error}.", RuntimeWarning, stacklevel=2)
        return NumpyKernel()


@functools.cache
def kernel() -> Kernel:
    """The kernel of this process.

    Raises:
        InvalidConfig: ``COLBERT_KIT_KERNEL`` names one that this machine cannot run.
    """
    return open_kernel(os.environ.get("COLBERT_KIT_KERNEL") or None)
