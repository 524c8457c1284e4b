"""Many settings side by side, and which of them no other one beats."""

import itertools
from dataclasses import replace

import pytest

from colbert_kit import Searcher, evaluation
from colbert_kit.errors import InvalidInput
from colbert_kit.evaluation import IndexPoint, Latency, MeasureConfig
from colbert_kit.folders import exists
from colbert_kit.indexes import SearchConfig
from tests.evaluation.settings import DOCUMENTS, QUERIES, some_qrels

NARROW, WIDE = SearchConfig(1, 20, 10), SearchConfig(8, 300, 300)
ONCE = MeasureConfig(rounds=1, num_timed=2)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory, tiny_model):
    cache = tmp_path_factory.mktemp("cache")
    return evaluation.encoded_corpus(tiny_model, DOCUMENTS, dtype="float32", cache=cache)


def sweep(encoded, work, **options):
    options = {"nbits": (None, 4, 1), "pool_factors": (1, 2), "settings": (NARROW, WIDE), "how": ONCE} | options
    return evaluation.sweep_index(encoded, QUERIES, some_qrels(), work=work, **options)


def test_every_combination_is_measured_in_order_and_exact_scoring_once(encoded, tmp_path):
    events = []

    points = sweep(encoded, tmp_path, on_progress=events.append)

    found = [(one.pool_factor, one.nbits, one.config) for one in points]
    assert found == [(1, None, SearchConfig()), *itertools.product((1, 2), (4, 1), (NARROW, WIDE))]
    exact, *others = points
    assert exact.recall == 1.0
    by_setting = {one.setting: one for one in others}
    assert (
        by_setting["4 bits, nprobe 8, 300 approximated, 300 rescored"].recall
        > by_setting["1 bit, nprobe 1, 20 approximated, 10 rescored"].recall
    )
    sizes = {(one.pool_factor, one.nbits): one.bytes_per_document for one in points}
    assert sizes[1, None] > sizes[1, 4] > sizes[1, 1] > sizes[2, 1]
    assert all(one.quality is not None and one.build_seconds for one in others)
    assert events[-1].stage == "timing"
    assert events[-1].done == events[-1].total == 2 * 9
    assert {one.stage for one in events} >= {"1 bits, pooled by 2: pooling", "4 bits, pooled by 1: clustering"}


def test_a_sweep_that_was_broken_off_builds_what_is_missing(encoded, tmp_path):
    def broken_off(progress):
        if progress.stage.startswith("1 bits, pooled by 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(encoded, tmp_path, on_progress=broken_off)
    assert sum(map(exists, tmp_path.iterdir())) == 3

    built = {(one.pool_factor, one.nbits): one.build_seconds for one in sweep(encoded, tmp_path)[1:]}

    assert [key for key, seconds in built.items() if seconds is not None] == [(2, 1)]


def test_an_index_of_another_corpus_in_the_same_folder_is_not_taken(encoded, tmp_path, tiny_model):
    other = Searcher.build(tmp_path / "other", tiny_model, DOCUMENTS[:50], dtype="float32")

    sweep(encoded, tmp_path / "work")
    points = sweep(other, tmp_path / "work")

    assert all(one.build_seconds for one in points[1:])


def test_settings_go_from_narrow_to_wide_around_the_default(encoded, tmp_path):
    small = encoded.compress_to(tmp_path / "small")
    found = evaluation.search_settings(small)
    # With 300 documents, 150 rescored mean that all are, as by default.
    assert found[-1] == SearchConfig(4, 4096, 1024)
    assert [one.num_rescored for one in found[:-1]] == [40, 64, 128, 128]
    assert [one.num_approximated for one in found[:-1]] == [256, 512, 1024, 1024]
    assert len(set(found)) == len(found)
    assert evaluation.search_settings(encoded) == [SearchConfig()]


def test_settings_are_wide_enough_for_the_hits_that_are_wanted(encoded, tmp_path):
    small = encoded.compress_to(tmp_path / "small")
    assert all(one.num_rescored >= 300 for one in evaluation.search_settings(small, 100))


def point(quality, milliseconds, size, **more):
    latency = Latency(p50_seconds=0.001, p95_seconds=milliseconds / 1e3, p99_seconds=1.0)
    made = IndexPoint(
        nbits=4, pool_factor=1, config=SearchConfig(4, 100, 10), k=10, num_queries=5, measure="nDCG@10",
        quality=quality, recall=0.5, bytes_per_document=size, build_seconds=None, search=latency, encode=latency,
        total=latency,
    )  # fmt: skip
    return replace(made, **more)


def test_the_front_is_what_no_other_point_beats():
    points = [point(0.7, 5, 100), point(0.6, 6, 100), point(0.6, 4, 200), point(0.5, 9, 50), point(0.7, 5, 101)]

    assert evaluation.pareto_front(points) == [points[2], points[0], points[3]]
    assert evaluation.pareto_front(points, by=["quality"]) == [points[0], points[4]]
    assert evaluation.pareto_front(points, by=["latency", "quality"]) == [points[2], points[0], points[4]]
    assert evaluation.pareto_front([]) == []


def test_equal_points_do_not_beat_each_other():
    assert len(evaluation.pareto_front([point(0.7, 5, 100), point(0.7, 5, 100)])) == 2


def test_the_front_is_of_recall_where_nothing_is_judged():
    points = [point(None, 5, 100, recall=0.9), point(None, 5, 100, recall=0.8)]
    assert evaluation.pareto_front(points) == points[:1]
    with pytest.raises(InvalidInput, match="neither quality nor recall"):
        evaluation.pareto_front([point(None, 5, 100, recall=None)])
    with pytest.raises(InvalidInput, match="by holds quality, latency and bytes"):
        evaluation.pareto_front(points, by=["speed"])
