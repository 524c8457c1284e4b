"""Rows to learn from, as a file that is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset

from colbert_kit.folders import sync_path

__all__ = ["write_rows"]


def write_rows(rows: Dataset, path: Path) -> None:
    """Write Parquet, durably."""
    temporary = path.with_suffix(".new")
    rows.to_parquet(str(temporary))
    sync_path(temporary)
    temporary.replace(path)
