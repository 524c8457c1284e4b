"""Which column of a training set holds what: by whole names, never by a part of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from colbert_kit.errors import InvalidData

__all__ = ["LABELS", "LISTS", "is_role", "normalized", "split_positives", "text_columns", "unfolded"]

LABELS = ("label", "labels", "score", "scores")
"""As sentence-transformers' collators name them."""

QUERIES = ("query", "anchor", "question")
POSITIVES = ("positive", "answer")
LISTS = {"negatives": "negative", "documents": "document"}
"""Columns that hold a list of texts, and what its members are called."""


def normalized(text: str) -> str:
    """A text without its case and spacing, to tell whether two are the same.

    Example:
        >>> normalized("What is  X?")
        'what is x?'
    """
    return " ".join(text.lower().split())


def is_role(name: str) -> bool:
    """Whether a column's name says what it holds.

    Example:
        >>> [is_role(name) for name in ("anchor", "negative_3", "documents", "scores", "title")]
        [True, True, True, True, False]
    """
    known = (*QUERIES, *POSITIVES, "positives", *LISTS, *LABELS)
    return name in known or re.fullmatch(r"(negative|document)(_?\d+)?", name) is not None


def split_positives(batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """A row for each of a row's ``positives``, for ``datasets.Dataset.map(..., batched=True)``.

    Example:
        >>> split_positives({"query": ["q"], "positives": [["a", "b"]]})
        {'query': ['q', 'q'], 'positive': ['a', 'b']}
    """
    times = [len(texts) for texts in batch["positives"]]
    others = {
        name: [value for value, number in zip(values, times, strict=True) for _ in range(number)]
        for name, values in batch.items()
        if name != "positives"
    }
    query = next(iter(others))
    rest = {name: values for name, values in others.items() if name != query}
    return {query: others[query], "positive": [text for texts in batch["positives"] for text in texts], **rest}


def unfolded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with a column for each member of its lists (``negatives`` becomes ``negative_1`` ...), without ids.

    Example:
        >>> unfolded({"query_id": 7, "query": "q", "negatives": ["a", "b"]})
        {'query': 'q', 'negative_1': 'a', 'negative_2': 'b'}
    """
    columns: dict[str, Any] = {}
    for name, value in row.items():
        if name == "id" or re.fullmatch(r".+_ids?", name):
            continue
        if name in LISTS and isinstance(value, list | tuple):
            columns |= {f"{LISTS[name]}_{number}": text for number, text in enumerate(value, start=1)}
        else:
            columns[name] = value
    return columns


def text_columns(names: Iterable[str], roles: Mapping[str, str] | None = None) -> list[str]:
    """Columns of texts in the order that losses want: the query, the positive, the rest by name and number.

    Args:
        names: Columns of the set, labels among them.
        roles: ``"query"`` or ``"document"`` of columns, where the names do not say.

    Raises:
        InvalidData: Several columns are queries, or there is no column beside the query.

    Example:
        >>> text_columns(["negative_2", "negative_1", "positive", "score", "query"])
        ['query', 'positive', 'negative_1', 'negative_2']
        >>> text_columns(["french", "english"], {"english": "query"})
        ['english', 'french']
    """
    texts = [name for name in names if name not in (*LABELS, "dataset_name", "return_loss")]
    query = _query_of(texts, roles or {})
    others = [name for name in texts if name != query]
    if not others:
        raise InvalidData(f"a training set needs a column of queries and one of documents, got {texts}.")
    return [query, *sorted(others, key=lambda name: _place(name, others))]


def _query_of(texts: Sequence[str], roles: Mapping[str, str]) -> str:
    named = [name for name in texts if roles.get(name) == "query"]
    named = named or [name for name in texts if name in QUERIES and roles.get(name) != "document"]
    if len(named) > 1:
        raise InvalidData(
            f"the columns {named} are all queries; a loss takes one. Leave out the others, or say which one it is by "
            "router_mapping={'column': 'query'}."
        )
    if named:
        return named[0]
    if not texts:
        raise InvalidData("a training set needs a column of queries and one of documents, got none.")
    return next((name for name in texts if not is_role(name)), texts[0])


def _place(name: str, others: Sequence[str]) -> tuple[int, int, int]:
    """Positives first; numbered columns by number where the first of their name stands; the rest as they stand."""
    found = re.fullmatch(r"(.+?)_?(\d+)", name)
    stem = found[1] if found else name
    stands = next(place for place, other in enumerate(others) if re.fullmatch(rf"{re.escape(stem)}(_?\d+)?", other))
    return (0 if name in POSITIVES else 1, stands, int(found[2]) if found else 0)
