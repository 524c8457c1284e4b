"""Whether two runs differ by more than chance."""

import itertools
import math

import numpy as np
import pytest

from colbert_kit.errors import InvalidInput
from colbert_kit.evaluation import bm25_run, compare, compare_paired, correct_holm, measure_queries


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


def test_holms_correction_is_the_textbooks():
    # Smallest first: times 4, times 3, times 2, times 1, and never below the one before.
    assert correct_holm([0.04, 0.01, 0.011, 0.9]) == pytest.approx([0.08, 0.04, 0.04, 0.9])
    assert correct_holm([0.5, 0.6]) == [1.0, 1.0]
    assert correct_holm([]) == []


QRELS = {f"q{n}": {f"d{n}": 1} for n in range(40)}
PERFECT = {query: {document: 1.0} for query, [document] in QRELS.items()}
WORSE = {query: {"other": 2.0, document: 1.0} for query, [document] in QRELS.items()}


def test_several_runs_are_compared_two_by_two_and_corrected_for_it():
    found = compare({"perfect": PERFECT, "worse": WORSE, "again": WORSE}, QRELS)

    assert [(one.first_name, one.second_name) for one in found] == [
        ("perfect", "worse"), ("perfect", "again"), ("worse", "again"),
    ]  # fmt: skip
    assert [one.is_different for one in found] == [True, True, False]
    assert found[0].corrected_p_value == pytest.approx(3 * found[0].comparison.p_value)
    assert found[0].comparison.second == pytest.approx(1 / math.log2(3))
    assert (found[0].comparison.losses, found[2].comparison.ties) == (40, 40)
    assert found[0].verdict.startswith("worse is worse than perfect by 0.3691 nDCG@10")
    assert found[2].verdict.startswith("again is not shown to differ from worse")


def test_with_a_baseline_the_others_are_compared_with_it_only():
    found = compare({"a": WORSE, "b": PERFECT, "c": PERFECT}, QRELS, baseline="b")

    assert [(one.first_name, one.second_name) for one in found] == [("b", "a"), ("b", "c")]


def test_the_queries_that_changed_most_come_first():
    better = PERFECT | {"q7": {"other": 2.0, "another": 1.5, "d7": 1.0}, "q3": {"other": 2.0, "d3": 1.0}, "q9": {}}

    [found] = compare({"perfect": PERFECT, "better": better}, QRELS, num_changes=2)

    assert [one.query_id for one in found.changes] == ["q9", "q7"]
    assert found.changes[1] == ("q7", 1.0, pytest.approx(0.5))


@pytest.mark.parametrize("arguments", [({"one": PERFECT},), ({"a": PERFECT, "b": PERFECT}, "c")])
def test_a_comparison_without_two_runs_or_with_an_unknown_baseline_is_refused(arguments):
    runs, *baseline = arguments
    with pytest.raises(InvalidInput, match="two runs or more and a baseline among them"):
        compare(runs, QRELS, baseline=baseline[0] if baseline else None)


@pytest.fixture(scope="module")
def two_real_runs(shared_data):
    """nDCG@10 on three collections of two BM25 runs that really differ: whole texts, and their first forty words."""
    from colbert_kit import data

    pairs = []
    for name, split in (("scifact", "test"), ("cosqa", "dev"), ("liveqa_med", "test")):
        folder = shared_data / "collections" / name
        qrels = data.read_qrels(folder, split)
        queries = {one: text for one, text in data.read_queries(folder).items() if one in qrels}
        corpus = {one["id"]: one["text"] for one in data.read_corpus(folder)}
        short = {one: " ".join(text.split()[:40]) for one, text in corpus.items()}
        pairs.append([measure_queries(bm25_run(texts, queries), qrels) for texts in (corpus, short)])
    return pairs


@pytest.mark.long
def test_systems_that_differ_by_chance_only_raise_a_false_alarm_as_often_as_promised(two_real_runs):
    # Swapped query by query at random, the two are exchangeable: the null hypothesis itself.
    generator = np.random.default_rng(3)
    rounds, alarms, family_alarms = 1000, 0, 0
    for _ in range(rounds):
        p_values = []
        for first, second in two_real_runs:
            one, other = {}, {}
            for query in first:
                sides = (first, second) if generator.random() < 0.5 else (second, first)
                one[query], other[query] = (side[query] for side in sides)
            p_values.append(compare_paired(one, other, seed=int(generator.integers(2**31))).p_value)
        alarms += p_values[0] < 0.05
        family_alarms += min(correct_holm(p_values)) < 0.05
    assert 0.032 <= alarms / rounds <= 0.068
    assert family_alarms / rounds <= 0.068


def test_a_real_difference_is_found_as_surely_as_by_a_hundred_thousand_permutations(two_real_runs):
    for first, second in two_real_runs:
        differences = np.array([second[query] - first[query] for query in first])
        generator = np.random.default_rng(8)
        extreme = sum(
            (
                np.abs(generator.choice([-1.0, 1.0], (1000, len(differences))) @ differences)
                >= abs(differences.sum()) - 1e-9
            ).sum()
            for _ in range(100)
        )
        found = compare_paired(first, second)

        assert found.p_value == pytest.approx((1 + extreme) / 100_001, abs=0.02)
        assert found.t_p_value == pytest.approx(found.p_value, abs=0.02)
