"""Whether two runs differ by more than chance.

Smucker, Allan and Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval Evaluation",
CIKM 2007: permutation, bootstrap and t test agree; sign and Wilcoxon tests are to be avoided.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from colbert_kit.errors import InvalidInput, MissingExtra
from colbert_kit.evaluation.measures import measure_queries
from colbert_kit.evaluation.runs import Qrels, Run

__all__ = ["Change", "Comparison", "PairwiseComparison", "compare", "compare_paired", "correct_holm"]

NUM_PERMUTATIONS = 10_000
"""p = 0.05 is then known to about 0.004 (Smucker et al. use 100,000 for three digits)."""

PERMUTATIONS_AT_ONCE = 500


@dataclass(frozen=True)
class Comparison:
    """Two systems over the same queries.

    Args:
        first: Mean of the first.
        second: Mean of the second.
        low: Lower end of the 95 % interval of ``second - first``, by bootstrap over queries.
        high: Upper end.
        p_value: Of a two-sided paired permutation test.
        t_p_value: Of a two-sided paired t test, which should say about the same.
        wins: Queries on which the second is better.
        losses: Queries on which the first is.
        ties: Queries on which they are equal.
    """

    first: float
    second: float
    low: float
    high: float
    p_value: float
    t_p_value: float
    wins: int
    losses: int
    ties: int

    @property
    def is_better(self) -> bool:
        """Whether the second is better by more than chance, at 5 %."""
        return self.second > self.first and self.p_value < 0.05


class Change(NamedTuple):
    """A query on which two runs differ."""

    query_id: str
    first: float
    second: float


@dataclass(frozen=True)
class PairwiseComparison:
    """Two of several runs.

    Args:
        first_name: Name of the first run.
        second_name: Name of the second.
        measure: What is compared.
        comparison: Of the two alone.
        corrected_p_value: ``p_value`` for as many comparisons as were made at once (Holm).
        changes: The queries that changed most, largest change first.
    """

    first_name: str
    second_name: str
    measure: str
    comparison: Comparison
    corrected_p_value: float
    changes: tuple[Change, ...]

    @property
    def is_different(self) -> bool:
        """Whether they differ by more than chance, at 5 % over all comparisons made at once."""
        return self.corrected_p_value < 0.05

    @property
    def verdict(self) -> str:
        """What there is to say of it, in a sentence."""
        found = self.comparison
        if not self.is_different:
            return (
                f"{self.second_name} is not shown to differ from {self.first_name} "
                f"({found.second - found.first:+.4f} {self.measure}, p = {self.corrected_p_value:.2g})."
            )
        word = "better" if found.second > found.first else "worse"
        return (
            f"{self.second_name} is {word} than {self.first_name} by {abs(found.second - found.first):.4f} "
            f"{self.measure} (p = {self.corrected_p_value:.2g}; 95 % interval {found.low:+.4f} to {found.high:+.4f})."
        )


def compare(
    runs: Mapping[str, Run],
    qrels: Qrels,
    *,
    measure: str = "nDCG@10",
    baseline: str | None = None,
    num_changes: int = 10,
    seed: int = 42,
) -> list[PairwiseComparison]:
    """Compare runs two by two, and correct for how many comparisons that makes.

    Args:
        runs: Runs by name.
        qrels: The judgements.
        measure: As ``evaluate``.
        baseline: The run that all others are compared with; where None, each is compared with each.
        num_changes: Queries named for each pair.
        seed: Of permutations and bootstrap.

    Returns:
        A comparison a pair; the second is compared with the first.

    Raises:
        InvalidInput: There are fewer than two runs or queries, or no such baseline or measure.
        MissingExtra: ir-measures or scipy is not installed.

    Example:
        >>> runs = {"bm25": bm25_run(corpus, queries), "colbert": search_run(searcher, queries)}  # doctest: +SKIP
        >>> print(compare(runs, qrels)[0].verdict)  # doctest: +SKIP
        colbert is better than bm25 by 0.0305 nDCG@10 (p = 0.012; 95 % interval +0.0062 to +0.0551).
    """
    if len(runs) < 2 or (baseline is not None and baseline not in runs):
        raise InvalidInput(f"compare needs two runs or more and a baseline among them, got {list(runs)}, {baseline!r}.")
    values = {name: measure_queries(run, qrels, measure) for name, run in runs.items()}
    pairs = [(one, other) for one, other in itertools.combinations(runs, 2) if baseline is None]
    if baseline is not None:
        pairs = [(baseline, other) for other in runs if other != baseline]
    found = [compare_paired(values[first], values[second], seed=seed) for first, second in pairs]
    corrected = correct_holm([one.p_value for one in found])
    return [
        PairwiseComparison(first, second, measure, one, p_value, changes(values[first], values[second], num_changes))
        for (first, second), one, p_value in zip(pairs, found, corrected, strict=True)
    ]


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
    differences = np.array([second[query] - first[query] for query in first])
    p_value, t_p_value, low, high = _tested(differences, np.random.default_rng(seed))
    return Comparison(
        first=float(np.mean(list(first.values()))),
        second=float(np.mean(list(second.values()))),
        low=low,
        high=high,
        p_value=p_value,
        t_p_value=t_p_value,
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
    )


def correct_holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for having made several tests, so that one false alarm in all of them is as rare as asked.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.

    Args:
        p_values: Of the tests, ``(n,)``.

    Returns:
        In the same order; at most 1.

    Example:
        >>> correct_holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    least = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda one: p_values[one])):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = least
    return corrected


def changes(first: Mapping[str, float], second: Mapping[str, float], number: int) -> tuple[Change, ...]:
    """The queries on which two systems differ most, largest difference first, ties by id."""
    differing = [Change(query, first[query], second[query]) for query in first if first[query] != second[query]]
    differing.sort(key=lambda one: (-abs(one.second - one.first), one.query_id))
    return tuple(differing[:number])


def _tested(differences: Any, generator: np.random.Generator) -> tuple[float, float, float, float]:  # noqa: ANN401
    """p-values of the permutation and the t test, and the interval of the mean."""
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingExtra("scipy", "eval") from error
    if not np.any(differences != 0):
        return 1.0, 1.0, 0.0, 0.0
    common = {"n_resamples": NUM_PERMUTATIONS, "batch": PERMUTATIONS_AT_ONCE, "rng": generator, "vectorized": True}
    permuted = stats.permutation_test((differences,), _mean, permutation_type="samples", **common)
    interval = stats.bootstrap((differences,), _mean, method="percentile", **common).confidence_interval
    # Equal differences have no variance, and the t test nothing to divide by.
    constant = bool(np.ptp(differences) == 0)
    t_p_value = 0.0 if constant else float(stats.ttest_1samp(differences, 0.0).pvalue)
    return float(permuted.pvalue), t_p_value, float(interval.low), float(interval.high)


def _mean(values: Any, axis: int = -1) -> Any:  # noqa: ANN401 - scipy hands over arrays of any shape
    return np.mean(values, axis=axis)
