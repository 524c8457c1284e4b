"""Segments: immutable folders of token embeddings, as float16 or as codes, with the ids of their documents."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, Snapshot
from colbert_kit.indexes.codec import Codec
from colbert_kit.indexes.ids import stage_ids
from colbert_kit.scores import PackedEmbeddings, SegmentView, kernel

__all__ = ["CodedWriter", "FloatWriter", "batches_of", "read_coded", "read_floats", "take", "token_runs"]

TOKENS_PER_BLOCK = 65_536
"""Tokens compressed at a time: enough rows for each group's product, 100 MB of float32 at dim 384."""

DOCUMENTS_PER_BATCH = 256
"""Documents of a segment copied at a time: 256 abstracts of 240 tokens are 47 MB of float16 at dim 384."""


class _Writer:
    """What both kinds of segment have: a folder, offsets and ids."""

    def __init__(self, commit: Commit) -> None:
        self.commit = commit
        self.folder = f"segments/{commit.new_number('segments'):04d}"
        self.num_tokens = 0
        self._lengths: list[NDArray[np.int64]] = []
        self._files = contextlib.ExitStack()

    def __enter__(self) -> Any:  # noqa: ANN401 - Self, which mypy cannot bind here
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, traceback)

    def _rows(self, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - a RowWriter
        return self._files.enter_context(self.commit.writing_rows(f"{self.folder}/{name}.npy", np.dtype(dtype), shape))

    @property
    def num_rows(self) -> int:
        return sum(map(len, self._lengths))

    def _finish(self, ids: Sequence[str]) -> NDArray[np.int64]:
        if self.num_rows != len(ids):
            raise InvalidInput(
                f"every document needs its embeddings: got {len(ids)} ids and {self.num_rows} documents."
            )
        self._files.close()
        offsets = np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, np.int64), *self._lengths]))])
        offsets = offsets.astype(np.int64)
        self.commit.write_array(f"{self.folder}/document_offsets.npy", offsets)
        stage_ids(self.commit, self.folder, ids)
        return offsets


class FloatWriter(_Writer):
    """Writes a segment of float16 token embeddings, one batch in memory at a time.

    Args:
        commit: The commit.
        dim: Width of a token embedding.
    """

    def __init__(self, commit: Commit, dim: int) -> None:
        super().__init__(commit)
        self._embeddings = self._rows("embeddings", np.float16, (dim,))

    def append(self, batch: PackedEmbeddings) -> None:
        """Write documents."""
        self._embeddings.append(batch.embeddings)
        self._lengths.append(batch.lengths)
        self.num_tokens += len(batch.embeddings)

    def finish(self, ids: Sequence[str]) -> None:
        """Write the rest.

        Raises:
            InvalidInput: Other than one document an id came.
        """
        self._finish(ids)


class CodedWriter(_Writer):
    """Writes a segment of codes and residuals, a block of tokens in memory at a time.

    Args:
        commit: The commit.
        codec: The codec.
    """

    def __init__(self, commit: Commit, codec: Codec) -> None:
        super().__init__(commit)
        self._codec = codec
        self._pending: list[PackedEmbeddings] = []
        self._num_pending = 0
        self._codes = self._rows("codes", np.uint16 if len(codec.view.centroids) <= 65536 else np.uint32, ())
        self._residuals = self._rows("residuals", np.uint8, (codec.view.residual_bytes,))
        self._inverse_norms = self._rows("inverse_norms", np.float16, ())

    def append(self, batch: PackedEmbeddings) -> None:
        """Take documents, and compress when there are enough tokens."""
        self._pending.append(batch)
        self._num_pending += len(batch.embeddings)
        if self._num_pending >= TOKENS_PER_BLOCK:
            self._flush()

    def append_coded(self, segment: SegmentView, rows: NDArray[np.int64]) -> None:
        """Take over documents that are compressed already, by an earlier state of the same codec."""
        self._flush()
        lengths = np.diff(segment.offsets)[rows]
        for tokens in token_runs(segment, rows):
            self._codes.append(segment.codes[tokens])
            self._residuals.append(segment.residuals[tokens])
            self._inverse_norms.append(segment.inverse_norms[tokens])
        self._lengths.append(lengths)
        self.num_tokens += int(lengths.sum())

    def finish(self, ids: Sequence[str]) -> None:
        """Write the rest, postings included.

        Raises:
            InvalidInput: Other than one document an id came.
        """
        self._flush()
        offsets = self._finish(ids)
        path = self.commit.folder / self.folder / "codes.npy"
        codes = np.load(path, mmap_mode="r" if self.num_tokens else None, allow_pickle=False)
        nothing = np.zeros(0, dtype=np.uint32)
        view = SegmentView(str(path.parent), codes, np.zeros((0, 0), np.uint8), np.zeros(0, np.float16), offsets,
                           np.zeros(1, np.int64), nothing)  # fmt: skip
        posting_offsets, postings = kernel().postings(view, len(self._codec.view.centroids))
        self.commit.write_array(f"{self.folder}/posting_offsets.npy", posting_offsets)
        self.commit.write_array(f"{self.folder}/postings.npy", postings)

    def _flush(self) -> None:
        if not self._num_pending:
            self._lengths.extend(batch.lengths for batch in self._pending)
            self._pending = []
            return
        tokens = np.concatenate([batch.embeddings for batch in self._pending])
        for start in range(0, len(tokens), 2 * TOKENS_PER_BLOCK):
            codes, residuals, inverse_norms = self._codec.compress(tokens[start : start + 2 * TOKENS_PER_BLOCK])
            self._codes.append(codes)
            self._residuals.append(residuals)
            self._inverse_norms.append(inverse_norms)
        self._lengths.extend(batch.lengths for batch in self._pending)
        self.num_tokens += self._num_pending
        self._pending, self._num_pending = [], 0


