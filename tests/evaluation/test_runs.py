"""Runs: their measures, and whether a difference is more than chance."""

import itertools
import math

import numpy as np
import pytest

from colbert_kit.errors import InvalidInput
from colbert_kit.evaluation import bm25_run, compare_paired, measure_queries


def ndcg(scores, grades, k=10):
    """nDCG with grades as gains and log2 discounts."""
    order = sorted(scores, key=lambda name: (-scores[name], name))[:k]
    gains = [max(grades.get(name, 0), 0) for name in order]
    ideal = sorted((max(grade, 0) for grade in grades.values()), reverse=True)[:k]
    discounted = [sum(gain / math.log2(rank + 2) for rank, gain in enumerate(one)) for one in (gains, ideal)]
    return discounted[0] / discounted[1] if discounted[1] else 0.0


@pytest.fixture
def random_runs():
    generator = np.random.default_rng(4)
    documents = [f"d{n}" for n in range(40)]
    qrels, run = {}, {}
    for query in (f"q{n}" for n in range(30)):
        qrels[query] = {name: int(generator.integers(-1, 4)) for name in generator.choice(documents, 8, replace=False)}
        # Few different scores, so that many are equal.
        run[query] = {name: float(generator.integers(0, 5)) for name in generator.choice(documents, 20, replace=False)}
    return run, qrels


def test_the_measure_of_each_query_is_the_textbooks_also_with_ties_and_negative_grades(random_runs):
    run, qrels = random_runs

    found = measure_queries(run, qrels)

    assert found == pytest.approx({query: ndcg(run[query], qrels[query]) for query in qrels}, abs=1e-6)


def test_queries_that_the_run_lacks_count_as_zero_and_those_without_judgements_not_at_all(random_runs):
    run, qrels = random_runs
    found = measure_queries({"q3": {}, "q4": run["q4"], "unknown": {"d1": 1.0}}, qrels)

    assert set(found) == set(qrels)
    assert [name for name, value in found.items() if value] == ["q4"]


def test_a_measure_that_is_none_is_refused(random_runs):
    with pytest.raises(InvalidInput, match="there is no measure 'nDGC@10'"):
        measure_queries(*random_runs, "nDGC@10")


def exact_p_value(differences):
    """Of all sign flips, the share whose mean is as far from 0."""
    flipped = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=len(differences))]
    return np.mean(np.array(flipped) >= abs(sum(differences)) - 1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.2])
def test_the_p_value_is_that_of_all_permutations(shift):
    generator = np.random.default_rng(9)
    differences = generator.normal(shift, 0.15, 12)
    first = {str(n): 0.3 for n in range(12)}
    second = {str(n): 0.3 + value for n, value in enumerate(differences)}

    found = compare_paired(first, second)

    assert found.p_value == pytest.approx(exact_p_value(differences), abs=0.02)
    assert found.low < found.second - found.first < found.high
    assert (found.wins, found.losses) == ((differences > 0).sum(), (differences < 0).sum())


def test_two_runs_that_differ_by_chance_are_rarely_called_different():
    generator = np.random.default_rng(1)
    rejected = 0
    for _ in range(60):
        pair = generator.uniform(0, 1, (2, 40))
        first, second = ({str(n): value for n, value in enumerate(one)} for one in pair)
        rejected += compare_paired(first, second).p_value < 0.05
    assert rejected <= 8


def test_the_same_run_twice_is_no_difference():
    same = {str(n): n / 10 for n in range(10)}
    found = compare_paired(same, same)

    assert (found.p_value, found.low, found.high, found.is_better) == (1.0, 0.0, 0.0, False)


def test_a_worse_run_is_not_better_however_sure_that_is():
    first, second = {str(n): 0.9 for n in range(20)}, {str(n): 0.1 + n / 1000 for n in range(20)}

    assert compare_paired(first, second).p_value < 0.01
    assert not compare_paired(first, second).is_better


@pytest.mark.parametrize("other", [{"a": 1.0}, {"a": 1.0, "c": 1.0}])
def test_runs_over_different_queries_are_not_compared(other):
    with pytest.raises(InvalidInput, match="the same two or more queries"):
        compare_paired({"a": 1.0, "b": 0.5}, other)


def test_bm25_puts_the_document_with_the_rare_word_of_the_query_first_and_leaves_out_the_rest():
    corpus = {"a": "the cats sleep all day", "b": "dogs bark at night", "c": "a cat and a dog"}

    run = bm25_run(corpus, {"q": "sleeping cats", "nothing": "zebra"})

    assert list(run["q"]) == ["a", "c"]
    assert run["nothing"] == {}
