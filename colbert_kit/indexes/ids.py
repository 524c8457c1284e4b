"""Document ids of a segment as one array of UTF-8 bytes, and which rows of all segments are alive."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, Snapshot

__all__ = ["Rows", "check_ids", "stage_ids"]


def check_ids(ids: Sequence[object], taken: Iterable[str] = ()) -> list[str]:
    """Return ``ids`` if they are strings that a file can hold, not empty, and each is new.

    Raises:
        InvalidInput: One is not.
    """
    if isinstance(ids, str):
        raise InvalidInput(f"document ids must be a list of strings, got the one string {ids!r}.")
    seen = set(taken)
    for one in ids:
        if not isinstance(one, str):
            raise InvalidInput(f"document ids are strings in an index, got {one!r} ({type(one).__name__}).")
        if not one:
            raise InvalidInput("a document id may not be empty.")
        try:
            one.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidInput(f"the document id {one!r} is not valid Unicode text.") from error
        if one in seen:
            raise InvalidInput(f"the document id {one!r} is there already; ids must be unique. Remove it first.")
        seen.add(one)
    return list(ids)  # type: ignore[arg-type]


def stage_ids(commit: Commit, folder: str, ids: Sequence[str]) -> None:
    """Write ``ids.npy`` (UTF-8 bytes) and ``id_offsets.npy`` into a commit."""
    encoded = [one.encode("utf-8") for one in ids]
    offsets = np.cumsum([0, *(len(one) for one in encoded)], dtype=np.int64)
    commit.write_array(f"{folder}/id_offsets.npy", offsets)
    commit.write_array(f"{folder}/ids.npy", np.frombuffer(b"".join(encoded), dtype=np.uint8))


class Rows:
    """Ids and tombstones of all rows of a generation.

    Args:
        snapshot: The generation.
        folders: The segments' folders in row order.
        tombstones: The name of the removed-rows bitmap, or None.

    Raises:
        InvalidFolder: The files contradict each other.
    """

    def __init__(self, snapshot: Snapshot, folders: Sequence[str], tombstones: str | None) -> None:
        self.ids: list[str] = []
        for folder in folders:
            self.ids.extend(_read_ids(snapshot, folder))
        self.alive: NDArray[np.bool_] = np.ones(len(self.ids), dtype=bool)
        if tombstones is not None:
            removed = snapshot.array(tombstones, dtype="bool", ndim=1)
            if len(removed) > len(self.ids):
                raise InvalidFolder(f"{snapshot.folder / tombstones} has more rows than the index.")
            self.alive[: len(removed)] = ~removed
        self._lock = threading.Lock()
        self._by_id: dict[str, int] | None = None

    def __len__(self) -> int:
        """Rows that are alive."""
        return int(self.alive.sum())

    @property
    def by_id(self) -> dict[str, int]:
        """The row of each id that is alive; made when first asked for."""
        with self._lock:
            if self._by_id is None:
                rows = np.flatnonzero(self.alive).tolist()
                self._by_id = {self.ids[row]: row for row in rows}
            return self._by_id

    def find(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The rows of ``ids``, ``(len(ids),)``.

        Raises:
            InvalidInput: One is not in the index.
        """
        if isinstance(ids, str) or not all(isinstance(one, str) for one in ids):
            raise InvalidInput(f"document ids are given as a list of strings, got {ids!r:.80}.")
        missing = [one for one in ids if one not in self.by_id]
        if missing:
            raise InvalidInput(
                f"{len(missing)} of the {len(ids)} ids are not in the index, the first is {missing[0]!r}."
            )
        return np.asarray([self.by_id[one] for one in ids], dtype=np.int64)

    def mask_of(self, subset: Iterable[str]) -> NDArray[np.bool_]:
        """Which rows an explicit subset of ids names; ids that are not in the index name none."""
        if isinstance(subset, str):
            raise InvalidInput(f"a subset is a list of document ids, got the one string {subset!r}.")
        rows = [self.by_id[one] for one in subset if one in self.by_id]
        mask = np.zeros(len(self.ids), dtype=bool)
        mask[rows] = True
        return mask


def _read_ids(snapshot: Snapshot, folder: str) -> list[str]:
    offsets: NDArray[Any] = snapshot.array(f"{folder}/id_offsets.npy", dtype="int64", ndim=1)
    content = snapshot.array(f"{folder}/ids.npy", dtype="uint8", ndim=1).tobytes()
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(content) or (offsets[1:] <= offsets[:-1]).any():
        raise InvalidFolder(f"{snapshot.folder / folder}: the ids are damaged. Build or download the index again.")
    try:
        bounds = offsets.tolist()
        return [content[a:b].decode("utf-8") for a, b in itertools.pairwise(bounds)]
    except UnicodeDecodeError as error:
        raise InvalidFolder(f"{snapshot.folder / folder}: the ids are not UTF-8. Build the index again.") from error
