"""What an index setting is worth, against slow and obvious versions of the same."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from colbert_kit import evaluation
from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.evaluation import Latency, MeasureConfig
from colbert_kit.evaluation.index_timing import Setting, time_searches
from colbert_kit.folders import Snapshot
from colbert_kit.indexes import IndexReader, SearchConfig
from colbert_kit.models import encode_window
from tests import oracles
from tests.evaluation.settings import DOCUMENTS, QUERIES, some_qrels

NARROW = SearchConfig(nprobe=1, num_approximated=20, num_rescored=10)
ONCE = MeasureConfig(rounds=1, num_timed=4)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory, tiny_model):
    cache = tmp_path_factory.mktemp("cache")
    return evaluation.encoded_corpus(tiny_model, DOCUMENTS, dtype="float32", cache=cache)


@pytest.fixture(scope="module")
def compressed(encoded, tmp_path_factory):
    return encoded.compress_to(tmp_path_factory.mktemp("compressed") / "index", nbits=1)


@pytest.fixture(scope="module")
def exact_run(encoded):
    return evaluation.search_run(encoded, QUERIES, 10)


@pytest.fixture(scope="module")
def truth(encoded, tiny_model):
    """The first ten documents of each query by the oracle's MaxSim of what is stored."""
    reader = IndexReader(Snapshot(encoded.folder))
    stored = {one: reader.embeddings_of(row).tolist() for one, row in reader.rows.by_id.items()}
    found = {}
    for query_id, text in list(QUERIES.items())[:6]:
        [query] = encode_window(tiny_model, [text], "query")
        found[query_id] = [one for one, _ in oracles.ranking(query.tolist(), stored, 10)]
    return found


def test_quality_and_recall_are_those_of_the_oracles(encoded, compressed, truth):
    qrels = some_qrels()
    queries = {query: QUERIES[query] for query in truth}
    exact = evaluation.search_run(encoded, queries, 10)
    assert {query: set(scores) for query, scores in exact.items()} == {one: set(ids) for one, ids in truth.items()}

    point = evaluation.measure_index(compressed, queries, qrels, exact, config=NARROW, how=ONCE)

    ranked = {query: [hit.id for hit in compressed.search(text, 10, config=NARROW)] for query, text in queries.items()}
    expected = [oracles.ndcg_at_10(ranked[query], qrels[query]) for query in queries]
    assert point.quality == pytest.approx(np.mean(expected), abs=1e-6)
    assert point.qualities == pytest.approx(dict(zip(queries, expected, strict=True)), abs=1e-6)
    shares = [len(set(ranked[query]) & set(ids)) / 10 for query, ids in truth.items()]
    assert point.recall == pytest.approx(np.mean(shares))
    assert 0 < point.recall < 1
    assert (point.num_queries, point.k, point.measure) == (6, 10, "nDCG@10")


def test_scoring_everything_has_recall_1_of_itself(encoded, exact_run):
    point = evaluation.measure_index(encoded, QUERIES, None, exact_run, how=ONCE)

    assert (point.recall, point.quality, point.nbits) == (1.0, None, None)
    assert point.recalls == dict.fromkeys(QUERIES, 1.0)
    assert point.setting == "float16, all documents scored"


def test_bytes_are_those_on_disk(compressed):
    point = evaluation.measure_index(compressed, QUERIES, how=ONCE)

    names = {"manifest.json", ".lock"}
    on_disk = sum(
        path.stat().st_size for path in compressed.folder.rglob("*") if path.is_file() and path.name not in names
    )
    assert point.bytes_per_document == on_disk / 300
    assert (point.quality, point.recall, point.qualities, point.recalls) == (None, None, {}, {})


def test_the_settings_that_were_used_are_named_also_where_none_were_given(compressed):
    assert evaluation.measure_index(compressed, QUERIES, how=ONCE).config == SearchConfig(4, 4096, 1024)
    narrow = evaluation.measure_index(compressed, QUERIES, config=NARROW, how=ONCE)
    assert narrow.config == NARROW
    assert narrow.setting == "1 bit, nprobe 1, 20 approximated, 10 rescored"


