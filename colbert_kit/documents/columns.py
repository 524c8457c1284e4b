"""What metadata columns hold, for whoever is about to filter by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ColumnSummary", "summarize_columns"]


@dataclass(frozen=True)
class ColumnSummary:
    """One column.

    Args:
        name: Its name.
        kind: What its values are; ``"other"`` for lists, dates and the like.
        values: Its values, the most frequent first; None where there are too many to name, or they are no texts,
            numbers or truths.
    """

    name: str
    kind: Literal["text", "number", "boolean", "other"]
    values: tuple[Any, ...] | None = None


def summarize_columns(table: pa.Table, max_values: int) -> list[ColumnSummary]:
    """What each column holds.

    Args:
        table: Metadata columns.
        max_values: Values that are named at most.
    """
    return [_summarize(name, table[name], max_values) for name in table.column_names]


def _summarize(name: str, column: pa.ChunkedArray, max_values: int) -> ColumnSummary:
    kind = _kind(column.type)
    if kind == "other":
        return ColumnSummary(name, kind)
    found = pc.value_counts(pc.drop_null(column))
    if len(found) > max_values:
        return ColumnSummary(name, kind)
    counted = sorted(found.to_pylist(), key=lambda one: (-one["counts"], one["values"]))
    return ColumnSummary(name, kind, tuple(one["values"] for one in counted))


def _kind(of: pa.DataType) -> Literal["text", "number", "boolean", "other"]:
    if pa.types.is_boolean(of):
        return "boolean"
    if pa.types.is_integer(of) or pa.types.is_floating(of):
        return "number"
    return "text" if pa.types.is_string(of) or pa.types.is_large_string(of) else "other"
