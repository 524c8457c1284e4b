"""Measures, against pytrec_eval and against the textbook's sums."""

import math

import numpy as np
import pytest
import pytrec_eval

from colbert_kit import data
from colbert_kit.errors import InvalidInput
from colbert_kit.evaluation import MEASURES, bm25_run, evaluate, measure_queries


def ordered(scores):
    return sorted(scores, key=lambda name: (-scores[name], name))


def ndcg(scores, grades, k=10):
    """nDCG with grades as gains and log2 discounts."""
    gains = [max(grades.get(name, 0), 0) for name in ordered(scores)[:k]]
    ideal = sorted((max(grade, 0) for grade in grades.values()), reverse=True)[:k]
    discounted = [sum(gain / math.log2(rank + 2) for rank, gain in enumerate(one)) for one in (gains, ideal)]
    return discounted[0] / discounted[1] if discounted[1] else 0.0


def recall(scores, grades, k=100):
    relevant = {name for name, grade in grades.items() if grade > 0}
    return len(relevant & set(ordered(scores)[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(scores, grades, k=10):
    ranks = [rank for rank, name in enumerate(ordered(scores)[:k], start=1) if grades.get(name, 0) > 0]
    return 1 / ranks[0] if ranks else 0.0


def average_precision(scores, grades, k=100):
    relevant = sum(grade > 0 for grade in grades.values())
    found, total = 0, 0.0
    for rank, name in enumerate(ordered(scores)[:k], start=1):
        if grades.get(name, 0) > 0:
            found += 1
            total += found / rank
    return total / relevant if relevant else 0.0


def success(scores, grades, k=5):
    return float(any(grades.get(name, 0) > 0 for name in ordered(scores)[:k]))


TEXTBOOK = {
    "nDCG@10": ndcg, "R@100": recall, "RR@10": reciprocal_rank, "AP@100": average_precision, "Success@5": success,
}  # fmt: skip


def pytrec(run, qrels):
    """What trec_eval says of the run in our order; it breaks ties by id in the other direction."""
    ranked = {query: {name: float(-place) for place, name in enumerate(ordered(run[query]))} for query in run}
    theirs = {"nDCG@10": "ndcg_cut_10", "R@100": "recall_100", "AP@100": "map_cut_100", "Success@5": "success_5"}
    asked = {"ndcg_cut.10", "recall.100", "map_cut.100", "success.5"}
    found = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(ranked)
    return {name: {query: found.get(query, {}).get(one, 0.0) for query in qrels} for name, one in theirs.items()}


def assert_textbook(run, qrels):
    """Our values are the textbook's and trec_eval's, on every query."""
    found = evaluate(run, None, qrels)
    for name, function in TEXTBOOK.items():
        expected = {query: function(run.get(query, {}), grades) for query, grades in qrels.items()}
        assert found.values[name] == pytest.approx(expected, abs=1e-6), name
    for name, expected in pytrec(run, qrels).items():
        assert found.values[name] == pytest.approx(expected, abs=1e-6), name
    return found


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


def test_ties_grades_negative_grades_and_queries_without_anything_relevant_count_as_in_trec_eval(random_runs):
    run, qrels = random_runs
    qrels["q0"] = dict.fromkeys(qrels["q0"], 0)
    qrels["q1"] = dict.fromkeys(qrels["q1"], -1)

    assert_textbook(run, qrels)


@pytest.mark.parametrize(("name", "split"), [("scifact", "test"), ("cosqa", "test"), ("liveqa_med", "test")])
def test_every_query_of_real_collections_is_measured_as_trec_eval_does(shared_data, name, split):
    folder = shared_data / "collections" / name
    qrels = data.read_qrels(folder, split)
    queries = {one: text for one, text in data.read_queries(folder).items() if one in qrels}
    corpus = {one["id"]: one["text"] for one in data.read_corpus(folder)}
    run = bm25_run(corpus, queries, 100)
    # Rounded so that documents tie; every tenth query missing, every eleventh empty, one that nobody judged.
    run = {query: {one: round(score) / 1 for one, score in found.items()} for query, found in run.items()}
    run = {query: found for number, (query, found) in enumerate(run.items()) if number % 10}
    for query in list(run)[::11]:
        run[query] = {}
    run["unjudged"] = {next(iter(corpus)): 1.0}

    found = assert_textbook(run, qrels)

    assert found.num_ignored == 1
    assert found.num_queries == len(qrels)
    assert found.num_missing == len(qrels) - sum(bool(run.get(query)) for query in qrels)


def test_means_are_over_all_judged_queries(random_runs):
    run, qrels = random_runs
    del run["q5"]
    found = evaluate(run, None, qrels, ["nDCG@10"])

    assert list(found.means) == ["nDCG@10"]
    assert found.means["nDCG@10"] == pytest.approx(sum(ndcg(run[q], qrels[q]) for q in run) / 30)


def test_the_share_of_judged_documents_is_told():
    found = evaluate({"q": {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.5}}, None, {"q": {"a": 0, "d": 1}}, ["RR@10"])

    assert found.judged == pytest.approx(2 / 4)
    assert set(found.values) == {"RR@10"}


def test_a_grade_can_be_asked_for():
    found = evaluate({"q": {"a": 2.0, "b": 1.0}}, None, {"q": {"a": 1, "b": 2}}, ["RR(rel=2)@10", "RR@10"])

    assert found.means == {"RR(rel=2)@10": 0.5, "RR@10": 1.0}


def test_queries_that_the_run_lacks_count_as_zero_and_those_without_judgements_not_at_all(random_runs):
    run, qrels = random_runs
    found = measure_queries({"q3": {}, "q4": run["q4"], "unknown": {"d1": 1.0}}, qrels)

    assert set(found) == set(qrels)
    assert [name for name, value in found.items() if value] == ["q4"]


def test_a_run_of_nothing_is_worth_nothing(random_runs):
    _, qrels = random_runs
    found = evaluate({}, None, qrels)

    assert set(found.means.values()) == {0.0}
    assert (found.num_missing, found.judged) == (30, 0.0)


@pytest.mark.parametrize("name", ["nDGC@10", "nDCG@ten", "", "nDCG(", "import os"])
def test_a_measure_that_is_none_is_refused(random_runs, name):
    with pytest.raises(InvalidInput, match="there is no measure"):
        measure_queries(*random_runs, name)


def test_judgements_of_nothing_are_refused():
    with pytest.raises(InvalidInput, match="there are no judgements"):
        evaluate({"q": {"a": 1.0}}, None, {})


def test_a_searcher_is_searched_as_deep_as_the_measures_look(tiny_model, tiny_documents, tmp_path):
    from colbert_kit import Searcher

    searcher = Searcher.build(tmp_path / "index", tiny_model, tiny_documents, dtype="float32")
    queries = {"q1": "the music of the city", "q2": "rain", "unjudged": "bread"}
    qrels = {"q1": {"d03": 1}, "q2": {"d05": 2, "d07": 1}}

    found = evaluate(searcher, queries, qrels, ["nDCG@10", "R@25"])

    assert {query: len(hits) for query, hits in found.run.items()} == {"q1": 25, "q2": 25}
    assert_textbook(found.run, qrels)
    with pytest.raises(InvalidInput, match="needs the text of each judged query; 1 have none: 'q2'"):
        evaluate(searcher, {"q1": "rain"}, qrels)


def test_the_defaults_are_what_the_field_reports():
    assert MEASURES == ("nDCG@10", "R@100", "RR@10", "AP@100", "Success@5")
