"""Training rows from files and the Hub, brought into one shape."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetGenerationError

from colbert_kit import data, hub
from colbert_kit.data import ROW_SUFFIXES
from colbert_kit.errors import InvalidData, InvalidInput
from colbert_kit.training.columns import LABELS, is_role, split_positives
from colbert_kit.training.distillation import KDProcessing
from colbert_kit.training.settings import DataSource
from colbert_kit.training.teachers import check_scored

__all__ = ["is_lazy", "load_rows"]

logger = logging.getLogger(__name__)

BUILDERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}


def load_rows(source: DataSource) -> Dataset:
    """Rows of texts and labels; where the source has ``queries`` and ``documents``, texts are looked up when read.

    Columns whose names say their role are kept, and the others left out, which the log says; where no name says
    one, all columns of texts are kept in their order. A row with several ``positives`` becomes several rows.

    Args:
        source: Where they come from.

    Returns:
        A memory-mapped data set.

    Raises:
        InvalidInput: There is no such file or dataset.
        InvalidData: A column is missing, or rows cannot be read.
    """
    rows = _rows(source)
    if source.queries is not None and source.documents is not None:
        return _with_texts(rows, source, source.queries, source.documents)
    rows = _with_roles(rows, source.path)
    if "positives" in rows.column_names:
        rows = rows.map(split_positives, batched=True, remove_columns=rows.column_names)
    return rows


def is_lazy(rows: Dataset) -> bool:
    """Whether texts are looked up when a row is read."""
    return str(rows.format["type"]) == "custom"


def _rows(source: DataSource) -> Dataset:
    rows = _read(source)
    if unknown := [name for name in source.columns if name not in rows.column_names]:
        raise InvalidData(f"{source.path} has no columns {unknown} to rename; it has {rows.column_names}.")
    rows = rows.rename_columns(source.columns) if source.columns else rows
    if source.limit is not None:
        rows = rows.select(range(min(source.limit, len(rows))))
    if not len(rows):
        raise InvalidData(f"{source.path} has no rows.")
    return rows


def _read(source: DataSource) -> Dataset:
    path = Path(source.path)
    if parts := sorted(str(part) for part in path.glob("*.parquet")):
        check_scored(path)
        return load_dataset("parquet", data_files=parts, split="train")
    if path.is_file():
        suffix = data.without_gz(path)
        if suffix not in BUILDERS:
            raise InvalidInput(f"{path}: rows are read from {', '.join(ROW_SUFFIXES)} (and .gz of them).")
        options: dict[str, Any] = {"sep": "\t"} if suffix == ".tsv" else {}
        try:
            return load_dataset(BUILDERS[suffix], data_files=str(path), split="train", **options)
        except (DatasetGenerationError, ValueError, OSError) as error:
            cause = error.__cause__ or error
            raise InvalidData(f"{path} cannot be read: {' '.join(str(cause).split())[:300]}") from error
    # A repository's name may have a dot; a file that is not there has one of these endings.
    if path.is_dir() or data.without_gz(path) in (*BUILDERS, ".txt") or not hub.is_repo_id(source.path):
        raise InvalidInput(f"there is no file or Hub dataset {source.path}; check the path.")
    return data.load_hub_dataset(
        source.path, config=source.name, split=source.split or "train", revision=source.revision
    )


def _with_texts(rows: Dataset, source: DataSource, queries: DataSource, documents: DataSource) -> Dataset:
    needed = ("query_id", "document_ids", "scores")
    if missing := [name for name in needed if name not in rows.column_names]:
        raise InvalidData(f"{source.path} needs the columns {', '.join(needed)}; {', '.join(missing)} are missing.")
    texts = {}
    for name, one in (("query_id", queries), ("document_id", documents)):
        found = _rows(one)
        text = next((column for column in ("text", name.removesuffix("_id")) if column in found.column_names), None)
        if name not in found.column_names or text is None:
            raise InvalidData(f"{one.path} needs the columns {name} and text; it has {found.column_names}.")
        texts[name] = found.select_columns([name, text])
    processing = KDProcessing(texts["query_id"], texts["document_id"])
    rows = rows.select_columns(list(needed))
    processing.transform(rows[:1])
    rows.set_transform(processing.transform)
    return rows


def _with_roles(rows: Dataset, name: str) -> Dataset:
    known = [column for column in rows.column_names if is_role(column)]
    if len([column for column in known if column not in LABELS]) < 2:
        known = [
            column
            for column, feature in rows.features.items()
            if column in LABELS or getattr(feature, "dtype", None) in ("string", "large_string")
        ]
    if dropped := [column for column in rows.column_names if column not in known]:
        logger.info("%s: the columns %s have no role or no text, and are left out.", name, ", ".join(dropped))
    return rows.select_columns(known)
