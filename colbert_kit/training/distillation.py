"""Texts in place of ids, for training sets that keep queries, documents and a teacher's scores apart."""

from __future__ import annotations

from typing import Any

from datasets import Dataset, DatasetDict
from sentence_transformers.util import resolve_ids

from colbert_kit.errors import InvalidConfig, InvalidData

__all__ = ["KDProcessing"]


class KDProcessing:
    """Looks up the texts of ``query_id`` and ``document_ids`` when a batch is read; nothing is copied.

    Args:
        queries: ``query_id`` and ``text`` (or ``query``): a ``Dataset``, or a ``DatasetDict`` that has ``split``.
        documents: ``document_id`` and ``text``; alike.
        split: The split of a ``DatasetDict``.
        n_ways: Documents of a query at most: the first ones, in the set's order.

    Raises:
        InvalidConfig: There is no such split, or ``n_ways`` is below 2.

    Example:
        >>> train.set_transform(KDProcessing(queries=queries, documents=documents).transform)  # doctest: +SKIP
        >>> train[0]  # doctest: +SKIP
        {'query': '...', 'document_1': '...', ..., 'document_32': '...', 'scores': [...]}
    """

    def __init__(
        self, queries: Dataset | DatasetDict, documents: Dataset | DatasetDict, split: str = "train", n_ways: int = 32
    ) -> None:
        if n_ways < 2:
            raise InvalidConfig(f"n_ways must be 2 or more, as one document alone teaches nothing, got {n_ways}.")
        lookups = {"query_id": _split_of(queries, split), "document_ids": _split_of(documents, split)}
        self._resolve = resolve_ids(lookups, max_list_length=n_ways)

    def transform(self, examples: dict[str, Any]) -> dict[str, Any]:
        """The batch with texts: ``query``, ``document_1`` ... and ``scores``.

        Args:
            examples: Columns ``query_id``, ``document_ids`` and ``scores``; ids may be numbers or strings.

        Raises:
            InvalidData: An id is in no set; the message names it.
        """
        try:
            resolved: dict[str, Any] = self._resolve(examples)
        except KeyError as error:
            raise InvalidData(f"{error.args[0] if error.args else error}") from error
        return resolved


def _split_of(data: Dataset | DatasetDict, split: str) -> Dataset:
    if not isinstance(data, DatasetDict):
        return data
    if split not in data:
        raise InvalidConfig(f"there is no split {split!r}; there are {', '.join(data)}.")
    return data[split]
