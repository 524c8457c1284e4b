"""Rows of a file or data set, each with the words that say where it stands."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from colbert_kit.errors import InvalidData

__all__ = ["ROW_SUFFIXES", "Row", "read_rows", "without_gz"]

Row = tuple[dict[str, Any], str]
"""A row's fields, and its place for messages: ``"corpus.jsonl, line 7"``."""

ROW_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
"""Files of rows, one document each."""


def without_gz(path: Path) -> str:
    """The suffix that says the format: ``.jsonl`` for ``corpus.jsonl.gz``."""
    return Path(path.stem).suffix.lower() if path.suffix == ".gz" else path.suffix.lower()


def read_rows(path: Path) -> Iterator[Row]:
    """Read ``.jsonl``, ``.csv``, ``.tsv`` (each also with ``.gz``) or ``.parquet``, a row at a time.

    Raises:
        InvalidData: The file cannot be read; the message names file and line.
    """
    suffix = without_gz(path)
    if suffix not in ROW_SUFFIXES:
        raise InvalidData(
            f"{path.name}: rows are read from {', '.join(ROW_SUFFIXES)} (and .gz of them), not {suffix!r}."
        )
    try:
        if suffix == ".parquet":
            yield from _parquet(path)
        else:
            with _open_text(path) as file:
                delimiter = "\t" if suffix == ".tsv" else ","
                yield from (_json_lines(path, file) if suffix in (".jsonl", ".json") else _csv(path, file, delimiter))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, pa.ArrowInvalid) as error:
        raise InvalidData(f"{path.name} cannot be read: {error}") from error


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path, "rb"), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _json_lines(path: Path, file: IO[str]) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        place = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidData(f"{place}: not a JSON object a line ({error}).") from error
        if not isinstance(row, dict):
            raise InvalidData(f"{place}: expected a JSON object, got {type(row).__name__}.")
        yield row, place


def _csv(path: Path, file: IO[str], delimiter: str) -> Iterator[Row]:
    # A text field may be far longer than the module's 128 kB.
    csv.field_size_limit(2**31 - 1)
    reader = csv.DictReader(file, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            place = f"{path.name}, line {reader.line_num}"
            if None in row:
                raise InvalidData(f"{place}: more fields than the header has columns.")
            yield dict(row), place
    except csv.Error as error:
        raise InvalidData(f"{path.name}, line {reader.reader.line_num}: {error}.") from error


def _parquet(path: Path) -> Iterator[Row]:
    number = 0
    for batch in pq.ParquetFile(path).iter_batches(batch_size=1024):
        for row in batch.to_pylist():
            number += 1
            yield row, f"{path.name}, row {number}"
