"""A model or an index on collections: the report, its files, what is kept for the next time."""

import json

import numpy as np
import pytest
import yaml

from colbert_kit import Searcher
from colbert_kit.errors import InvalidData, InvalidInput
from colbert_kit.evaluation import (
    Collection,
    Report,
    card_entries,
    evaluate_on,
    measure_queries,
    to_markdown,
    write_report,
)
from tests import oracles

MEASURES = ("nDCG@10", "R@20")


@pytest.fixture(scope="module")
def collection(tiny_documents):
    """Queries are the first words of a document that is then the right one; half of them have another's words."""
    queries, qrels = {}, {}
    for number, one in enumerate(tiny_documents[:24]):
        words = one["text"].split()[:4] if number % 2 else tiny_documents[number + 1]["text"].split()[:3]
        queries[f"q{number}"] = " ".join(words)
        qrels[f"q{number}"] = {one["id"]: 2, tiny_documents[-1]["id"]: 0}
    return Collection("songs:test", lambda: iter(tiny_documents), queries, qrels)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def report(tiny_model, collection, cache):
    return evaluate_on(tiny_model, [collection], measures=MEASURES, nbits=2, dtype="float32", cache=cache)


def test_exact_maxsim_in_the_report_is_that_of_three_loops(report, collection, tiny_model, tiny_documents):
    def rounded(text, encode):
        # The kept token embeddings are float16.
        return np.asarray(encode(text), dtype=np.float32).astype(np.float16).tolist()

    documents = {one["id"]: rounded(one["text"], tiny_model.encode_document) for one in tiny_documents}
    exact = report.collections[0].system("exact MaxSim")
    for query, text in list(collection.queries.items())[:6]:
        asked = np.asarray(tiny_model.encode_query(text), dtype=np.float32).tolist()
        ranked = [name for name, _ in oracles.ranking(asked, documents, 10)]
        assert exact.values["nDCG@10"][query] == pytest.approx(
            oracles.ndcg_at_10(ranked, collection.qrels[query]), abs=1e-6
        )


def test_every_system_is_there_with_what_it_costs(report, tiny_documents):
    [found] = report.collections
    index, exact, bm25 = found.systems

    assert [one.name for one in found.systems] == ["index", "exact MaxSim", "BM25"]
    assert found.num_documents == len(tiny_documents)
    assert index.bytes_per_document > 0
    assert exact.bytes_per_document > 2 * 16
    assert bm25.bytes_per_document is None
    assert 0 < index.search_latency.p50_seconds <= index.latency.p50_seconds
    assert index.latency.p50_seconds <= index.latency.p95_seconds <= index.latency.p99_seconds
    assert index.build_seconds > 0
    assert all(set(one.values) == set(MEASURES) for one in found.systems)


def test_the_index_is_compared_with_all_else(report):
    pairs = report.comparisons["songs:test"]

    assert [(one.first_name, one.second_name) for one in pairs] == [("exact MaxSim", "index"), ("BM25", "index")]
    for one in pairs:
        first, second = (report.collections[0].system(name) for name in (one.first_name, one.second_name))
        assert one.comparison.second - one.comparison.first == pytest.approx(
            second.mean("nDCG@10") - first.mean("nDCG@10")
        )


def test_a_second_evaluation_does_not_encode_the_corpus_again(report, tiny_model, collection, cache, monkeypatch):
    from colbert_kit import models

    def refuse(*_, **__):
        raise AssertionError("documents were encoded again")

    monkeypatch.setattr(models, "encode_documents", refuse)
    again = evaluate_on(tiny_model, [collection], measures=MEASURES, nbits=2, dtype="float32", cache=cache)
    other = evaluate_on(tiny_model, [collection], measures=MEASURES, nbits=4, dtype="float32", cache=cache)

    assert again.collections[0].system("index").values == report.collections[0].system("index").values
    assert again.collections[0].system("index").build_seconds is None
    assert (
        other.collections[0].system("index").bytes_per_document
        > again.collections[0].system("index").bytes_per_document
    )


def test_an_index_of_another_training_of_the_codec_is_built_anew(tiny_model, collection, report, cache, monkeypatch):
    monkeypatch.setattr("colbert_kit.evaluation.benchmarking.CODEC_TRAINING", 10_000)

    again = evaluate_on(tiny_model, [collection], measures=MEASURES, nbits=2, dtype="float32", cache=cache)

    assert again.collections[0].system("index").build_seconds is not None


def test_an_index_is_measured_as_it_is(tiny_model, tiny_documents, collection, cache, tmp_path):
    searcher = Searcher.build(tmp_path / "mine", tiny_model, tiny_documents, dtype="float32")

    found = evaluate_on(searcher, [collection], measures=MEASURES, exact=False, cache=cache)

    run = {
        query: {hit.id: hit.score for hit in searcher.search(text, 20)} for query, text in collection.queries.items()
    }
    [index, bm25] = found.collections[0].systems
    assert (found.title, index.name, bm25.name) == ("mine", "index", "BM25")
    assert index.values["nDCG@10"] == measure_queries(run, collection.qrels)


def test_an_index_of_another_corpus_is_refused(tiny_model, collection, cache, tmp_path):
    searcher = Searcher.build(tmp_path / "other", tiny_model, [{"id": "x", "text": "rain"}])

    with pytest.raises(InvalidData, match="has none of the 25 documents that songs:test judges"):
        evaluate_on(searcher, [collection], exact=False, cache=cache)


