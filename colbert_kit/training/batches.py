"""Which rows share a batch: of like length, and never two of which one's positive would be another's negative."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers.base.sampler import DefaultBatchSampler

from colbert_kit.errors import InvalidData
from colbert_kit.training.columns import text_columns, unfolded

__all__ = ["ColBERTBatchSampler"]

logger = logging.getLogger(__name__)

BATCHES_PER_WINDOW = 64
"""Rows are shuffled, and sorted by length within windows of so many batches, so that batches differ from epoch to
epoch."""


class _Row(NamedTuple):
    """A row's texts by their hashes, and the characters of the longest: all documents are padded to it."""

    query: int
    positive: int
    documents: frozenset[int]
    length: int


class ColBERTBatchSampler(DefaultBatchSampler):
    """Batches in random order, for a trainer's ``batch_sampler``.

    With in-batch negatives two rows do not share a batch if they have the same query, or if one's positive is among
    the other's documents: each would teach against the other. What does not fit in a batch moves to the next; what
    fits in none that is at least half full is left out of the epoch, and the log says how much.

    Args:
        dataset: Rows of texts; read once.
        batch_size: Rows a batch.
        drop_last: Leave out batches that could not be filled.
        valid_label_columns: Not used.
        generator: Not used: the order comes from ``seed`` and the epoch.
        seed: Of the order.
        by_length: Put rows of like length together, which saves padding.
        in_batch_negatives: The loss compares a query with the documents of other rows.

    Raises:
        InvalidData: No batch can be made.

    Example:
        >>> args = MultiVectorEncoderTrainingArguments(..., batch_sampler=ColBERTBatchSampler)  # doctest: +SKIP
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        drop_last: bool,
        valid_label_columns: list[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
        *,
        by_length: bool = True,
        in_batch_negatives: bool = True,
    ) -> None:
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        self.by_length = by_length
        self.in_batch_negatives = in_batch_negatives
        self._rows = [_read(row) for row in dataset]
        first = self._batches(0)
        if not first:
            raise InvalidData(
                f"no batch of {batch_size} rows can be made of {len(self._rows)}: rows that share a query or a "
                "positive do not meet in one. Lower batch_size."
            )
        self._number = len(first)
        left = len(self._rows) - sum(map(len, first))
        if left > batch_size:
            logger.warning(
                "%d of %d rows fit in no batch of %d, as they share a query or a positive with too many others; they "
                "are left out of an epoch. A lower batch_size takes in more.",
                left,
                len(self._rows),
                batch_size,
            )

    def __iter__(self) -> Iterator[list[int]]:
        """Row numbers, a batch at a time."""
        batches = self._batches(self.epoch)
        order = np.random.default_rng((self.seed, self.epoch, 1)).permutation(len(batches))
        # Another order of the rows may fill one batch more or less; the trainer counts on the first epoch's number.
        for place in range(self._number):
            yield batches[order[place % len(order)]]

    def __len__(self) -> int:
        """Batches of every epoch."""
        return self._number

    def _batches(self, epoch: int) -> list[list[int]]:
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self._rows)).tolist()
        window = BATCHES_PER_WINDOW * self.batch_size
        batches: list[list[int]] = []
        waiting: list[int] = []
        for start in range(0, len(order), window):
            rows = waiting + order[start : start + window]
            if self.by_length:
                rows.sort(key=lambda row: self._rows[row].length)
            full, waiting = self._cut(rows)
            batches += full
        while waiting and not self.drop_last:
            batch, waiting = self._compatible(waiting)
            if waiting and len(batch) < self.batch_size / 2:
                break
            batches.append(batch)
        return batches

    def _cut(self, rows: list[int]) -> tuple[list[list[int]], list[int]]:
        """Full batches, and the rows left."""
        batches = []
        while len(rows) >= self.batch_size:
            batch, others = self._compatible(rows)
            if len(batch) < self.batch_size:
                break
            batches.append(batch)
            rows = others
        return batches, rows

    def _compatible(self, rows: list[int]) -> tuple[list[int], list[int]]:
        """The first rows that go together, a batch at most, and the others."""
        if not self.in_batch_negatives:
            return rows[: self.batch_size], rows[self.batch_size :]
        batch: list[int] = []
        skipped: list[int] = []
        queries: set[int] = set()
        positives: set[int] = set()
        documents: set[int] = set()
        for place, number in enumerate(rows):
            if len(batch) == self.batch_size:
                return batch, skipped + rows[place:]
            row = self._rows[number]
            if row.query in queries or row.positive in documents or not positives.isdisjoint(row.documents):
                skipped.append(number)
                continue
            batch.append(number)
            queries.add(row.query)
            positives.add(row.positive)
            documents |= row.documents
        return batch, skipped


def _read(row: Mapping[str, Any]) -> _Row:
    columns = unfolded(row)
    texts = [columns[name] or "" for name in text_columns(columns)]
    hashes = [hash(text) for text in texts]
    return _Row(hashes[0], hashes[1], frozenset(hashes[1:]), max(map(len, texts)))
