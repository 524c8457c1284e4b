"""Rewrite the documents' files: fewer of them, or without rows that are removed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from colbert_kit.documents.schema import merge_schemas
from colbert_kit.documents.writing import blocks_name, drop_documents, writing_documents
from colbert_kit.folders import Commit, first_to_merge

__all__ = ["stage_documents_compaction", "stage_documents_copy", "stage_documents_merge"]

GROUPS_AT_ONCE = 64
"""Blocks of texts rewritten at a time: 4 MB."""


def stage_documents_merge(commit: Commit) -> None:
    """Make the newest files one where there are too many (``folders.first_to_merge``); rows keep their numbers."""
    files: list[str] = commit.sections["documents"]["files"]
    if (first := first_to_merge([pq.read_metadata(commit.folder / name).num_rows for name in files])) is not None:
        _rewrite(commit, files[:first], files[first:], None)


def stage_documents_compaction(commit: Commit, keep: NDArray[np.bool_]) -> None:
    """Rewrite all documents as one file with the rows of ``keep``, ``(num_rows,)``."""
    files: list[str] = commit.sections["documents"]["files"]
    # Files of old do not tell their blocks.
    if len(files) > 1 or not keep.all() or any(blocks_name(one) not in commit.staged().manifest.files for one in files):
        _rewrite(commit, [], files, keep)


def stage_documents_copy(commit: Commit, paths: Sequence[Path], keep: NDArray[np.bool_]) -> None:
    """Write the documents of another folder as the only ones of a commit.

    Args:
        commit: The commit.
        paths: The other folder's files in row order.
        keep: Which of their rows to write, ``(num_rows,)``.
    """
    commit.sections["documents"] = {"files": [_write(commit, paths, keep)] if paths else []}


def _rewrite(commit: Commit, before: list[str], merged: list[str], keep: NDArray[np.bool_] | None) -> None:
    name = _write(commit, [commit.folder / one for one in merged], keep)
    for one in merged:
        drop_documents(commit, one)
    commit.sections["documents"] = {"files": [*before, name]}


def _write(commit: Commit, paths: Sequence[Path], keep: NDArray[np.bool_] | None) -> str:
    """Write what several files hold as one new file, and return its name."""
    opened = [pq.ParquetFile(path) for path in paths]
    schema = functools.reduce(merge_schemas, (one.schema_arrow for one in opened), pa.schema([]))
    with writing_documents(commit, schema) as writer:
        row = 0
        for one in opened:
            for start in range(0, one.num_row_groups, GROUPS_AT_ONCE):
                groups = range(start, min(start + GROUPS_AT_ONCE, one.num_row_groups))
                table = conform(one.read_row_groups(list(groups)), schema)
                writer.write(table if keep is None else table.filter(pa.array(keep[row : row + len(table)])))
                row += len(table)
    return writer.name


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with a schema's columns and types; columns that it lacks are null."""
    present = set(table.column_names)
    columns = [
        table[field.name].cast(field.type) if field.name in present else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
