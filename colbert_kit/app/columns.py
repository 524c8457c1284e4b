"""What columns documents have, and what each most likely is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from colbert_kit.app.uploads import EMPTY, Roles, Source, documents_of, rows_of
from colbert_kit.errors import InvalidData, InvalidInput

__all__ = ["PREVIEWED", "Column", "Looked", "detect_roles", "look", "preview"]

PREVIEWED = 10
HUB_ROWS = 200
"""Rows that are looked at of a dataset, which may be as large as the Hub has them."""
MAX_COLUMNS = 200

# The first three are what data.read_corpus and BEIR look for; then what datasets of the Hub use.
IDS = ("id", "_id", "doc_id", "docid", "document_id", "corpus-id", "pid", "uuid", "key")
TEXTS = ("text", "contents", "content", "passage", "body", "document", "abstract", "description", "article", "answer")
TITLES = ("title", "headline", "heading", "name", "subject")
# No zero in front: 007 is a code, and as a number it would be another one. 18 digits fit into 64 bits.
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?")
LONG_VALUE = 200
"""Characters on average beyond which a column is something to read, not something to filter by."""


@dataclass
class Column:
    """A column and what its values are like.

    Args:
        name: Its name.
        kind: ``"text"``, ``"number"``, ``"yes or no"`` or ``"other"``.
        num_filled: Rows that have a value.
        num_characters: Of all its texts.
        num_words: Of all its texts.
        example: The first value.
        are_numbers: Whether all its texts are written as numbers.
    """

    name: str
    kind: str = "other"
    num_filled: int = 0
    num_characters: int = 0
    num_words: int = 0
    example: Any = None
    are_numbers: bool = True

    def take(self, value: object) -> None:
        """Take up the value of a row."""
        if value in EMPTY:
            return
        kind = _kind(value)
        if self.num_filled == 0:
            self.kind, self.example = kind, value
        elif kind != self.kind:
            self.kind = "other"
        self.num_filled += 1
        if isinstance(value, str):
            self.num_characters += len(value)
            self.num_words += len(value.split())
            self.are_numbers = self.are_numbers and NUMBER.fullmatch(value) is not None


@dataclass
class Looked:
    """What was seen of a source.

    Args:
        columns: In the order they came.
        num_rows: How many were read.
        is_whole: Whether these are all.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    num_rows: int = 0
    is_whole: bool = True

    def words_a_document(self, names: Sequence[str | None]) -> float:
        """Words of these columns together, on average."""
        words = sum(self.columns[name].num_words for name in names if name in self.columns)
        return words / max(1, self.num_rows)

    def characters_a_document(self, names: Sequence[str | None]) -> float:
        """Characters of these columns together, on average."""
        characters = sum(self.columns[name].num_characters for name in names if name in self.columns)
        return characters / max(1, self.num_rows)


def look(source: Source) -> Looked:
    """Read a source, all of it or its first rows where it is on the Hub, and see what columns it has.

    Raises:
        InvalidData: A row cannot be read, the message names the line; or there is no row.
        HubError: The Hub does not help.
    """
    found = Looked(is_whole=not source.repo_id)
    rows = rows_of(source)
    for row, place in itertools.islice(rows, HUB_ROWS) if source.repo_id else rows:
        found.num_rows += 1
        for name, value in row.items():
            if name not in found.columns:
                if len(found.columns) == MAX_COLUMNS:
                    raise InvalidData(f"{place}: more than {MAX_COLUMNS} columns; leave out what is not needed.")
                found.columns[name] = Column(name)
            found.columns[name].take(value)
    if source.has_only_texts:
        for column in found.columns.values():
            column.kind = "number" if column.kind == "text" and column.are_numbers else column.kind
    if source.repo_id and found.num_rows < HUB_ROWS:
        found.is_whole = True
    if not found.num_rows:
        raise InvalidData("there are no rows in it; choose another file.")
    return found


def detect_roles(found: Looked) -> Roles:
    """What each column most likely is, by its name, and else by what is in it.

    Raises:
        InvalidInput: No column holds texts.
    """
    texts = [column for column in found.columns.values() if column.kind == "text"]
    if not texts:
        raise InvalidInput(f"no column holds texts; the columns are {', '.join(found.columns)}.")
    identity = _named(list(found.columns.values()), IDS)
    if identity is not None and identity.num_filled < found.num_rows:
        identity = None
    others = [column for column in texts if column is not identity] or texts
    title = _named(others, TITLES)
    bodies = [column for column in others if column is not title] or others
    text = _named(bodies, TEXTS) or max(bodies, key=lambda column: column.num_characters)
    if text is title:
        title = None
    taken = {column.name for column in (identity, text, title) if column is not None}
    return Roles(
        id=identity.name if identity else None,
        text=text.name,
        title=title.name if title else None,
        metadata=tuple(name for name, column in found.columns.items() if name not in taken and _is_fact(column)),
    )


def preview(source: Source, roles: Roles, passage_words: int | None = None) -> list[dict[str, Any]]:
    """The first ten documents as they would be indexed.

    Raises:
        InvalidData: One of them has no id of its own or no text; the message names the line.
    """
    return list(itertools.islice(documents_of(source, roles, passage_words), PREVIEWED))


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "yes or no"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"


def _is_fact(column: Column) -> bool:
    """Whether a column is something to filter by: short, and of one kind."""
    is_short = column.num_characters <= LONG_VALUE * max(1, column.num_filled)
    return column.num_filled > 0 and column.kind != "other" and is_short


def _named(columns: Sequence[Column], names: Sequence[str]) -> Column | None:
    by_name = {column.name.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)
