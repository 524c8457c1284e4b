"""The compiled kernel behind the functions of ``Kernel``; ctypes releases the interpreter's lock while it runs."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_float, c_int, c_int32, c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidFolder
from colbert_kit.scores.kernel.views import CodecView, SegmentView, pad_query

__all__ = ["INSTRUCTION_SETS", "NativeKernel"]

INSTRUCTION_SETS = ("baseline", "avx2", "avx512")
DAMAGED, TOO_WIDE = 1, 2


class _Codec(Structure):
    _fields_ = [
        ("centroids", c_void_p), ("weights", c_void_p), ("halves", c_void_p), ("step", c_float),
        ("num_centroids", c_int64), ("dim", c_int32), ("nbits", c_int32),
    ]  # fmt: skip


class _Segment(Structure):
    _fields_ = [
        ("codes", c_void_p), ("residuals", c_void_p), ("inverse_norms", c_void_p), ("offsets", c_void_p),
        ("posting_offsets", c_void_p), ("postings", c_void_p), ("num_rows", c_int64), ("num_lists", c_int64),
        ("code_bytes", c_int32),
    ]  # fmt: skip


class NativeKernel:
    """One instruction set of a compiled library.

    Args:
        library: The shared library's file.
        instruction_set: One of ``INSTRUCTION_SETS``; the widest that this processor runs where None.

    Raises:
        OSError: The library cannot be loaded.
        ValueError: This processor does not run the instruction set.
    """

    def __init__(self, library: Path, instruction_set: str | None = None) -> None:
        self._library = ctypes.CDLL(str(library))
        widest = int(self._library.ck_widest())
        chosen = widest if instruction_set is None else INSTRUCTION_SETS.index(instruction_set)
        if chosen > widest:
            raise ValueError(f"this processor does not run {instruction_set}")
        self.name = INSTRUCTION_SETS[chosen]
        self.lanes = 16 if self.name == "avx512" else 8
        codec, segment, array = POINTER(_Codec), POINTER(_Segment), c_void_p
        declare = self._declare
        self._centroids = declare(
            "ck_centroids",
            codec,
            c_int64,
            c_int64,
            array,
            c_int32,
            c_int32,
            array,
            array,
            c_int32,
            c_int32,
            array,
            array,
        )
        self._approximate = declare("ck_approximate", codec, segment, array, c_int32, array, c_int64, array)
        self._rescore = declare("ck_rescore", codec, segment, array, c_int32, c_int32, array, array, c_int64, array)
        self._compress = declare("ck_compress", codec, array, c_int64, array, array, array, array, array)
        self._decode = declare("ck_decode", codec, segment, c_int64, c_int64, array)
        self._assign = declare(
            "ck_assign", array, c_int64, c_int32, array, c_int32, array, array, array, c_int32, *[array] * 5
        )
        self._accumulate = declare(
            "ck_accumulate", segment, array, array, c_int32, c_int32, array, array, array, array, array, shared=True
        )
        self._postings = declare("ck_postings", segment, array, array, array, shared=True)

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
        columns = pad_query(query, self.lanes)
        # One lane block narrower than a row leaves the rest of it to us.
        table[first:last, columns.shape[1] :] = 0
        best = np.empty((len(query), nprobe), dtype=np.float32)
        cells = np.empty((len(query), nprobe), dtype=np.int32)
        self._centroids(
            self._codec(codec), first, last, _at(columns), columns.shape[1], len(query),
            None if exact is None else _at(exact), _at(table), table.shape[1], nprobe, _at(best), _at(cells),
        )  # fmt: skip
        return cells, best

    def accumulate(
        self, segment: SegmentView, cells: NDArray[np.int32], similarities: NDArray[np.float32],
        allowed: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:  # fmt: skip
        """See ``Kernel.accumulate``."""
        scratch = segment.scratch()
        count = self._accumulate(
            self._segment(segment), _at(cells), _at(similarities), *cells.shape,
            None if allowed is None else _at(allowed), *map(_at, scratch),
        )  # fmt: skip
        if count < 0:
            raise InvalidFolder(f"{segment.name}: the postings are damaged. Build or download the index again.")
        _, _, found, sums = scratch
        return found[:count].copy(), sums[:count].copy()

    def approximate(
        self, codec: CodecView, segment: SegmentView, table: NDArray[np.uint8], rows: NDArray[np.uint32]
    ) -> NDArray[np.uint32]:
        """See ``Kernel.approximate``."""
        out = np.empty(len(rows), dtype=np.uint32)
        status = self._approximate(
            self._codec(codec), self._segment(segment), _at(table), table.shape[1], _at(rows), len(rows), _at(out)
        )
        _check(status, segment)
        return out

    def rescore(
        self, codec: CodecView, segment: SegmentView, query: NDArray[np.float32], rows: NDArray[np.uint32],
        exact: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:  # fmt: skip
        """See ``Kernel.rescore``."""
        columns = pad_query(query, self.lanes)
        out = np.empty(len(rows), dtype=np.float32)
        status = self._rescore(
            self._codec(codec), self._segment(segment), _at(columns), columns.shape[1], len(query),
            None if exact is None else _at(exact), _at(rows), len(rows), _at(out),
        )  # fmt: skip
        _check(status, segment)
        return out

    def compress(
        self, codec: CodecView, tokens: NDArray[np.float32], codes: NDArray[np.uint32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """See ``Kernel.compress``."""
        tokens = np.ascontiguousarray(tokens, dtype=np.float32)
        residuals = np.empty((len(tokens), codec.residual_bytes), dtype=np.uint8)
        norms = np.empty(len(tokens), dtype=np.float32)
        status = self._compress(
            self._codec(codec), _at(tokens), len(tokens), _at(codes), _at(codec.cutoffs), _at(codec.reversed),
            _at(residuals), _at(norms),
        )  # fmt: skip
        if status:
            raise ValueError(f"codes must be below {len(codec.centroids)}, and dim at most 4,096, got {codec.dim}")
        return residuals, norms

    def panels(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors by blocks of columns, as ``assign`` reads them; the last block is filled up with the first vector."""
        width = 2 * (16 if self.name == "avx512" else 8)
        if not len(vectors):
            return np.zeros(0, dtype=np.float32)
        filled = np.concatenate([vectors, np.repeat(vectors[:1], -len(vectors) % width, axis=0)])
        blocks: NDArray[np.float32] = np.ascontiguousarray(filled.reshape(-1, width, vectors.shape[1]).swapaxes(1, 2))
        return blocks.reshape(-1)

    def assign(
        self, tokens: NDArray[np.float32], groups: NDArray[np.float32], panels: NDArray[np.float32],
        starts: NDArray[np.int64], bounds: NDArray[np.int64], probe: int,
    ) -> NDArray[np.int32]:  # fmt: skip
        """Nearest centroid of each token, ``(num_tokens,)``, among those of its ``probe`` nearest groups.

        Args:
            tokens: ``(num_tokens, dim)`` float32.
            groups: ``panels`` of the groups' centres.
            panels: The groups' centroids, one group's ``panels`` after the other's.
            starts: Where each group's panels begin, ``(num_groups,)``; 1,024 groups at most.
            bounds: Number of its first centroid and the end of the last one's, ``(num_groups + 1,)``.
            probe: 1 to 64.
        """
        visits, order = np.empty((2, len(tokens) * probe), dtype=np.int32)
        counts = np.empty(len(bounds), dtype=np.int64)
        best, codes = np.empty(len(tokens), dtype=np.float32), np.empty(len(tokens), dtype=np.int32)
        status = self._assign(
            _at(tokens), len(tokens), tokens.shape[1], _at(groups), len(starts), _at(panels), _at(starts),
            _at(bounds), probe, _at(visits), _at(order), _at(counts), _at(best), _at(codes),
        )  # fmt: skip
        if status:
            raise ValueError(f"probe must be 1 to 64 of 1 to 1,024 groups, got {probe} of {len(starts)}")
        return codes

    def decode(self, codec: CodecView, segment: SegmentView, start: int, stop: int) -> NDArray[np.float32]:
        """See ``Kernel.decode``."""
        out = np.empty((stop - start, codec.dim), dtype=np.float32)
        _check(self._decode(self._codec(codec), self._segment(segment), start, stop, _at(out)), segment)
        return out

    def postings(self, segment: SegmentView, num_lists: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """See ``Kernel.postings``."""
        offsets = np.zeros(num_lists + 1, dtype=np.int64)
        postings = np.empty(len(segment.codes), dtype=np.uint32)
        last_row = np.empty(num_lists, dtype=np.int64)
        structure = self._segment(segment)
        structure.num_lists = num_lists
        total = self._postings(structure, _at(offsets), _at(postings), _at(last_row))
        if total < 0:
            raise InvalidFolder(f"{segment.name}: a code is out of range. Build or download the index again.")
        return offsets, postings[:total]

    def _declare(self, name: str, *argument_types: Any, shared: bool = False) -> Any:  # noqa: ANN401 - ctypes
        function = getattr(self._library, name if shared else f"{name}_{self.name}")
        function.argtypes = argument_types
        function.restype = c_int64 if shared else c_int
        return function

    @staticmethod
    def _codec(codec: CodecView) -> _Codec:
        halves, step = codec.halves
        return _Codec(
            _at(codec.centroids), _at(codec.byte_weights), _at(halves) if codec.nbits == 4 else None, step,
            len(codec.centroids), codec.dim, codec.nbits,
        )  # fmt: skip

    @staticmethod
    def _segment(segment: SegmentView) -> _Segment:
        return _Segment(
            _at(segment.codes), _at(segment.residuals), _at(segment.inverse_norms), _at(segment.offsets),
            _at(segment.posting_offsets), _at(segment.postings), len(segment.offsets) - 1,
            len(segment.posting_offsets) - 1, segment.codes.itemsize,
        )  # fmt: skip


def _at(array: NDArray[Any]) -> int:
    if not array.flags.c_contiguous:
        raise ValueError("the kernel reads contiguous arrays only")
    return int(array.ctypes.data)


def _check(status: int, segment: SegmentView) -> None:
    if status == DAMAGED:
        raise InvalidFolder(f"{segment.name}: a code or row is out of range. Build or download the index again.")
    if status == TOO_WIDE:
        raise InvalidFolder(f"{segment.name}: token embeddings of more than 4,096 dimensions cannot be searched.")
