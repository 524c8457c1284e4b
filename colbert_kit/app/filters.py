"""Filters as a visitor writes them, or chooses them from the columns that an index really has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from colbert_kit.errors import InvalidInput

if TYPE_CHECKING:
    from colbert_kit import Searcher

__all__ = ["OPERATORS", "add_condition", "list_columns", "parse_filters", "split_conditions"]

MAX_FILTER_CHARACTERS = 2000

# Not the "and" of a value in quotes: an even number of them follows.
AND = re.compile(r'\s+and\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', re.IGNORECASE)

# What the text form can name.
COLUMN = re.compile(r"[\w.-]+")

OPERATORS = {
    "text": ["=", "!=", "in", "not in"],
    "number": ["=", "!=", "<", "<=", ">", ">=", "in", "not in"],
    "boolean": ["=", "!="],
}

Column = dict[str, Any]


def parse_filters(text: str) -> list[tuple[str, str, Any]] | None:
    """Conditions joined by ``and``, as the page takes them; None where there are none.

    Raises:
        InvalidInput: One is not ``column operator value``.

    Example:
        >>> parse_filters('year >= 2020 and topic = "salt and sea"')
        [('year', '>=', 2020), ('topic', '=', 'salt and sea')]
    """
    from colbert_kit import documents

    return [documents.parse_filter(part) for part in split_conditions(text)] or None


def split_conditions(text: str) -> list[str]:
    """The conditions of a filter, each as it was written.

    Raises:
        InvalidInput: The text is too long.
    """
    if not text.strip():
        return []
    if len(text) > MAX_FILTER_CHARACTERS:
        raise InvalidInput(f"a filter may have {MAX_FILTER_CHARACTERS} characters, got {len(text)}.")
    return [part.strip() for part in AND.split(text)]


def list_columns(searcher: Searcher) -> list[Column]:
    """The columns that a filter can name: ``name``, ``kind``, and ``values`` where they are few, else None."""
    columns = []
    for one in searcher.summarize_columns():
        if one.kind in OPERATORS and COLUMN.fullmatch(one.name):
            values = None if one.values is None else [_spell(value) for value in sorted(one.values)]
            columns.append({"name": one.name, "kind": one.kind, "values": values})
    return columns


def add_condition(text: str, column: Column, operator: str, value: str | Sequence[str]) -> str:
    """A filter's text with one condition more.

    Raises:
        InvalidInput: There is no value, or one that the text form cannot hold.

    Example:
        >>> add_condition("year >= 2020", {"name": "topic", "kind": "text"}, "=", "salt and sea")
        'year >= 2020 and topic = "salt and sea"'
    """
    values = [value] if isinstance(value, str) else list(value)
    if operator in ("in", "not in"):
        values = [part.strip() for one in values for part in one.split(",")]
    values = [one for one in values if one.strip()]
    if not values:
        raise InvalidInput("choose or type a value for the condition.")
    if any('"' in one for one in values):
        raise InvalidInput("a value with a double quote cannot be filtered by here; use Python.")
    quoted = [f'"{one}"' if column["kind"] == "text" else one for one in values]
    condition = f"{column['name']} {operator} {', '.join(quoted)}"
    return f"{text.strip()} and {condition}" if text.strip() else condition


def _spell(value: Any) -> str:  # noqa: ANN401 - a text, a number or a truth
    return str(value).lower() if isinstance(value, bool) else str(value)
