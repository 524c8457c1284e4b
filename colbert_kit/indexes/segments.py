"""Segments of token embeddings kept as they are, and the exact search over them.

A segment is immutable: ``embeddings`` ``(tokens, dim)`` float16, ``document_offsets`` and the ids. float16 halves
the folder, and SciFact's nDCG@10 is 0.7065 with it (``benchmarks/quality.py``); a removal is a bitmap of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, Snapshot
from colbert_kit.indexes.ids import Rows, stage_ids
from colbert_kit.scores import PackedEmbeddings, maxsim

__all__ = ["SegmentReader", "stage_removal", "stage_segment"]

EMPTY_SECTION: dict[str, Any] = {"engine": "exact", "dim": None, "segments": [], "num_rows": 0, "tombstones": None}


def stage_segment(commit: Commit, ids: Sequence[str], batches: Iterable[PackedEmbeddings]) -> int:
    """Write a segment into a commit, one batch in memory at a time.

    Args:
        commit: The commit.
        ids: Document ids in row order, ``(num_documents,)``. That they are new to the index is the caller's to check.
        batches: Their token embeddings in the same order.

    Returns:
        The segment's number.

    Raises:
        InvalidInput: Other than one text's embeddings an id, or of another ``dim`` than the index.
    """
    section = {**EMPTY_SECTION, **commit.sections.get("index", {})}
    number = commit.new_number("segments")
    folder = f"segments/{number:04d}"
    lengths: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    iterator = iter(batches)
    first = next(iterator, None)
    dim = section["dim"] or (first.dim if first is not None else 0)
    with commit.writing_rows(f"{folder}/embeddings.npy", np.dtype(np.float16), (dim,)) as rows:
        while first is not None:
            if first.dim != dim:
                raise InvalidInput(f"the index holds token embeddings of dim {dim}, got {first.dim}. Another model?")
            rows.append(first.embeddings)
            lengths.append(first.lengths)
            first = next(iterator, None)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    if len(offsets) - 1 != len(ids):
        raise InvalidInput(f"every document needs its embeddings: got {len(ids)} ids and {len(offsets) - 1} documents.")
    commit.write_array(f"{folder}/document_offsets.npy", offsets)
    stage_ids(commit, folder, ids)
    section |= {"dim": dim, "segments": [*section["segments"], folder], "num_rows": section["num_rows"] + len(ids)}
    commit.sections["index"] = section
    return number


def stage_removal(commit: Commit, rows: NDArray[np.int64]) -> None:
    """Mark rows as removed in a commit; their ids may be used again."""
    section = commit.sections["index"]
    removed = np.zeros(section["num_rows"], dtype=bool)
    if section["tombstones"] is not None:
        before = np.load(commit.folder / section["tombstones"], allow_pickle=False)
        removed[: len(before)] = before
        commit.drop(section["tombstones"])
    removed[rows] = True
    name = f"tombstones/{commit.new_number('tombstones'):04d}.npy"
    commit.write_array(name, removed)
    commit.sections["index"] = {**section, "tombstones": name}


class SegmentReader:
    """Exact search over one generation's segments; safe to share between threads.

    Args:
        snapshot: The generation.

    Raises:
        InvalidFolder: The files contradict each other or the manifest.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        section = _checked_section(snapshot)
        self.dim: int | None = section["dim"]
        self.segments = [_read_segment(snapshot, folder, section["dim"]) for folder in section["segments"]]
        self.rows = Rows(snapshot, section["segments"], section["tombstones"])
        if len(self.rows.ids) != sum(map(len, self.segments)) or len(self.rows.ids) != section["num_rows"]:
            raise InvalidFolder(f"{snapshot.folder}: ids and segments have different numbers of rows.")

    def __len__(self) -> int:
        """Documents that can be found."""
        return len(self.rows)

    def search(
        self, query_embeddings: PackedEmbeddings, k: int, mask: NDArray[np.bool_] | None = None
    ) -> list[list[tuple[int, float]]]:
        """Rank documents for each query, exactly.

        Args:
            query_embeddings: One or more queries.
            k: Hits a query at most.
            mask: Rows that may be found, ``(num_rows,)``; all where None.

        Returns:
            For each query ``(row, score)``, best first, ties by id.

        Raises:
            InvalidInput: ``k`` is below 1, or the queries are of another ``dim``.
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise InvalidInput(f"k must be a whole number of 1 or more, got {k!r}.")
        if self.dim is not None and query_embeddings.dim != self.dim:
            raise InvalidInput(
                f"the index holds token embeddings of dim {self.dim}, the query's have {query_embeddings.dim}. "
                "Encode it with the model that built the index."
            )
        allowed = self.rows.alive if mask is None else self.rows.alive & mask
        scores = np.full((len(query_embeddings), len(self.rows.ids)), -np.inf, dtype=np.float32)
        first = 0
        for segment in self.segments:
            columns = slice(first, first + len(segment))
            first += len(segment)
            wanted = np.flatnonzero(allowed[columns])
            if 2 * len(wanted) > len(segment):
                # Scoring all of them where they lie beats copying most of them together.
                scores[:, columns] = maxsim(query_embeddings, segment)
            elif len(wanted):
                scores[:, columns][:, wanted] = maxsim(query_embeddings, _take(segment, wanted))
        return [self._best(row, allowed, k) for row in scores]

    def embeddings_of(self, row: int) -> NDArray[Any]:
        """The stored token embeddings of a row, ``(document_tokens, dim)``, float16."""
        for segment in self.segments:
            if row < len(segment):
                offsets = segment.offsets
                return segment.embeddings[offsets[row] : offsets[row + 1]]
            row -= len(segment)
        raise InvalidInput(f"there is no row {row}.")

    def _best(self, scores: NDArray[np.float32], allowed: NDArray[np.bool_], k: int) -> list[tuple[int, float]]:
        rows = np.flatnonzero(allowed)
        if len(rows) > k:
            # Keep all that tie with the k-th, so that the id decides and not their place in the index.
            threshold = np.partition(scores[rows], len(rows) - k)[len(rows) - k]
            rows = rows[scores[rows] >= threshold]
        ranked = sorted(rows.tolist(), key=lambda row: (-scores[row], self.rows.ids[row]))
        return [(row, float(scores[row])) for row in ranked[:k]]


def _take(segment: PackedEmbeddings, wanted: NDArray[np.int64]) -> PackedEmbeddings:
    """The documents ``wanted`` of a segment, copied together."""
    offsets = segment.offsets
    parts: list[NDArray[Any]] = [segment.embeddings[offsets[row] : offsets[row + 1]] for row in wanted]
    return PackedEmbeddings(np.concatenate(parts), segment.lengths[wanted])


def _checked_section(snapshot: Snapshot) -> dict[str, Any]:
    section = {**EMPTY_SECTION, **snapshot.section("index")}
    if section["engine"] != "exact":
        raise InvalidFolder(
            f"{snapshot.folder} has an index of the kind {section['engine']!r}; this one reads 'exact'."
        )
    segments, dim, tombstones = section["segments"], section["dim"], section["tombstones"]
    well_formed = isinstance(segments, list) and all(isinstance(name, str) for name in segments)
    if not well_formed or not isinstance(dim, int | None) or not isinstance(tombstones, str | None):
        raise InvalidFolder(f"{snapshot.folder}: the manifest's index section is damaged.")
    return section


def _read_segment(snapshot: Snapshot, folder: str, dim: int | None) -> PackedEmbeddings:
    embeddings = snapshot.array(f"{folder}/embeddings.npy", dtype="float16", ndim=2)
    offsets = snapshot.array(f"{folder}/document_offsets.npy", dtype="int64", ndim=1)
    monotone = len(offsets) and offsets[0] == 0 and offsets[-1] == len(embeddings) and (np.diff(offsets) >= 0).all()
    if not monotone or embeddings.shape[1] != dim:
        raise InvalidFolder(f"{snapshot.folder / folder} is damaged. Build or download the index again.")
    return PackedEmbeddings(embeddings, np.diff(offsets))
