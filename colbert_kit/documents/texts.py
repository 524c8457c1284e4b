"""Texts by row: from files here, or by ranges of files that stayed elsewhere. Blocks that were read are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from colbert_kit.documents.blocks import Blocks
from colbert_kit.errors import InvalidInput

__all__ = ["Fetch", "Texts", "local_texts", "remote_texts"]

Fetch = Callable[[Sequence[tuple[str, int, int]]], list[bytes]]
"""Reads parts of files that are not here: a file's name, the first byte and the one after the last, of each part."""

Place = tuple[int, int]
"""Number of a file, number of a block in it."""

REQUEST_BYTES = 131_072
"""Blocks that lie so close together are fetched by one request."""

BLOCKS_KEPT = 128


def local_texts(files: Sequence[pq.ParquetFile]) -> Texts:
    """The texts of files here."""
    # A file's reader is for one thread at a time: two at once crashed the process in read_row_group.
    reading = threading.Lock()

    def read(places: Sequence[Place]) -> list[pa.Table]:
        with reading:
            return [
                files[file].read_row_group(block, columns=["id", "text"], use_threads=False) for file, block in places
            ]

    return Texts([file.metadata for file in files], read)


def remote_texts(names: Sequence[str], blocks: Sequence[Blocks], fetch: Fetch) -> Texts:
    """The texts of files elsewhere: blocks are fetched together and compared with their sha256.

    Args:
        names: The files.
        blocks: Of each file.
        fetch: Reads parts of them.
    """

    def read(places: Sequence[Place]) -> list[pa.Table]:
        spans = [(file, *blocks[file].span(block)) for file, block in places]
        joined = _joined(spans)
        contents = fetch([(names[file], start, stop) for file, start, stop in joined])
        tables = []
        for (file, block), (_, start, stop) in zip(places, spans, strict=True):
            part = next(
                one for one, (other, first, last) in enumerate(joined) if other == file and first <= start < last
            )
            first = joined[part][1]
            tables.append(blocks[file].decode(block, contents[part][start - first : stop - first]))
        return tables

    return Texts([one.footer for one in blocks], read)


class Texts:
    """Ids and texts by row.

    Args:
        footers: Of the files, one after the other.
        read: The columns id and text of blocks.
    """

    def __init__(self, footers: Sequence[pq.FileMetaData], read: Callable[[Sequence[Place]], list[pa.Table]]) -> None:
        self._starts = np.cumsum([0] + [footer.num_rows for footer in footers])
        self._block_starts = [_starts_of_blocks(footer) for footer in footers]
        self._read = read
        self._lock = threading.Lock()
        self._kept: OrderedDict[Place, pa.Table] = OrderedDict()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def num_rows(self, file: int) -> int:
        """Rows of one of the files."""
        return int(self._starts[file + 1] - self._starts[file])

    def get(self, rows: Sequence[int]) -> list[tuple[str, str]]:
        """Id and text of each row; blocks that are not at hand are read together.

        Raises:
            InvalidInput: There is no such row.
        """
        if wrong := [row for row in rows if not 0 <= row < len(self)]:
            raise InvalidInput(f"row must be between 0 and {len(self) - 1}, got {wrong[0]}.")
        found = [self._place(row) for row in rows]
        tables = self._tables(dict.fromkeys(place for place, _ in found))
        return [(tables[place]["id"][within].as_py(), tables[place]["text"][within].as_py()) for place, within in found]

    def _place(self, row: int) -> tuple[Place, int]:
        file = int(np.searchsorted(self._starts, row, side="right")) - 1
        starts = self._block_starts[file]
        within = row - int(self._starts[file])
        block = int(np.searchsorted(starts, within, side="right")) - 1
        return (file, block), within - int(starts[block])

    def _tables(self, places: Sequence[Place] | dict[Place, None]) -> dict[Place, pa.Table]:
        with self._lock:
            tables = {place: self._kept[place] for place in places if place in self._kept}
        missing = sorted(place for place in places if place not in tables)
        tables |= zip(missing, self._read(missing), strict=True) if missing else ()
        with self._lock:
            for place in places:
                self._kept[place] = tables[place]
                self._kept.move_to_end(place)
            while len(self._kept) > BLOCKS_KEPT:
                self._kept.popitem(last=False)
        return tables


def _starts_of_blocks(footer: pq.FileMetaData) -> NDArray[np.int64]:
    """The first row of each block and the end of the last; nothing says that all are of one size."""
    sizes = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    return np.cumsum([0, *sizes], dtype=np.int64)


def _joined(spans: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Spans of files, neighbours made one as long as what is fetched with them stays short."""
    joined: list[tuple[int, int, int]] = []
    for file, start, stop in sorted(spans):
        if joined and joined[-1][0] == file and stop - joined[-1][1] <= REQUEST_BYTES:
            joined[-1] = (file, joined[-1][1], max(stop, joined[-1][2]))
        else:
            joined.append((file, start, stop))
    return joined
