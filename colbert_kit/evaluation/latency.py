"""How long a query takes, one at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from colbert_kit.progress import OnProgress, Progress

if TYPE_CHECKING:
    from colbert_kit.indexes import SearchConfig
    from colbert_kit.searcher import Searcher

__all__ = ["Latency", "timed_run"]


@dataclass(frozen=True)
class Latency:
    """Seconds of a query, one at a time, all cores its own.

    Args:
        p50: Half of the queries take at most so long, from text to hits.
        p95: 95 of 100 do.
        p99: 99 of 100 do.
        search_p50: The part after the query is encoded.
        search_p95: Alike.
        k: Hits that were asked for.
    """

    p50: float
    p95: float
    p99: float
    search_p50: float
    search_p95: float
    k: int


def timed_run(
    searcher: Searcher,
    queries: Mapping[str, str],
    k: int = 100,
    *,
    config: SearchConfig | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[dict[str, dict[str, float]], Latency]:
    """Search queries one after another, as a user's come.

    The index is read once before, so that the disk is not measured.

    Args:
        searcher: Searches.
        queries: Texts by query id; one at least.
        k: Hits a query at most.
        config: How much work a search does.
        on_progress: Called after each query.

    Returns:
        The run, and how long its queries took.

    Raises:
        InvalidInput: A query is empty.
    """
    searcher.warm()
    run: dict[str, dict[str, float]] = {}
    whole, after = [], []
    for number, (query, text) in enumerate(queries.items(), start=1):
        stages: dict[str, float] = {}
        start = time.perf_counter()
        hits = searcher.search(text, k, config=config, timings=stages)
        whole.append(time.perf_counter() - start)
        after.append(whole[-1] - stages["encode"])
        run[query] = {hit.id: hit.score for hit in hits}
        if on_progress is not None:
            on_progress(Progress("searching", number, len(queries)))
    p50, p95, p99 = np.percentile(whole, (50, 95, 99)).tolist()
    search_p50, search_p95 = np.percentile(after, (50, 95)).tolist()
    return run, Latency(p50, p95, p99, search_p50, search_p95, k)