def test_queries_without_judgements_are_left_out(compressed, exact_run):
    qrels = {"q01": {"d001": 1}, "q02": {}, "unknown": {"d001": 1}}

    point = evaluation.measure_index(compressed, QUERIES, qrels, exact_run, how=ONCE)

    assert list(point.qualities) == ["q01"]
    assert point.num_queries == 1


def test_no_queries_or_none_that_is_judged_is_refused(compressed):
    with pytest.raises(InvalidInput, match="there are no queries to measure with"):
        evaluation.measure_index(compressed, {})
    with pytest.raises(InvalidInput, match="none of the 40 queries has a judgement; check that the ids are the same"):
        evaluation.measure_index(compressed, QUERIES, {"1": {"d001": 1}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be 1 or more, got 0"),
        ({"rounds": 1.5}, r"rounds must be 1 or more, got 1\.5"),
        ({"num_threads": (2, 0)}, "num_threads must be 1 or more, got 0"),
        ({"k": 5}, "nDCG@10 looks at 10 hits and a search gives 5: raise k"),
        ({"measure": "R@100"}, "R@100 looks at 100 hits and a search gives 10"),
    ],
)
def test_a_way_to_measure_that_cannot_be_is_refused(options, message):
    with pytest.raises(InvalidConfig, match=message):
        MeasureConfig(**options)


def test_a_latency_is_the_median_over_rounds_of_each_percentile_over_queries():
    calm, disturbed = np.arange(1.0, 102.0), np.arange(1.0, 102.0) * 100

    latency = Latency.of(np.stack([calm, disturbed, calm]))

    assert latency == Latency(p50_seconds=51.0, p95_seconds=96.0, p99_seconds=100.0)


def test_encoding_and_searching_are_told_apart_and_total_is_both(compressed):
    point = evaluation.measure_index(compressed, QUERIES, how=MeasureConfig(rounds=2, num_timed=5, num_threads=(1, 2)))

    for latency in (point.encode, point.search, point.total):
        assert 0 < latency.p50_seconds <= latency.p95_seconds <= latency.p99_seconds
    assert point.total.p99_seconds >= max(point.encode.p50_seconds, point.search.p50_seconds)
    assert set(point.queries_per_second) == {1, 2}
    assert min(point.queries_per_second.values()) > 0


def test_settings_take_turns_and_ask_the_same_query_far_apart(compressed, monkeypatch):
    asked = []
    search = type(compressed).search
    monkeypatch.setattr(
        type(compressed), "search", lambda self, query, *rest, **more: asked.append((query, more["config"]))
        or search(self, query, *rest, **more),
    )  # fmt: skip
    texts = list(QUERIES.values())[:6]
    wide = SearchConfig(8)

    seconds = time_searches([Setting(compressed, NARROW), Setting(compressed, wide)], texts, 10, 2)

    timed = asked[2 * 6 :]
    assert [config for _, config in timed] == [NARROW, wide] * 12
    places = {text: [place for place, (one, _) in enumerate(timed) if one == text] for text in texts}
    assert min(b - a for one in places.values() for a, b in itertools.pairwise(one)) >= len(texts) - 1
    assert sorted(timed, key=str) == sorted([(text, one) for text in texts for one in (NARROW, wide)] * 2, key=str)
    assert [one.shape for one in seconds] == [(2, 2, 6)] * 2
    assert all((one > 0).all() for one in seconds)


def test_a_point_is_json(compressed, exact_run):
    point = evaluation.measure_index(compressed, QUERIES, some_qrels(), exact_run, how=replace(ONCE, num_threads=(1,)))

    spelled = json.loads(json.dumps(point.as_dict()))

    assert spelled["config"] == {"nprobe": 4, "num_approximated": 4096, "num_rescored": 1024}
    assert spelled["search"]["p95_seconds"] == point.search.p95_seconds
    assert not {"qualities", "recalls"} & set(spelled)
