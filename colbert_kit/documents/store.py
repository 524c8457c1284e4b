"""Documents row for row with the index's segments."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from colbert_kit.documents.compaction import ROWS_PER_GROUP, conform
from colbert_kit.documents.filters import Filters, filter_mask
from colbert_kit.documents.schema import RESERVED_COLUMNS, check_document, merge_schemas, table_of
from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, Snapshot

__all__ = ["RESERVED_COLUMNS", "Documents", "stage_documents"]

DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow raises for Parquet files whose bytes have changed."""


def stage_documents(commit: Commit, documents: Sequence[Mapping[str, Any]]) -> None:
    """Write a new ``documents/0001.parquet`` into a commit.

    Raises:
        InvalidInput: A document is not well formed, or a column changes its type.
    """
    for position, document in enumerate(documents):
        check_document(document, position)
    table = table_of(documents)
    files: list[str] = commit.sections.get("documents", {}).get("files", [])
    for name in files:
        # One after the other: each file may have widened what those before it held.
        table = _cast(table, _widened(pq.read_schema(commit.folder / name), table.schema))
        _check_widening(commit.folder / name, table.schema)
    name = f"documents/{commit.new_number('documents'):04d}.parquet"
    with commit.writing(name) as file:
        try:
            pq.write_table(table, file, row_group_size=ROWS_PER_GROUP, compression="zstd")
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidInput(f"the metadata cannot be written as Parquet: {error}.") from error
    commit.sections["documents"] = {"files": [*files, name]}


class Documents:
    """The documents of one generation: metadata in memory, texts read when they are asked for.

    Args:
        snapshot: The generation; ``paths`` are its files, one after the other row for row the index's segments.

    Raises:
        InvalidFolder: The files are not what the manifest says.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        section = snapshot.section("documents")
        names = section.get("files")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidFolder(f"{snapshot.folder}: the manifest's documents section is damaged.")
        self.paths = [snapshot.file(name) for name in names]
        self._files = [_open(path) for path in self.paths]
        try:
            self.schema = functools.reduce(merge_schemas, (file.schema_arrow for file in self._files), pa.schema([]))
        except InvalidInput as error:
            raise InvalidFolder(f"{snapshot.folder}: the documents' files contradict each other: {error}") from error
        self._folder = snapshot.folder
        self._starts = np.cumsum([0] + [file.metadata.num_rows for file in self._files])
        self._group_starts = [_starts_of_groups(file.metadata) for file in self._files]
        self._metadata = self._read_metadata()
        self._group = functools.lru_cache(maxsize=64)(self._read_group)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def ids(self) -> pa.ChunkedArray:
        """The id of each row, ``(num_rows,)``."""
        return self._metadata["id"] if self._files else pa.chunked_array([], pa.string())

    @property
    def metadata_columns(self) -> list[str]:
        """Names of the columns that filters may use."""
        return list(self._metadata.column_names)

    def matching(self, filters: Filters) -> NDArray[np.bool_]:
        """Which rows pass the filters, ``(num_rows,)``.

        Raises:
            InvalidInput: The filters are not well formed or name an unknown column.
        """
        mask: NDArray[np.bool_] = np.asarray(filter_mask(self._metadata, filters))
        return mask

    def get(self, row: int) -> dict[str, Any]:
        """The document at a row: ``id``, ``text`` and its metadata, those that are null left out.

        Raises:
            InvalidInput: There is no such row.
        """
        if not 0 <= row < len(self):
            raise InvalidInput(f"row must be between 0 and {len(self) - 1}, got {row}.")
        position = int(np.searchsorted(self._starts, row, side="right")) - 1
        within = row - int(self._starts[position])
        starts = self._group_starts[position]
        group = int(np.searchsorted(starts, within, side="right")) - 1
        document = self._group(position, group)[within - int(starts[group])]
        return {name: value for name, value in document.items() if value is not None}

    def _read_group(self, position: int, group: int) -> list[dict[str, Any]]:
        with self._readable():
            rows: list[dict[str, Any]] = self._files[position].read_row_group(group).to_pylist()
        return rows

    def _read_metadata(self) -> pa.Table:
        wanted = pa.schema([field for field in self.schema if field.name != "text"])
        tables = []
        for file in self._files:
            present = [name for name in file.schema_arrow.names if name in wanted.names]
            with self._readable():
                tables.append(conform(file.read(columns=present), wanted))
        return pa.concat_tables(tables) if tables else wanted.empty_table()

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except DAMAGED as error:
            raise InvalidFolder(f"{self._folder}: the documents are damaged: {error}. Download them again.") from error


def _open(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path, memory_map=True)
        types = dict(zip(file.schema_arrow.names, file.schema_arrow.types, strict=True))
    except DAMAGED as error:
        raise InvalidFolder(f"{path} is not a Parquet file: {error}.") from error
    if any(types.get(column) != pa.string() for column in ("id", "text")):
        raise InvalidFolder(f"{path} must have the string columns id and text. Build or download it again.")
    return file


def _starts_of_groups(metadata: Any) -> NDArray[np.int64]:  # noqa: ANN401 - pyarrow has no types
    """The first row of each row group and the end of the last; nothing says that all are of one size."""
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    return np.cumsum([0, *sizes], dtype=np.int64)


def _check_widening(path: Path, new: pa.Schema) -> None:
    """Read what is stored in columns that ``new`` makes wider: a reader must be able to read it so."""
    old = pq.read_schema(path)
    wider = [field for field in new if field.name in old.names and field.type != old.field(field.name).type]
    if wider:
        _cast(pq.ParquetFile(path).read(columns=[field.name for field in wider]), pa.schema(wider))


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    try:
        return table.cast(schema)
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"the metadata would lose digits as floating-point numbers: {error}.") from error


def _widened(old: pa.Schema, new: pa.Schema) -> pa.Schema:
    """``new`` with the types it gets beside ``old``."""
    merged = merge_schemas(old, new)
    return pa.schema([merged.field(name) for name in new.names])
