"""One documents file and the two that belong to it, written as rows come."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from colbert_kit.documents.blocks import BLOCK_BYTES, blocks_of
from colbert_kit.folders import Commit

__all__ = ["DocumentsWriter", "blocks_name", "drop_documents", "metadata_name", "writing_documents"]


def metadata_name(name: str) -> str:
    """Where the metadata of ``documents/0001.parquet`` are without its texts."""
    return name.replace("documents/", "metadata/", 1)


def blocks_name(name: str) -> str:
    """Where the blocks of ``documents/0001.parquet`` are told."""
    return name.replace("documents/", "blocks/", 1).removesuffix(".parquet") + ".safetensors"


def drop_documents(commit: Commit, name: str) -> None:
    """Leave a documents file out of a commit, and what belongs to it; files of old have nothing."""
    for one in (name, metadata_name(name), blocks_name(name)):
        if one in commit.staged().manifest.files:
            commit.drop(one)


@contextlib.contextmanager
def writing_documents(commit: Commit, schema: pa.Schema) -> Iterator[DocumentsWriter]:
    """Write ``documents/0001.parquet``, ``metadata/0001.parquet`` and ``blocks/0001.safetensors``, or the next number.

    Args:
        commit: The commit.
        schema: Of the tables that will be written, with id and text.
    """
    others = [name for name in schema.names if name not in ("id", "text")]
    whole, without_texts = (
        pa.schema([schema.field(one) for one in (*first, *others)]) for first in (("id", "text"), ("id",))
    )
    name = f"documents/{commit.new_number('documents', 'metadata', 'blocks'):04d}.parquet"
    with (
        commit.writing(name) as file,
        commit.writing(metadata_name(name)) as other_file,
        # Texts repeat nothing, and nobody filters by what a row group says of its values.
        pq.ParquetWriter(file, whole, compression="zstd", use_dictionary=others, write_statistics=False) as texts,
        pq.ParquetWriter(other_file, without_texts, compression="zstd") as metadata,
    ):
        writer = DocumentsWriter(name, whole, texts, metadata)
        yield writer
        writer.finish()
    with commit.writing(blocks_name(name)) as file:
        file.write(blocks_of(commit.folder / name))


class DocumentsWriter:
    """Appends rows; memory stays that of one block and of one table that is given.

    Args:
        name: The file of texts.
        schema: Its columns.
        texts: Writes it.
        metadata: Writes the one without texts.
    """

    def __init__(self, name: str, schema: pa.Schema, texts: pq.ParquetWriter, metadata: pq.ParquetWriter) -> None:
        self.name = name
        self._texts = texts
        self._metadata = metadata
        self._rest = schema.empty_table()

    def write(self, table: pa.Table) -> None:
        """Append rows.

        Args:
            table: With the schema's columns.
        """
        table = table.select(self._rest.column_names)
        self._metadata.write_table(table.drop_columns(["text"]))
        table = pa.concat_tables([self._rest, table])
        start = taken = 0
        for row, size in enumerate(pc.binary_length(table["text"]).to_pylist()):
            if taken and taken + size > BLOCK_BYTES:
                self._texts.write_table(table.slice(start, row - start))
                start, taken = row, 0
            taken += size
        self._rest = table.slice(start).combine_chunks()

    def finish(self) -> None:
        """Write the last block."""
        if len(self._rest):
            self._texts.write_table(self._rest)
