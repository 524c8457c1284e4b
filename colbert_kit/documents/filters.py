"""Filters in pyarrow's form: ``[("year", ">=", 2020)]``, an outer list of lists meaning OR.

There is no expression language to inject into: a filter is data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from colbert_kit.documents.schema import type_in_words
from colbert_kit.errors import InvalidInput

__all__ = ["Filters", "filter_mask", "parse_filter"]

Filters = Sequence[tuple[str, str, Any]] | Sequence[Sequence[tuple[str, str, Any]]]
"""Conditions ``(column, operator, value)`` that must all hold, or alternatives of such lists: one of them must."""

OPERATORS = ("=", "==", "!=", "<", "<=", ">", ">=", "in", "not in")


def filter_mask(table: pa.Table, filters: Filters) -> pa.ChunkedArray | pa.Array:
    """Which rows of ``table`` pass; a null never does.

    Args:
        table: Metadata columns.
        filters: ``[(column, operator, value), ...]``, all of which must hold, or a list of such lists, one of which
            must. Operators: ``= == != < <= > >= in "not in"``.

    Returns:
        One boolean a row.

    Raises:
        InvalidInput: The form, a column, an operator or a value's type is not what it must be.
    """
    alternatives = _alternatives(filters)
    masks = []
    for conditions in alternatives:
        parts = [_condition(table, *condition) for condition in conditions]
        mask = parts[0]
        for part in parts[1:]:
            mask = pc.and_(mask, part)
        masks.append(mask)
    result = masks[0]
    for mask in masks[1:]:
        result = pc.or_(result, mask)
    return result


def parse_filter(text: str) -> tuple[str, str, Any]:
    """Read one condition as the command line and the app take it: ``year >= 2020``, ``topic in a,b``.

    Raises:
        InvalidInput: It is not ``column operator value``.

    Example:
        >>> parse_filter("year >= 2020"), parse_filter("topic in biology, physics")
        (('year', '>=', 2020), ('topic', 'in', ['biology', 'physics']))
    """
    match = re.fullmatch(r"\s*([\w.-]+)\s*(not\s+in\b|in\b|(?:==?|!=|<=?|>=?)(?![=!<>]))\s*(.+?)\s*", text)
    if match is None:
        raise InvalidInput(f"a filter reads 'column operator value', as in 'year >= 2020'; got {text!r}.")
    column, operator, value = match.groups()
    operator = " ".join(operator.split())
    if operator in ("in", "not in"):
        return column, operator, [_literal(part.strip()) for part in value.split(",")]
    return column, operator, _literal(value)


def _alternatives(filters: Filters) -> list[list[tuple[str, str, Any]]]:
    as_lists: list[Any] = list(filters) if not isinstance(filters, str) else []
    if as_lists and not isinstance(as_lists[0], list):
        as_lists = [as_lists]
    well_formed = as_lists and all(
        isinstance(conditions, list) and conditions and all(_is_condition(one) for one in conditions)
        for conditions in as_lists
    )
    if not well_formed:
        raise InvalidInput(
            f"filters must be a list of (column, operator, value), or a list of such lists; got {filters!r}."
        )
    return as_lists


def _is_condition(condition: object) -> bool:
    return isinstance(condition, tuple) and len(condition) == 3 and isinstance(condition[0], str)


def _condition(table: pa.Table, column: str, operator: str, value: object) -> pa.ChunkedArray:
    if column not in table.column_names:
        known = ", ".join(sorted(table.column_names)) or "none"
        raise InvalidInput(f"there is no column {column!r} to filter by; the columns are: {known}.")
    if operator not in OPERATORS:
        raise InvalidInput(f"a filter's operator must be one of {', '.join(OPERATORS)}; got {operator!r}.")
    values = table[column]
    try:
        mask = _compare(values, operator, value)
    # ValueError: half of a surrogate pair, or NaN for a date. ArrowInvalid is one too.
    except (ValueError, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise InvalidInput(
            f"column {column!r} holds {type_in_words(values.type)} and cannot be compared by {operator!r} with "
            f"{value!r}."
        ) from error
    # A null compares to null, except under "not in", where is_in says False: a null must never match.
    return pc.and_(pc.fill_null(mask, False), pc.is_valid(values))


def _compare(values: pa.ChunkedArray, operator: str, value: object) -> pa.ChunkedArray:
    if operator in ("in", "not in"):
        if isinstance(value, str) or not isinstance(value, Sequence | set | frozenset):
            raise pa.ArrowTypeError("not a list")
        # pyarrow would cut 2020.5 to 2020 and then find it among whole numbers.
        possible = [one for one in value if not (pa.types.is_integer(values.type) and _is_fraction(one))]
        mask = pc.is_in(values, value_set=pa.array(possible, type=values.type))
        return pc.invert(mask) if operator == "not in" else mask
    if value is None:
        raise pa.ArrowTypeError("a null never matches")
    scalar = pa.scalar(value)
    numeric = (pa.types.is_integer, pa.types.is_floating)
    both_numbers = all(any(check(kind) for check in numeric) for kind in (values.type, scalar.type))
    if not both_numbers:
        scalar = pa.scalar(value, type=values.type)
    comparison = {
        "=": pc.equal, "==": pc.equal, "!=": pc.not_equal,
        "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal,
    }[operator]  # fmt: skip
    return comparison(values, scalar)


def _is_fraction(value: object) -> bool:
    return isinstance(value, float) and not value.is_integer()


def _literal(text: str) -> str | int | float | bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
