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

from colbert_kit.documents.blocks import read_blocks
from colbert_kit.documents.columns import ColumnSummary, summarize_columns
from colbert_kit.documents.compaction import conform
from colbert_kit.documents.filters import Filters, filter_mask
from colbert_kit.documents.schema import RESERVED_COLUMNS, check_document, merge_schemas, table_of
from colbert_kit.documents.texts import Fetch, Texts, local_texts, remote_texts
from colbert_kit.documents.writing import blocks_name, metadata_name, writing_documents
from colbert_kit.errors import ColbertKitError, InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, Snapshot

__all__ = ["RESERVED_COLUMNS", "Documents", "stage_documents"]

DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow raises for Parquet files whose bytes have changed."""


def stage_documents(commit: Commit, documents: Sequence[Mapping[str, Any]]) -> None:
    """Write a new ``documents/0001.parquet`` and what belongs to it into a commit.

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
    try:
        with writing_documents(commit, table.schema) as writer:
            writer.write(table)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(f"the metadata cannot be written as Parquet: {error}.") from error
    commit.sections["documents"] = {"files": [*files, writer.name]}


class Documents:
    """The documents of one generation: metadata in memory, texts read when they are asked for.

    Args:
        snapshot: The generation; ``paths`` are its files, one after the other row for row the index's segments, and
            ``num_bytes`` what they and the files beside them take.
        fetch: Reads parts of those files, where they are not here.

    Raises:
        InvalidFolder: The files are not what the manifest says, or are from before texts could stay elsewhere.
    """

    def __init__(self, snapshot: Snapshot, fetch: Fetch | None = None) -> None:
        names = snapshot.section("documents").get("files")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidFolder(f"{snapshot.folder}: the manifest's documents section is damaged.")
        self._folder = snapshot.folder
        self.are_here = fetch is None
        self.paths = [snapshot.file(name) for name in names]
        together = {side for name in names for side in (name, metadata_name(name), blocks_name(name))}
        self.num_bytes = sum(entry.size for name, entry in snapshot.manifest.files.items() if name in together)
        if fetch is None:
            files = [_open(path) for path in self.paths]
            self._texts = local_texts(files)
        else:
            self._texts, files = self._elsewhere(snapshot, names, fetch), []
        self._metadata = self._read_metadata(snapshot, names, files)

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def schema(self) -> pa.Schema:
        """Of the columns that filters may use."""
        return self._metadata.schema

    @property
    def ids(self) -> pa.ChunkedArray:
        """The id of each row, ``(num_rows,)``."""
        return self._metadata["id"] if self.paths else pa.chunked_array([], pa.string())

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

    def summaries(self, mask: NDArray[np.bool_], max_values: int) -> list[ColumnSummary]:
        """What each column that filters may use holds in some rows.

        Args:
            mask: The rows, ``(num_rows,)``.
            max_values: Values of a column that are named at most.
        """
        with self._readable():
            return summarize_columns(self._metadata.filter(pa.array(mask)), max_values)

    def metadata(self, row: int) -> dict[str, Any]:
        """The id and the metadata at a row, those that are null left out; nothing is read."""
        with self._readable():
            [found] = self._metadata.slice(row, 1).to_pylist()
        return {name: value for name, value in found.items() if value is not None}

    def get(self, row: int) -> dict[str, Any]:
        """The document at a row; see ``get_many``.

        Raises:
            InvalidInput: There is no such row.
        """
        return self.get_many([row])[0]

    def get_many(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """The documents at some rows: ``id``, ``text`` and their metadata, those that are null left out.

        Raises:
            InvalidInput: There is no such row.
            InvalidFolder: Their files are damaged.
            HubUnreachable: Their texts are on the Hub, which cannot be reached.
        """
        with self._readable():
            texts = self._texts.get(rows)
        documents = []
        for row, (document_id, text) in zip(rows, texts, strict=True):
            metadata = self.metadata(row)
            if metadata.pop("id", None) != document_id:
                raise InvalidFolder(
                    f"{self._folder}: texts and metadata are not of the same documents. Build it again."
                )
            documents.append({"id": document_id, "text": text, **metadata})
        return documents

    def _elsewhere(self, snapshot: Snapshot, names: Sequence[str], fetch: Fetch) -> Texts:
        if any(
            side not in snapshot.manifest.files for name in names for side in (metadata_name(name), blocks_name(name))
        ):
            raise InvalidFolder(
                f"{snapshot.folder} is from before texts could be left on the Hub. Open it with documents=True, or ask "
                "its author to call compact() and push it anew."
            )
        blocks = [read_blocks(snapshot.file(blocks_name(name)), snapshot.manifest.files[name].size) for name in names]
        return remote_texts(names, blocks, fetch)

    def _read_metadata(self, snapshot: Snapshot, names: Sequence[str], files: Sequence[pq.ParquetFile]) -> pa.Table:
        tables = []
        for position, name in enumerate(names):
            if metadata_name(name) in snapshot.manifest.files:
                file = _open_metadata(snapshot.file(metadata_name(name)), self._texts.num_rows(position))
            else:
                file = files[position]
            with self._readable():
                tables.append(file.read(columns=[one for one in file.schema_arrow.names if one != "text"]))
        try:
            schema = functools.reduce(merge_schemas, (table.schema for table in tables), pa.schema([]))
        except InvalidInput as error:
            raise InvalidFolder(f"{self._folder}: the documents' files contradict each other: {error}") from error
        return pa.concat_tables([conform(table, schema) for table in tables]) if tables else schema.empty_table()

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except DAMAGED as error:
            if isinstance(error, ColbertKitError):
                raise
            raise InvalidFolder(f"{self._folder}: the documents are damaged: {error}. Download them again.") from error


def _open(path: Path) -> pq.ParquetFile:
    file = _parquet(path)
    if any(_types(file).get(column) != pa.string() for column in ("id", "text")):
        raise InvalidFolder(f"{path} must have the string columns id and text. Build or download it again.")
    return file


def _open_metadata(path: Path, num_rows: int) -> pq.ParquetFile:
    file = _parquet(path)
    if _types(file).get("id") != pa.string() or file.metadata.num_rows != num_rows:
        raise InvalidFolder(f"{path} must have an id for each of {num_rows} documents. Build or download it again.")
    return file


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path, memory_map=True, pre_buffer=False)
        _types(file)
    except DAMAGED as error:
        raise InvalidFolder(f"{path} is not a Parquet file: {error}.") from error
    return file


def _types(file: pq.ParquetFile) -> dict[str, pa.DataType]:
    return dict(zip(file.schema_arrow.names, file.schema_arrow.types, strict=True))


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
