"""The kernel in NumPy: what the tests compare it with, and what runs where nothing can be compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidFolder
from colbert_kit.scores.kernel.views import CodecView, SegmentView

__all__ = ["NumpyKernel"]

MAX_TOKENS = 65_535
"""Tokens of a query that ``accumulate`` counts, as in kernel.c."""


class NumpyKernel:
    """The same functions as ``NativeKernel``, tens of times slower."""

    name = "numpy"
    lanes = 8

    def similarities(
        self,
        codec: CodecView,
        query: NDArray[np.float32],
        nprobe: int,
        first: int,
        last: int,
        table: NDArray[np.uint8],
        exact: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """See ``Kernel.similarities``."""
        values = codec.centroids[first:last] @ query.T
        # What is not a number is near nothing.
        values[np.isnan(values)] = -np.inf
        if exact is not None:
            exact[first:last, : len(query)] = values
        table[first:last, len(query) :] = 0
        table[first:last, : len(query)] = np.clip(np.rint(values * 255), 0, 255)
        order = np.argsort(-values, axis=0, kind="stable")[:nprobe].T
        cells = np.full((len(query), nprobe), -1, dtype=np.int32)
        best = np.full((len(query), nprobe), -np.inf, dtype=np.float32)
        cells[:, : order.shape[1]] = order + first
        best[:, : order.shape[1]] = np.take_along_axis(values.T, order, axis=1)
        cells[np.isneginf(best)] = -1
        return cells, best

    def accumulate(
        self, segment: SegmentView, cells: NDArray[np.int32], similarities: NDArray[np.float32],
        allowed: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:  # fmt: skip
        """See ``Kernel.accumulate``."""
        sums = np.zeros(len(segment), dtype=np.uint32)
        found = np.zeros(len(segment), dtype=bool)
        levels = np.clip(similarities, 0, 1)
        for mine, level in zip(cells[:MAX_TOKENS], levels[:MAX_TOKENS], strict=True):
            gains = np.zeros(len(segment), dtype=np.uint32)
            for cell, gain in zip(mine[::-1], (255 * (level - level[-1]) + np.float32(0.5))[::-1], strict=True):
                if not 0 <= cell < len(segment.posting_offsets) - 1:
                    continue
                rows = segment.postings[segment.posting_offsets[cell] : segment.posting_offsets[cell + 1]]
                _check_rows(segment, rows)
                # The best cell of a token comes last here and overwrites the others.
                gains[rows] = np.uint32(gain)
                found[rows] = True
            sums += gains
        if allowed is not None:
            found &= allowed
        rows = np.flatnonzero(found).astype(np.uint32)
        return rows, np.minimum(sums[rows], 65535)

    def approximate(
        self, codec: CodecView, segment: SegmentView, table: NDArray[np.uint8], rows: NDArray[np.uint32]
    ) -> NDArray[np.uint32]:
        """See ``Kernel.approximate``."""
        tokens, starts, empty = _tokens_of(segment, rows)
        out = np.zeros(len(rows), dtype=np.uint32)
        if len(tokens):
            levels = table[_codes(codec, segment, tokens)]
            out[~empty] = np.maximum.reduceat(levels, starts[~empty], axis=0).sum(axis=1, dtype=np.uint32)
        return out

    def rescore(
        self, codec: CodecView, segment: SegmentView, query: NDArray[np.float32], rows: NDArray[np.uint32],
        exact: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:  # fmt: skip
        """See ``Kernel.rescore``; decoding all there is takes no longer here."""
        tokens, starts, empty = _tokens_of(segment, rows)
        out = np.full(len(rows), -np.inf, dtype=np.float32)
        if len(tokens):
            similarity = self._decoded(codec, segment, tokens) @ query.T
            similarity[np.isnan(similarity)] = -np.inf
            out[~empty] = np.maximum.reduceat(similarity, starts[~empty], axis=0).sum(axis=1)
        return out

    def compress(
        self, codec: CodecView, tokens: NDArray[np.float32], codes: NDArray[np.uint32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """See ``Kernel.compress``."""
        if len(codes) and codes.max() >= len(codec.centroids):
            raise ValueError(f"codes must be below {len(codec.centroids)}")
        centroids = codec.centroids[codes]
        buckets = np.searchsorted(codec.cutoffs, tokens - centroids, side="left")
        stored = codec.reversed[buckets].reshape(len(tokens), -1, 8 // codec.nbits)
        shifts = np.arange(8 - codec.nbits, -1, -codec.nbits)
        residuals = np.bitwise_or.reduce(stored.astype(np.uint8) << shifts.astype(np.uint8), axis=2)
        decoded = centroids + codec.byte_weights[residuals].reshape(len(tokens), -1)
        return residuals, np.linalg.norm(decoded, axis=1).astype(np.float32)

    def decode(self, codec: CodecView, segment: SegmentView, start: int, stop: int) -> NDArray[np.float32]:
        """See ``Kernel.decode``."""
        return self._decoded(codec, segment, np.arange(start, stop))

    def postings(self, segment: SegmentView, num_lists: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """See ``Kernel.postings``."""
        if len(segment.codes) and segment.codes.max() >= num_lists:
            raise InvalidFolder(f"{segment.name}: a code is out of range. Build or download the index again.")
        rows = np.repeat(np.arange(len(segment)), np.diff(segment.offsets))
        pairs = np.unique(segment.codes.astype(np.int64) * max(1, len(segment)) + rows)
        counts = np.bincount(pairs // max(1, len(segment)), minlength=num_lists)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return offsets, (pairs % max(1, len(segment))).astype(np.uint32)

    @staticmethod
    def _decoded(codec: CodecView, segment: SegmentView, tokens: NDArray[Any]) -> NDArray[np.float32]:
        centroids = codec.centroids[_codes(codec, segment, tokens)]
        decoded = centroids + codec.byte_weights[segment.residuals[tokens]].reshape(len(tokens), codec.dim)
        unit: NDArray[np.float32] = decoded * _from_half(segment.inverse_norms[tokens])[:, None]
        return unit


def _tokens_of(segment: SegmentView, rows: NDArray[np.uint32]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Token numbers of rows one after the other, where each row begins among them, and which rows have none."""
    _check_rows(segment, rows)
    firsts, lengths = segment.offsets[rows], np.diff(segment.offsets)[rows]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    tokens = np.arange(int(lengths.sum())) + np.repeat(firsts - starts[: len(rows)], lengths)
    return tokens, starts[: len(rows)], lengths == 0


def _codes(codec: CodecView, segment: SegmentView, tokens: NDArray[Any]) -> NDArray[Any]:
    codes: NDArray[Any] = segment.codes[tokens]
    if len(codes) and codes.max() >= len(codec.centroids):
        raise InvalidFolder(f"{segment.name}: a code is out of range. Build or download the index again.")
    return codes


def _from_half(norms: NDArray[np.float16]) -> NDArray[np.float32]:
    """As kernel.c reads them: without sign, and large where a damaged file has infinity or no number."""
    bits = (norms.view(np.uint16) & np.uint16(0x7FFF)).astype(np.uint32) << np.uint32(13)
    values: NDArray[np.float32] = bits.view(np.float32) * np.float32(2.0**112)
    return values


def _check_rows(segment: SegmentView, rows: NDArray[np.uint32]) -> None:
    if len(rows) and rows.max() >= len(segment):
        raise InvalidFolder(f"{segment.name}: a row is out of range. Build or download the index again.")
