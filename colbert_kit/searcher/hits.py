"""Hits, and how rows of an index become them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from colbert_kit.documents import Documents, Fetch, Filters, type_in_words
from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Snapshot
from colbert_kit.indexes import IndexReader
from colbert_kit.searcher.encoding import pool_factor_of

__all__ = ["Generation", "Hit", "check_k", "check_queries", "choose", "hit_of", "hits_of"]


@dataclass(frozen=True)
class Hit:
    """A document that was found.

    Args:
        id: The document's id.
        score: Its MaxSim with the query; higher is better.
        rank: 1 for the best.
        text: The document.
        metadata: Its other columns.
    """

    id: str
    score: float
    rank: int
    text: str
    metadata: dict[str, Any] = field(default_factory=dict)


class Generation:
    """What belongs together: a search takes one and never mixes two.

    Args:
        snapshot: The generation of the folder.
        fetch: Reads parts of the documents' files, where they are not here.

    Raises:
        InvalidFolder: Index and documents are not row for row the same.
    """

    def __init__(self, snapshot: Snapshot, fetch: Fetch | None = None) -> None:
        self.number = snapshot.generation
        self.model = snapshot.section("model")
        self.pool_factor = pool_factor_of(self.model, snapshot.folder)
        self.index = IndexReader(snapshot)
        self.documents = Documents(snapshot, fetch)
        if len(self.index.rows.ids) != len(self.documents):
            raise InvalidFolder(
                f"{snapshot.folder} has {len(self.index.rows.ids)} rows in the index and {len(self.documents)} "
                "documents. Build or download it again."
            )
        if not self.documents.ids.equals(pa.chunked_array([self.index.rows.ids], pa.string())):
            raise InvalidFolder(f"{snapshot.folder} has other ids in the index than in the documents. Build it again.")

    def mask(self, filters: Filters | None, subset: Iterable[str] | None) -> NDArray[np.bool_] | None:
        """Which rows may be found; None for all.

        Raises:
            InvalidInput: The filters do not fit.
        """
        mask = None if filters is None else self.documents.matching(filters)
        if subset is None:
            return mask
        allowed = self.index.rows.mask_of(subset)
        return allowed if mask is None else mask & allowed

    def check_column(self, name: str) -> None:
        """Raise where no metadata column of this name can be grouped by.

        Raises:
            InvalidInput: There is none, or its values are lists or the like.
        """
        if name not in self.documents.metadata_columns:
            known = ", ".join(self.documents.metadata_columns)
            raise InvalidInput(f"there is no column {name!r} to group by; the columns are: {known}.")
        if pa.types.is_nested(kind := self.documents.schema.field(name).type):
            raise InvalidInput(
                f"column {name!r} holds {type_in_words(kind)} and cannot be grouped by; take one of single values."
            )


def choose(
    generation: Generation, ranking: Sequence[tuple[int, float]], k: int, group_by: str | None
) -> list[tuple[int, float]]:
    """The first ``k`` of a ranking, of each group the best only."""
    if group_by is None:
        return list(ranking[:k])
    best: dict[object, tuple[int, float]] = {}
    for row, score in ranking:
        metadata = generation.documents.metadata(row)
        best.setdefault(metadata.get(group_by, metadata["id"]), (row, score))
        if len(best) == k:
            break
    return list(best.values())


def hits_of(generation: Generation, rankings: Sequence[Sequence[tuple[int, float]]]) -> list[list[Hit]]:
    """The hits of several rankings, whose texts are read together."""
    rows = [row for ranking in rankings for row, _ in ranking]
    documents = iter(generation.documents.get_many(rows))
    return [
        [hit_of(next(documents), score, rank) for rank, (_, score) in enumerate(ranking, start=1)]
        for ranking in rankings
    ]


def hit_of(document: Mapping[str, Any], score: float, rank: int) -> Hit:
    """The hit of a document."""
    metadata = {name: value for name, value in document.items() if name not in ("id", "text")}
    return Hit(document["id"], score, rank, document["text"], metadata)


def check_queries(queries: Sequence[str]) -> list[str]:
    """Return the queries if they are texts.

    Raises:
        InvalidInput: One is no string or empty.
    """
    if isinstance(queries, str):
        raise InvalidInput("queries must be a list of strings, got one string; put it in a list.")
    for query in queries:
        if not isinstance(query, str):
            raise InvalidInput(f"a query must be a string, got {type(query).__name__}.")
        if not query.strip():
            raise InvalidInput("the query is empty; type at least one word.")
        try:
            query.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidInput(f"the query is not valid Unicode text: {error.reason}.") from error
    return list(queries)


def check_k(k: object) -> None:
    """Raise where ``k`` is no number of hits.

    Raises:
        InvalidInput: It is not a whole number of 1 or more.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InvalidInput(f"k must be a whole number of 1 or more, got {k!r}.")
