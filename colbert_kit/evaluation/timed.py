"""A run whose queries are asked one at a time, with how long they took."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from colbert_kit.evaluation.index_points import Latency
from colbert_kit.progress import OnProgress, Progress

if TYPE_CHECKING:
    from colbert_kit.searcher import Searcher

__all__ = ["timed_run"]


def timed_run(
    searcher: Searcher, queries: Mapping[str, str], k: int = 100, *, on_progress: OnProgress | None = None
) -> tuple[dict[str, dict[str, float]], Latency, Latency]:
    """Search queries one after another, as users' come.

    The index is read once before, so that the disk is not measured.

    Args:
        searcher: Searches.
        queries: Texts by query id; one at least.
        k: Hits a query at most.
        on_progress: Called after each query.

    Returns:
        The run; the seconds of a query from text to hits; the seconds of it after the query was encoded.

    Raises:
        InvalidInput: A query is empty.
    """
    searcher.warm()
    run: dict[str, dict[str, float]] = {}
    total, search = [], []
    for number, (query, text) in enumerate(queries.items(), start=1):
        stages: dict[str, float] = {}
        start = time.perf_counter()
        hits = searcher.search(text, k, timings=stages)
        total.append(time.perf_counter() - start)
        search.append(total[-1] - stages["encode"])
        run[query] = {hit.id: hit.score for hit in hits}
        if on_progress is not None:
            on_progress(Progress("searching", number, len(queries)))
    return run, Latency.of(np.array([total])), Latency.of(np.array([search]))
