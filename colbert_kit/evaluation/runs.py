"""Runs, their measures query by query, and whether two of them differ by more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from colbert_kit.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from colbert_kit.searcher import Searcher

__all__ = ["Comparison", "Qrels", "Run", "bm25_run", "compare_paired", "measure_queries", "search_run"]

Run = Mapping[str, Mapping[str, float]]
"""Scores by document id, by query id."""
Qrels = Mapping[str, Mapping[str, int]]
"""Relevance by document id, by query id."""

NUM_PERMUTATIONS = 10_000
"""p = 0.05 is then known to about 0.004 (Smucker, Allan and Carterette, CIKM 2007, use 100,000 for three digits)."""
K1, B = 0.9, 0.4
"""BM25 as in Anserini's regressions on BEIR."""


@dataclass(frozen=True)
class Comparison:
    """Two runs over the same queries.

    Args:
        first: Mean of the first.
        second: Mean of the second.
        low: Lower end of the 95 % interval of ``second - first``, by bootstrap over queries.
        high: Upper end.
        p_value: Of a two-sided paired permutation test.
        wins: Queries on which the second is better.
        losses: Queries on which the first is.
    """

    first: float
    second: float
    low: float
    high: float
    p_value: float
    wins: int
    losses: int

    @property
    def is_better(self) -> bool:
        """Whether the second is better by more than chance, at 5 %."""
        return self.second > self.first and self.p_value < 0.05


def search_run(searcher: Searcher, queries: Mapping[str, str], k: int = 100) -> dict[str, dict[str, float]]:
    """The run of a searcher.

    Args:
        searcher: Searches.
        queries: Texts by query id.
        k: Documents a query at most.
    """
    rankings = searcher.search_many(list(queries.values()), k=k)
    return {name: {hit.id: hit.score for hit in hits} for name, hits in zip(queries, rankings, strict=True)}


def bm25_run(corpus: Mapping[str, str], queries: Mapping[str, str], k: int = 100) -> dict[str, dict[str, float]]:
    """The run of BM25 with stemming, without stop words.

    Args:
        corpus: Texts by document id.
        queries: Texts by query id.
        k: Documents a query at most.

    Raises:
        MissingExtra: bm25s is not installed.
    """
    try:
        import bm25s
        import Stemmer
    except ImportError as error:
        raise MissingExtra("bm25s", "eval") from error
    stemmer = Stemmer.Stemmer("english")
    names = list(corpus)
    retriever = bm25s.BM25(k1=K1, b=B)
    tokens = bm25s.tokenize(list(corpus.values()), stopwords="en", stemmer=stemmer, show_progress=False)
    retriever.index(tokens, show_progress=False)
    asked = bm25s.tokenize(list(queries.values()), stopwords="en", stemmer=stemmer, show_progress=False)
    rows, scores = retriever.retrieve(asked, k=min(k, len(names)), show_progress=False)
    return {
        query: {names[row]: float(score) for row, score in zip(rows[place], scores[place], strict=True) if score > 0}
        for place, query in enumerate(queries)
    }


def measure_queries(run: Run, qrels: Qrels, measure: str = "nDCG@10") -> dict[str, float]:
    """A measure of each judged query; 0 where the run has nothing for it.

    Documents are ordered once, by score and then by id, so that ties do not depend on the engine that measures.

    Args:
        run: The run.
        qrels: The judgements.
        measure: As ``ir-measures`` calls it: ``"nDCG@10"``, ``"R@100"``, ``"RR@10"``.

    Raises:
        InvalidInput: There is no such measure.
        MissingExtra: ir-measures is not installed.
    """
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtra("ir-measures", "eval") from error
    try:
        parsed = ir_measures.parse_measure(measure)
    except (NameError, ValueError, SyntaxError) as error:
        raise InvalidInput(f"there is no measure {measure!r}; 'nDCG@10' and 'R@100' are two.") from error
    ordered = {query: _ranks(run[query]) for query in qrels if run.get(query)}
    found = {one.query_id: one.value for one in ir_measures.iter_calc([parsed], qrels, ordered)} if ordered else {}
    return {query: float(found.get(query, 0.0)) for query in qrels}


def compare_paired(first: Mapping[str, float], second: Mapping[str, float], *, seed: int = 42) -> Comparison:
    """Compare two systems query by query.

    Args:
        first: A measure by query id.
        second: The same measure of the same queries.
        seed: Of the permutations and the bootstrap.

    Raises:
        InvalidInput: The queries differ, or there are fewer than two.
        MissingExtra: scipy is not installed.

    Example:
        >>> compare_paired({"a": 0.1, "b": 0.2, "c": 0.3}, {"a": 0.1, "b": 0.2, "c": 0.3}).is_better
        False
    """
    if set(first) != set(second) or len(first) < 2:
        raise InvalidInput(
            f"a paired comparison needs the same two or more queries on both sides, got {len(first)} and "
            f"{len(second)}, of which {len(set(first) & set(second))} are shared."
        )
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingExtra("scipy", "eval") from error
    differences = np.array([second[query] - first[query] for query in first])
    generator = np.random.default_rng(seed)
    p_value, low, high = 1.0, 0.0, 0.0
    if np.any(differences != 0):
        p_value = float(
            stats.permutation_test(
                (differences,),
                _mean,
                permutation_type="samples",
                n_resamples=NUM_PERMUTATIONS,
                batch=500,
                rng=generator,
            ).pvalue
        )
        means = [generator.choice(differences, len(differences)).mean() for _ in range(NUM_PERMUTATIONS)]
        low, high = np.percentile(means, (2.5, 97.5)).tolist()
    return Comparison(
        first=float(np.mean(list(first.values()))),
        second=float(np.mean(list(second.values()))),
        low=low,
        high=high,
        p_value=p_value,
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
    )


def _mean(values: Any, axis: int = -1) -> Any:  # noqa: ANN401 - scipy hands over arrays of any shape
    return np.mean(values, axis=axis)


def _ranks(scores: Mapping[str, float]) -> dict[str, float]:
    ordered = sorted(scores, key=lambda name: (-scores[name], name))
    return {name: float(len(ordered) - place) for place, name in enumerate(ordered)}