def test_documents_that_do_not_count_are_taken_out_of_every_ranking(tiny_model, tiny_documents, collection, cache):
    best = {query: f"d{int(query[1:]) + (0 if int(query[1:]) % 2 else 1):02d}" for query in collection.queries}
    excluded = {query: frozenset([document]) for query, document in best.items()}
    without = Collection("songs:test", collection.documents, collection.queries, collection.qrels, excluded)

    found = evaluate_on(tiny_model, [without], measures=("R@5",), cache=cache)

    for system in found.collections[0].systems:
        assert all(best[query] not in top for query, top in system.top.items()), system.name
        assert system.name == "BM25" or {len(top) for top in system.top.values()} == {10}


def test_a_report_comes_back_from_its_file(report, tmp_path):
    write_report(report, tmp_path / "out")

    assert Report.read(tmp_path / "out") == report
    assert json.loads((tmp_path / "out" / "report.json").read_text())["format_version"] == 1


def test_the_files_of_a_report(report, tmp_path):
    path = write_report(report, tmp_path / "out")

    text = path.read_text()
    assert "| songs:test | 30 | 24 |" in text
    for name in ("quality", "differences-songs-test-BM25"):
        png, svg = ((tmp_path / "out" / "plots" / f"{name}.{kind}").read_bytes() for kind in ("png", "svg"))
        assert png.startswith(b"\x89PNG")
        assert len(png) > 5000
        assert svg.startswith(b"<?xml")
        assert b"nDCG@10" in svg
        assert f"](plots/{name}.png)" in text
    entries = yaml.safe_load((tmp_path / "out" / "model-index.yaml").read_text())["model-index"]
    assert entries == card_entries(report)


def test_card_entries_are_what_the_hub_validates(report):
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import model_index_to_eval_results

    name, results = model_index_to_eval_results(card_entries(report))

    assert all(isinstance(one, EvalResult) for one in results)
    assert (name, results[0].dataset_name, results[0].metric_type) == (report.title, "songs", "ndcg_at_10")
    assert results[0].metric_value == round(report.collections[0].system("index").mean("nDCG@10"), 4)


def test_examples_show_a_relevant_document_where_the_systems_rank_it_and_which_tokens_met(report, collection):
    examples = report.collections[0].examples

    assert examples
    for one in examples:
        assert one.document_id in collection.qrels[one.change.query_id]
        top = report.collections[0].system(one.second_name).top[one.change.query_id]
        assert one.ranks[1] == (top.index(one.document_id) + 1 if one.document_id in top else None)
        assert one.matches
        assert all(-1.01 <= value <= 1.01 for _, _, value in one.matches)


def test_texts_of_a_corpus_mean_nothing_to_markdown(report, tiny_model, cache):
    hostile = "a|b `c` <script>alert(1)</script> *d* _e_\n# f"
    documents = [{"id": f"d{n}", "text": f"{hostile} {n}"} for n in range(5)]
    collection = Collection("h|x", lambda: documents, {"q": hostile, "r": "song"}, {"q": {"d1": 1}, "r": {"d4": 1}})

    text = to_markdown(evaluate_on(tiny_model, [collection], measures=MEASURES, cache=cache))

    assert "<script>" not in text
    assert "\n# f" not in text
    assert "a\\|b 'c'" in text


@pytest.mark.parametrize("collections", [[], "twice"])
def test_an_evaluation_on_nothing_or_on_the_same_twice_is_refused(tiny_model, collection, collections):
    with pytest.raises(InvalidInput, match="each named once"):
        evaluate_on(tiny_model, [collection, collection] if collections else [])


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, InvalidInput, "there is no report"),
        ("{", InvalidData, "is no report"),
        ("[]", InvalidData, "is no report"),
        ('{"format_version": 2}', InvalidData, "of version 2; this colbert_kit reads 1"),
        ('{"format_version": 1}', InvalidData, "is no report"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path, text, error, message):
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    with pytest.raises(error, match=message):
        Report.read(tmp_path / "report.json")


def test_a_report_is_not_replaced_unasked(report, tmp_path):
    write_report(report, tmp_path)
    with pytest.raises(InvalidInput, match="holds a report already"):
        write_report(report, tmp_path)
    write_report(report, tmp_path, override=True)


def test_a_sweep_is_in_the_report_its_table_and_its_pictures(tiny_model, collection, cache, tmp_path):
    found = evaluate_on(tiny_model, [collection], measures=("nDCG@10",), sweep=True, dtype="float32", cache=cache)

    points = found.collections[0].points
    assert {(one.nbits, one.pool_factor) for one in points} == {
        (bits, pool) for bits in (1, 2, 4) for pool in (1, 2, 3)
    }
    assert all(0 <= one.recall <= 1 and 0 <= one.quality <= 1 for one in points)
    path = write_report(found, tmp_path)
    assert Report.read(tmp_path) == found
    assert "| 4 bits, pooled by 2, " in path.read_text()
    assert {"pareto-bytes-songs-test.png", "pareto-latency-songs-test.svg"} <= {
        one.name for one in (tmp_path / "plots").iterdir()
    }
