"""Column types: fixed by the first build, widened only where nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from colbert_kit.errors import InvalidInput

__all__ = ["RESERVED_COLUMNS", "check_document", "merge_schemas", "table_of", "type_in_words"]

RESERVED_COLUMNS = frozenset({"id", "text", "score", "rank"})
"""Metadata may not use these names: a hit has fields of its own with them."""


def check_document(document: Mapping[str, Any], position: int) -> None:
    """Check one document before anything is encoded.

    Raises:
        InvalidInput: It has no id or text, they are no strings or empty, or its metadata use a reserved name.
    """
    if not isinstance(document, Mapping):
        raise InvalidInput(
            'a document must be a mapping like {"id": "7", "text": "...", "year": 2020}, got '
            f"{type(document).__name__} at position {position}."
        )
    for key in ("id", "text"):
        value = document.get(key)
        if not isinstance(value, str):
            raise InvalidInput(
                f"document {position} must have the string {key!r}, got {type(value).__name__}; "
                f"it has the fields {', '.join(map(repr, document))}."
            )
    if not document["id"]:
        raise InvalidInput(f"document {position} has an empty id; every document needs its own.")
    if not document["text"].strip():
        raise InvalidInput(f"document {document['id']!r} has an empty text; leave it out of the index.")
    try:
        document["text"].encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the text of document {document['id']!r} is not valid Unicode: {error.reason}.") from error
    if odd := [name for name in document if not isinstance(name, str)]:
        raise InvalidInput(f"document {document['id']!r} has metadata called {odd[0]!r}; names must be strings.")
    if reserved := (RESERVED_COLUMNS - {"id", "text"}) & set(document):
        raise InvalidInput(f"metadata may not be called {', '.join(sorted(reserved))}: a hit has fields of that name.")


def table_of(documents: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The documents as a table with id and text first.

    Raises:
        InvalidInput: A column holds values that have no common type.
    """
    columns = dict.fromkeys(["id", "text"]) | dict.fromkeys(key for document in documents for key in document)
    arrays = {}
    for name in columns:
        values = [document.get(name) for document in documents]
        try:
            arrays[name] = pa.array(values, type=pa.string() if name in ("id", "text") else None)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeError) as error:
            raise InvalidInput(f"the values of {name!r} cannot share a column: {error}. Give them one type.") from error
    return pa.table(arrays)


def merge_schemas(old: pa.Schema, new: pa.Schema) -> pa.Schema:
    """The schema that holds both: new columns may come, nulls and integers may widen.

    Raises:
        InvalidInput: A column changes its type otherwise.
    """
    fields = {field.name: field.type for field in old}
    for field in new:
        before = fields.setdefault(field.name, field.type)
        if before == field.type or pa.types.is_null(field.type):
            continue
        if pa.types.is_null(before) or (pa.types.is_integer(before) and pa.types.is_floating(field.type)):
            fields[field.name] = field.type
        elif not (pa.types.is_floating(before) and pa.types.is_integer(field.type)):
            raise InvalidInput(
                f"the metadata column {field.name!r} holds {type_in_words(before)} in this index, got "
                f"{type_in_words(field.type)}. "
                "Convert the new values, or give the column another name."
            )
    return pa.schema(list(fields.items()))


def type_in_words(of: pa.DataType) -> str:
    """What a column's type is called in a message; Arrow's name where there is no plain word.

    Example:
        >>> type_in_words(pa.int64()), type_in_words(pa.list_(pa.string()))
        ('whole numbers', 'lists')
    """
    words = {
        pa.types.is_string: "texts",
        pa.types.is_boolean: "true or false",
        pa.types.is_integer: "whole numbers",
        pa.types.is_floating: "numbers",
        pa.types.is_nested: "lists",
    }
    return next((word for check, word in words.items() if check(of)), str(of))
