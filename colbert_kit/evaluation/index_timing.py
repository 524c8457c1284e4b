"""How long searches take, measured so that what else the machine does hits all settings alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colbert_kit.indexes import SearchConfig
from colbert_kit.progress import OnProgress, Progress
from colbert_kit.scores import PackedEmbeddings
from colbert_kit.searcher import Searcher

__all__ = ["Setting", "queries_per_second", "time_searches"]

WARM_UP = 8
"""Queries that each setting answers before anything is timed."""


@dataclass(frozen=True)
class Setting:
    """An index and how it is searched.

    Args:
        searcher: The index.
        config: How much work a search does; what the index does by itself where None.
        build_seconds: What building it took, where it was built for this.
        num_bytes: What to count as its size; that of its files where None.
    """

    searcher: Searcher
    config: SearchConfig | None = None
    build_seconds: float | None = None
    num_bytes: int | None = None


def time_searches(
    settings: Sequence[Setting], queries: Sequence[str], k: int, rounds: int, on_progress: OnProgress | None = None
) -> list[NDArray[np.float64]]:
    """Ask every query with every setting, ``rounds`` times, through ``Searcher.search``.

    Settings take turns after each query. Each begins at another query, as far apart as they can be: soon after another
    setting has asked it, a query finds in the processor's caches what that one has read. One query apart, the second of
    two settings took 8.6 ms where it took 10.4 alone (30,000 passages); so far apart, 8.9 against 8.1.

    Args:
        settings: The settings.
        queries: The queries.
        k: Hits of each search.
        rounds: How often.
        on_progress: Told of queries asked, of all settings and rounds.

    Returns:
        For each setting seconds of encoding and of the rest of the search, ``(2, rounds, queries)``.
    """
    seconds = [np.zeros((2, rounds, len(queries))) for _ in settings]
    for searcher in {id(setting.searcher): setting.searcher for setting in settings}.values():
        searcher.warm()
    for setting in settings:
        for query in queries[:WARM_UP]:
            setting.searcher.search(query, k, config=setting.config)
    total = rounds * len(queries) * len(settings)
    apart = max(1, len(queries) // len(settings))
    for step in range(rounds * len(queries)):
        turn, first = divmod(step, len(queries))
        for number, setting in enumerate(settings):
            asked = (first + number * apart) % len(queries)
            stages: dict[str, float] = {}
            setting.searcher.search(queries[asked], k, config=setting.config, timings=stages)
            encoding = stages.pop("encode")
            seconds[number][:, turn, asked] = encoding, sum(stages.values())
        if on_progress is not None:
            on_progress(Progress("timing", (step + 1) * len(settings), total))
    return seconds


def queries_per_second(
    setting: Setting, queries: PackedEmbeddings, k: int, num_threads: Sequence[int], rounds: int
) -> dict[int, float]:
    """Queries that several threads answer in a second, encoded before; the median over rounds.

    Args:
        setting: The setting.
        queries: What ``Searcher.encode_queries`` returned.
        k: Hits of each search.
        num_threads: Numbers of threads, each measured for itself.
        rounds: How often all queries are asked with each number.
    """
    each = [PackedEmbeddings.pack([query]) for query in queries]
    taken: dict[int, list[float]] = {number: [] for number in num_threads}
    for _ in range(rounds):
        for number in taken:
            with ThreadPoolExecutor(number) as pool:
                start = time.perf_counter()
                list(pool.map(lambda one: setting.searcher.search_encoded(one, k, config=setting.config), each))
                taken[number].append(time.perf_counter() - start)
    return {number: len(each) / float(np.median(seconds)) for number, seconds in taken.items()}
