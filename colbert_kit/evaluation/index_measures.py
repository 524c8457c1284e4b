"""Measure an index: what it finds, against judgements and against the exact ranking, and what that takes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidInput
from colbert_kit.evaluation.index_points import IndexPoint, Latency, MeasureConfig
from colbert_kit.evaluation.index_timing import Setting, queries_per_second, time_searches
from colbert_kit.evaluation.measures import measure_queries
from colbert_kit.evaluation.runs import Qrels, Run
from colbert_kit.indexes import SearchConfig
from colbert_kit.progress import OnProgress, Progress
from colbert_kit.scores import PackedEmbeddings
from colbert_kit.searcher import Searcher

__all__ = ["Questions", "judged_queries", "measure_index", "recall_of"]

QUERIES_AT_ONCE = 32
"""Queries between two words on progress; as many as one pass over the documents answers."""


def measure_index(
    searcher: Searcher,
    queries: Mapping[str, str],
    qrels: Qrels | None = None,
    exact_run: Run | None = None,
    *,
    config: SearchConfig | None = None,
    how: MeasureConfig | None = None,
) -> IndexPoint:
    """Measure an index with one search setting.

    Args:
        searcher: The index.
        queries: Texts by query id.
        qrels: Judgements; queries without any are left out.
        exact_run: The ranking of scoring every document, at least ``k`` deep: ``search_run`` of an
            ``encoded_corpus``.
        config: How much work to do; what the index does by itself where None.
        how: ``k``, the measure, rounds and threads.

    Returns:
        The point.

    Raises:
        InvalidInput: There are no queries, or none is judged.
        MissingExtra: There are qrels and ir-measures is not installed.

    Example:
        >>> point = measure_index(searcher, queries, qrels, search_run(encoded, queries, 10))  # doctest: +SKIP
        >>> f"{point.quality:.4f} at {1e3 * point.search.p95_seconds:.1f} ms"  # doctest: +SKIP
        '0.7104 at 61.0 ms'
    """
    how = how or MeasureConfig()
    questions = Questions(searcher, queries, qrels, how)
    [point] = questions.points([Setting(searcher, config)], exact_run)
    return point


class Questions:
    """Queries to measure several settings of one corpus with, encoded once.

    Args:
        searcher: Encodes.
        queries: Texts by query id.
        qrels: Judgements, or None; queries without any are left out.
        how: How to measure.

    Raises:
        InvalidInput: There are no queries, or none is judged.
    """

    def __init__(self, searcher: Searcher, queries: Mapping[str, str], qrels: Qrels | None, how: MeasureConfig) -> None:
        self.queries = judged_queries(queries, qrels)
        self._qrels = None if qrels is None else {query: qrels[query] for query in self.queries}
        self._how = how
        texts = list(self.queries.values())
        self._encoded = searcher.encode_queries(texts)
        self._timed = random.Random(0).sample(texts, min(how.num_timed, len(texts)))

    def run(self, setting: Setting, on_progress: OnProgress | None = None) -> dict[str, dict[str, float]]:
        """The run of a setting, ``k`` deep.

        Args:
            setting: The setting.
            on_progress: Told of queries searched.
        """
        names, each = list(self.queries), list(self._encoded)
        found: dict[str, dict[str, float]] = {}
        for start in range(0, len(each), QUERIES_AT_ONCE):
            some = PackedEmbeddings.pack(each[start : start + QUERIES_AT_ONCE])
            rankings = setting.searcher.search_encoded(some, self._how.k, config=setting.config)
            for name, hits in zip(names[start : start + QUERIES_AT_ONCE], rankings, strict=True):
                found[name] = {hit.id: hit.score for hit in hits}
            if on_progress is not None:
                on_progress(Progress("queries searched", len(found), len(each)))
        return found

    def points(
        self, settings: Sequence[Setting], exact_run: Run | None, on_progress: OnProgress | None = None
    ) -> list[IndexPoint]:
        """Measure settings, taking turns.

        Args:
            settings: The settings.
            exact_run: The exact ranking, or None.
            on_progress: Told of settings searched and queries timed.
        """
        runs = []
        for number, setting in enumerate(settings, start=1):
            runs.append(self.run(setting))
            if on_progress is not None:
                on_progress(Progress("settings searched", number, len(settings)))
        seconds = time_searches(settings, self._timed, self._how.k, self._how.rounds, on_progress)
        return [self._point(*each, exact_run) for each in zip(settings, runs, seconds, strict=True)]

    def _point(self, setting: Setting, run: Run, seconds: NDArray[np.float64], exact_run: Run | None) -> IndexPoint:
        how, searcher = self._how, setting.searcher
        qualities = None if self._qrels is None else measure_queries(run, self._qrels, how.measure)
        recalls = None if exact_run is None else recall_of(run, exact_run, how.k)
        return IndexPoint(
            nbits=searcher.nbits,
            pool_factor=searcher.pool_factor,
            config=searcher.search_config(how.k, setting.config),
            k=how.k,
            num_queries=len(self.queries),
            measure=how.measure,
            quality=_mean(qualities),
            recall=_mean(recalls),
            bytes_per_document=(setting.num_bytes or searcher.num_bytes) / max(1, len(searcher)),
            build_seconds=setting.build_seconds,
            search=Latency.of(seconds[1]),
            encode=Latency.of(seconds[0]),
            total=Latency.of(seconds.sum(axis=0)),
            queries_per_second=queries_per_second(setting, self._some(), how.k, how.num_threads, how.rounds),
            qualities=qualities or {},
            recalls=recalls or {},
        )

    def _some(self) -> PackedEmbeddings:
        """The first encoded queries, as many as are timed."""
        return PackedEmbeddings.pack(list(self._encoded)[: self._how.num_timed])


def judged_queries(queries: Mapping[str, str], qrels: Qrels | None) -> dict[str, str]:
    """The queries that have judgements; all where there are no qrels.

    Raises:
        InvalidInput: There are none.
    """
    if not queries:
        raise InvalidInput("there are no queries to measure with.")
    judged = {query: text for query, text in queries.items() if qrels is None or qrels.get(query)}
    if not judged:
        raise InvalidInput(f"none of the {len(queries)} queries has a judgement; check that the ids are the same.")
    return judged


def recall_of(run: Run, exact_run: Run, k: int) -> dict[str, float]:
    """Which share of the exact first ``k`` documents a run has among its first ``k``, by query.

    Args:
        run: The run.
        exact_run: The exact ranking; queries that only the run has are left out.
        k: Documents of each ranking that count. Ties are broken by id.

    Example:
        >>> recall_of({"q": {"a": 2.0, "c": 1.0}}, {"q": {"a": 2.0, "b": 1.5, "c": 1.0}}, 2)
        {'q': 0.5}
    """
    recalls = {}
    for query, scores in exact_run.items():
        if query in run and scores:
            best, found = _first(scores, k), _first(run[query], k)
            recalls[query] = len(best & found) / len(best)
    return recalls


def _first(scores: Mapping[str, float], k: int) -> set[str]:
    return set(sorted(scores, key=lambda one: (-scores[one], one))[:k])


def _mean(values: Mapping[str, float] | None) -> float | None:
    return float(np.mean(list(values.values()))) if values else None