def take(segment: PackedEmbeddings, rows: NDArray[np.int64]) -> PackedEmbeddings:
    """The documents at ``rows`` of a segment, copied together."""
    offsets = segment.offsets
    parts: list[NDArray[Any]] = [segment.embeddings[offsets[row] : offsets[row + 1]] for row in rows]
    return PackedEmbeddings(np.concatenate(parts), segment.lengths[rows])


def batches_of(segment: PackedEmbeddings, rows: NDArray[np.int64] | None = None) -> Iterator[PackedEmbeddings]:
    """Documents of a segment, at ``rows`` or all of them, a few thousand tokens at a time."""
    rows = np.arange(len(segment)) if rows is None else rows
    for start in range(0, len(rows), DOCUMENTS_PER_BATCH):
        yield take(segment, rows[start : start + DOCUMENTS_PER_BATCH])


def token_runs(segment: SegmentView, rows: NDArray[np.int64]) -> Iterator[slice]:
    """The tokens of ascending ``rows`` as slices, neighbouring rows together, at most ``TOKENS_PER_BLOCK`` in each."""
    if not len(rows):
        return
    firsts, ends = segment.offsets[rows], segment.offsets[rows + 1]
    breaks = np.flatnonzero(firsts[1:] != ends[:-1])
    starts, stops = np.append(firsts[:1], firsts[breaks + 1]), np.append(ends[breaks], ends[-1:])
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        for low in range(start, stop, TOKENS_PER_BLOCK):
            yield slice(low, min(stop, low + TOKENS_PER_BLOCK))


def read_floats(snapshot: Snapshot, folder: str, dim: int) -> PackedEmbeddings:
    """Open a segment of float16 token embeddings.

    Raises:
        InvalidFolder: It is damaged.
    """
    embeddings = snapshot.array(f"{folder}/embeddings.npy", dtype="float16", ndim=2)
    offsets = _offsets(snapshot, folder, len(embeddings))
    if embeddings.shape[1] != dim:
        raise damaged(snapshot, folder)
    return PackedEmbeddings(embeddings, np.diff(offsets))


def read_coded(snapshot: Snapshot, folder: str, codec: Codec) -> SegmentView:
    """Open a segment of codes.

    Raises:
        InvalidFolder: It is damaged. Codes and posting rows out of range show only when they are read.
    """
    codes = snapshot.array(f"{folder}/codes.npy", ndim=1)
    residuals = snapshot.array(f"{folder}/residuals.npy", dtype="uint8", ndim=2)
    inverse_norms = snapshot.array(f"{folder}/inverse_norms.npy", dtype="float16", ndim=1)
    offsets = _offsets(snapshot, folder, len(codes))
    postings = snapshot.array(f"{folder}/postings.npy", dtype="uint32", ndim=1)
    posting_offsets = snapshot.array(f"{folder}/posting_offsets.npy", dtype="int64", ndim=1)
    fits = (
        codes.dtype in (np.uint16, np.uint32)
        and residuals.shape == (len(codes), codec.view.residual_bytes)
        and len(inverse_norms) == len(codes)
        and _is_monotone(posting_offsets, len(postings))
        and len(posting_offsets) - 1 <= len(codec.view.centroids)
    )
    if not fits:
        raise damaged(snapshot, folder)
    name = str(snapshot.folder / folder)
    return SegmentView(name, codes, residuals, inverse_norms, offsets, posting_offsets, postings)


def damaged(snapshot: Snapshot, folder: str) -> InvalidFolder:
    """The error for a segment whose files contradict each other."""
    return InvalidFolder(f"{snapshot.folder / folder} is damaged. Build or download the index again.")


def _offsets(snapshot: Snapshot, folder: str, num_tokens: int) -> NDArray[np.int64]:
    offsets = snapshot.array(f"{folder}/document_offsets.npy", dtype="int64", ndim=1)
    if not _is_monotone(offsets, num_tokens):
        raise damaged(snapshot, folder)
    return offsets


def _is_monotone(offsets: NDArray[np.int64], end: int) -> bool:
    # Not by differences, which wrap around between the ends of int64.
    return bool(len(offsets) and offsets[0] == 0 and offsets[-1] == end and (offsets[1:] >= offsets[:-1]).all())
