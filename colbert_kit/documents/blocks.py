"""Where each block of texts lies in a documents file, and its sha256: what reading a few texts from afar takes."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from colbert_kit.errors import InvalidFolder

__all__ = ["BLOCK_BYTES", "Blocks", "blocks_of", "read_blocks"]

BLOCK_BYTES = 65_536
"""Texts of a block, before compression, unless a single one is longer. A block of SciFact's abstracts is 26 KB on disk
and holds 43 of them; what tells the blocks apart is 0.8 % of the file. Half as large, ten hits would take 228 KB in
place of 297, and twice as many blocks 1.6 % (``python -m benchmarks.texts``)."""

MAGIC = b"PAR1"
TAIL_BYTES = 8


@dataclass(frozen=True)
class Blocks:
    """The blocks of one documents file: its row groups.

    Args:
        footer: The file's own, which says where everything lies.
        digests: sha256 of each block's bytes, ``(num_blocks, 32)``.
    """

    footer: pq.FileMetaData
    digests: NDArray[np.uint8]

    def span(self, block: int) -> tuple[int, int]:
        """Where the ids and texts of a block begin and end in the file."""
        return _span(self.footer.row_group(block))

    def decode(self, block: int, content: bytes) -> pa.Table:
        """The columns id and text of a block.

        Raises:
            InvalidFolder: The bytes are not the block's.
        """
        if hashlib.sha256(content).digest() != self.digests[block].tobytes():
            raise InvalidFolder("a block of texts does not match its sha256. Try again, or download the texts too.")
        file = pq.ParquetFile(_Part(content, self.span(block)[0]), metadata=self.footer)
        return file.read_row_group(block, columns=["id", "text"], use_threads=False)


def blocks_of(path: Path) -> bytes:
    """What ``read_blocks`` reads, for a documents file whose first columns are id and text."""
    with path.open("rb") as file:
        file.seek(-TAIL_BYTES, io.SEEK_END)
        size = int.from_bytes(file.read(4), "little")
        file.seek(-TAIL_BYTES - size, io.SEEK_END)
        footer = file.read(size)
        blocks = Blocks(_parsed(footer), np.empty((0, 32), np.uint8))
        digests = np.empty((blocks.footer.num_row_groups, 32), dtype=np.uint8)
        for block in range(len(digests)):
            start, stop = blocks.span(block)
            file.seek(start)
            digests[block] = np.frombuffer(hashlib.sha256(file.read(stop - start)).digest(), np.uint8)
    return save({"footer": np.frombuffer(footer, np.uint8), "sha256": digests})


def read_blocks(path: Path, file_bytes: int) -> Blocks:
    """Read the blocks of a documents file that need not be here.

    Args:
        path: What ``blocks_of`` gave, written to a file.
        file_bytes: The documents file's size.

    Raises:
        InvalidFolder: The file is damaged, or is another file's.
    """
    damaged = InvalidFolder(f"{path} is damaged. Build or download it again.")
    try:
        arrays = load_file(path)
        footer, digests = arrays["footer"], arrays["sha256"]
        blocks = Blocks(_parsed(footer.tobytes()), digests)
        spans = [blocks.span(block) for block in range(blocks.footer.num_row_groups)]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise damaged from error
    names = blocks.footer.schema.names[:2]
    if digests.dtype != np.uint8 or digests.shape != (len(spans), 32) or names != ["id", "text"]:
        raise damaged
    if not all(0 < start < stop <= file_bytes for start, stop in spans):
        raise damaged
    return blocks


class _Part(io.RawIOBase):
    """A file of which one part is there."""

    def __init__(self, content: bytes, start: int) -> None:
        self._content = content
        self._start = start
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        end = self._start + len(self._content)
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: end}[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        first = self._place - self._start
        found = self._content[max(first, 0) : first + size if size >= 0 else None]
        self._place += len(found)
        return found


def _parsed(footer: bytes) -> pq.FileMetaData:
    size = len(footer).to_bytes(4, "little")
    return pq.read_metadata(pa.BufferReader(MAGIC + footer + size + MAGIC))


def _span(group: pq.RowGroupMetaData) -> tuple[int, int]:
    ids, texts = group.column(0), group.column(1)
    start, stop = (
        min(place for place in (one.dictionary_page_offset, one.data_page_offset) if place is not None)
        for one in (ids, texts)
    )
    return start, stop + texts.total_compressed_size
