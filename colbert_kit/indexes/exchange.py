"""Exchange with fast-plaid: its codec is ours, so an index moves without being built again.

This reads a folder of fast-plaid 1.7 or later, which keeps one copy of codes and residuals, ``merged_*.npy``, with
padding after the last document; ``export`` writes one. Neither needs fast-plaid, and nothing pickled is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Commit
from colbert_kit.folders.snapshot import array_header
from colbert_kit.indexes.codec import Codec
from colbert_kit.indexes.ids import check_ids
from colbert_kit.indexes.section import IndexSection
from colbert_kit.indexes.segments import CodedWriter
from colbert_kit.scores import NBITS, CodecView, SegmentView

__all__ = ["IDS_NAME", "FastPlaidFolder"]

IDS_NAME = "colbert_kit_ids.json"
"""Ids in row order, which fast-plaid has no place for, and the sha256 of the codes whose ids they are."""

VALUES_PER_BLOCK = 1 << 23
"""Values decoded at a time: 32 MB of float32."""

MAX_DIM = 4096
"""The widest token embedding that the kernel searches."""


class FastPlaidFolder:
    """A fast-plaid index, checked when it is opened, to be taken over into a commit. Nothing is written to it.

    Args:
        folder: It may be read-only, and a link or full of links. Nobody may write to it meanwhile.

    Raises:
        InvalidFolder: It is no fast-plaid index of 1.7 or later, is damaged, empty, or in the middle of a change.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        about = self._json("metadata.json")
        if not isinstance(about, dict) or about.get("nbits") not in NBITS or not _is_count(about.get("num_chunks")):
            raise self._damaged("metadata.json has no valid nbits or num_chunks")
        self.lengths = self._read_lengths(about["num_chunks"])
        if about.get("num_documents", len(self.lengths)) != len(self.lengths):
            raise self._damaged("metadata.json and doclens have different numbers of documents")
        self.codec = self._read_codec(int(about["nbits"]))
        self.codes = self._array("merged_codes.npy", ("int64",), 1)
        self.residuals = self._array("merged_residuals.npy", ("uint8",), 2)
        num_tokens, most = int(self.lengths.sum()), int(self.lengths.max())
        # After the last document lie as many rows as it is shorter than the longest, or none.
        if not num_tokens <= len(self.codes) <= num_tokens + most or len(self.residuals) != len(self.codes):
            raise self._damaged("doclens and merged codes or residuals have different numbers of tokens")
        if self.residuals.shape[1] != self.codec.view.residual_bytes:
            raise self._damaged(f"residuals must have {self.codec.view.residual_bytes} bytes a token")

    def ids(self, given: Sequence[str] | None) -> tuple[list[str], str | None]:
        """Ids in row order, and the sha256 that the codes must have for them to be the right ones.

        Raises:
            InvalidInput: Those given are not one new string a document.
            InvalidFolder: Those that lie beside the index are not.
        """
        number = len(self.lengths)
        if given is not None:
            if len(checked := check_ids(given)) != number:
                raise InvalidInput(f"the index holds {number} documents, got {len(checked)} ids.")
            return checked, None
        if not (self.folder / IDS_NAME).exists():
            warnings.warn(
                f"{self.folder} has no {IDS_NAME}, so the ids are row numbers. Pass ids= to give others.", stacklevel=3
            )
            return [str(row) for row in range(number)], None
        content = self._json(IDS_NAME)
        try:
            ids, digest = content["ids"], content["codes_sha256"]
            if content["format_version"] != 1 or not isinstance(ids, list) or not isinstance(digest, str):
                raise TypeError("not in format 1")
            checked = check_ids(ids)
        except (InvalidInput, TypeError, KeyError) as error:
            raise self._damaged(f"{IDS_NAME}: {error}") from error
        if len(checked) != number:
            raise self._stale()
        return checked, digest

    def stage(self, commit: Commit, ids: Sequence[str], codes_sha256: str | None) -> None:
        """Write the index into an empty commit, a block of tokens in memory at a time.

        Raises:
            InvalidFolder: A code is out of range, or the ids belong to another state of the index.
        """
        codec, digest = self.codec, hashlib.sha256()
        section = IndexSection.plaid(nbits=codec.view.nbits).stage(commit, dim=codec.view.dim)
        with CodedWriter(commit, codec) as writer:
            for offsets in self._blocks():
                codes = np.ascontiguousarray(self.codes[offsets[0] : offsets[-1]])
                residuals = np.ascontiguousarray(self.residuals[offsets[0] : offsets[-1]])
                if len(codes) and (codes.min() < 0 or codes.max() >= len(codec.view.centroids)):
                    raise self._damaged("a code is out of range")
                digest.update(codes.data)
                small = codes.astype(np.uint32)
                block = SegmentView(str(self.folder), small, residuals, codec.inverse_norms(small, residuals),
                                    offsets - offsets[0], np.zeros(1, np.int64), np.zeros(0, np.uint32))  # fmt: skip
                writer.append_coded(block, np.arange(len(block)))
            if codes_sha256 not in (None, digest.hexdigest()):
                raise self._stale()
            writer.finish(ids)
        section.stage(commit, codec=codec.stage(commit), segments=(writer.folder,), num_rows=len(ids))

    def _blocks(self) -> Iterator[NDArray[np.int64]]:
        """Offsets of as many documents as are worth reading at once; one that is longer comes alone."""
        offsets = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)
        size, row = VALUES_PER_BLOCK // self.codec.view.dim, 0
        while row < len(self.lengths):
            stop = max(row + 1, int(np.searchsorted(offsets, offsets[row] + size, side="right")) - 1)
            yield offsets[row : stop + 1]
            row = stop

    def _read_lengths(self, num_chunks: int) -> NDArray[np.int64]:
        lengths: list[int] = []
        for number in range(num_chunks):
            chunk = self._json(name := f"doclens.{number}.json")
            if not isinstance(chunk, list) or not all(_is_count(one) for one in chunk):
                raise self._damaged(f"{name} must be a list of numbers of tokens")
            # Deleting all documents of a chunk leaves its files behind, without rows.
            for staged in (f"{number}.codes.npy", f"{number}.residuals.npy") if chunk else ():
                if (self.folder / staged).exists():
                    raise InvalidFolder(
                        f"{self.folder} holds {staged}: fast-plaid before 1.7 wrote it, or a change was cut short. "
                        "Open a copy with fast-plaid 1.7 or later, which puts it in order, then import that."
                    )
            lengths.extend(chunk)
        if not lengths:
            raise InvalidFolder(f"{self.folder} is a fast-plaid index without documents: there is nothing to import.")
        return np.asarray(lengths, dtype=np.int64)

    def _read_codec(self, nbits: int) -> Codec:
        floats = ("float16", "float32", "float64")
        stored = self._array("centroids.npy", floats[:2], 2)
        with np.errstate(over="ignore"):
            centroids = stored.astype(np.float16).astype(np.float32)
        cutoffs = self._array("bucket_cutoffs.npy", floats[:2], 1).astype(np.float32)
        weights = self._array("bucket_weights.npy", floats[:2], 1).astype(np.float32)
        distance = self._array("cluster_threshold.npy", floats, None).ravel().astype(np.float32)
        dim = stored.shape[1]
        if not len(stored) or len(stored) > 2**32 or dim < 8 or dim % 8 or dim > MAX_DIM:
            raise self._damaged(f"centroids.npy must have rows and a multiple of 8 columns, got {stored.shape}")
        if (cutoffs.shape, weights.shape, distance.shape) != ((2**nbits - 1,), (2**nbits,), (1,)):
            raise self._damaged(f"the buckets are not those of {nbits} bits")
        if not all(np.isfinite(one).all() for one in (centroids, cutoffs, weights, distance)):
            raise self._damaged("a centroid or bucket is not a finite number")
        if (np.diff(cutoffs) < 0).any() or (np.diff(weights) < 0).any():
            raise self._damaged("the buckets are not in ascending order")
        if (centroids != stored).any():
            warnings.warn(
                f"{self.folder}: centroids that fast-plaid added in float32 are rounded to float16, as its own search "
                "does; exporting the index again gives the rounded ones.",
                stacklevel=4,
            )
        return Codec(CodecView(centroids, cutoffs, weights), float(distance[0]))

    def _array(self, name: str, dtypes: Sequence[str], ndim: int | None) -> NDArray[Any]:
        path = self._file(name)
        dtype, shape = array_header(path)
        if dtype not in dtypes or (ndim is not None and len(shape) != ndim):
            raise self._damaged(f"{name} must be {' or '.join(dtypes)}, got {dtype} of shape {shape}")
        array: NDArray[Any] = np.load(path, mmap_mode=None if 0 in shape else "r", allow_pickle=False)
        return array

    def _json(self, name: str) -> Any:  # noqa: ANN401 - a JSON value
        try:
            return json.loads(self._file(name).read_bytes().decode("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise self._damaged(f"{name} cannot be read as JSON: {error}") from error

    def _file(self, name: str) -> Path:
        path = self.folder / name
        with contextlib.suppress(PermissionError):
            if path.is_file():
                return path
        raise InvalidFolder(f"{self.folder} is no fast-plaid index of version 1.7 or later: it has no {name} to read.")

    def _damaged(self, what: str) -> InvalidFolder:
        return InvalidFolder(f"{self.folder} is no sound fast-plaid index: {what}. Export or build it again.")

    def _stale(self) -> InvalidFolder:
        return InvalidFolder(
            f"{self.folder} was changed by fast-plaid after {IDS_NAME} was written, so its ids may be those of other "
            "documents. Pass ids= in row order."
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
