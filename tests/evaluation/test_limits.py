"""Limits as people write them, and which of several settings to take."""

from dataclasses import replace

import pytest

from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.evaluation import IndexPoint, Latency, Limits, parse_bytes, parse_seconds
from colbert_kit.evaluation.choosing import Candidate, halves, nothing_fits, preferred
from colbert_kit.evaluation.limits import spell_bytes, spell_seconds
from colbert_kit.indexes import SearchConfig


def latency(milliseconds):
    return Latency(p50_seconds=milliseconds / 2e3, p95_seconds=milliseconds / 1e3, p99_seconds=1.0)


def point(milliseconds, qualities, recalls=(1.0, 1.0, 1.0, 1.0), size=100.0, **more):
    def by_query(values):
        return {f"q{number}": value for number, value in enumerate(values or ())}

    def mean(values):
        return sum(values) / len(values) if values else None

    made = IndexPoint(
        nbits=4, pool_factor=1, config=SearchConfig(4, 1000, 100), k=10, num_queries=4, measure="nDCG@10",
        quality=mean(qualities), recall=mean(recalls), bytes_per_document=size, build_seconds=None,
        search=latency(milliseconds), encode=latency(10), total=latency(10 + milliseconds),
        qualities=by_query(qualities), recalls=by_query(recalls),
    )  # fmt: skip
    return replace(made, **more)


def chosen(points, **limits):
    candidates = [Candidate(None, one) for one in points]
    return points.index(preferred(candidates, Limits(**limits)).point)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10ms", 0.01), ("0.5 s", 0.5), ("250us", 0.00025), (" 3MS ", 0.003), ("2s", 2.0)]
)
def test_times_are_read_as_people_write_them(text, seconds):
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["10", "ms", "ten ms", "1.2.3ms", "-4ms", "", "5 minutes"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InvalidInput, match="a time is a number with us, ms or s behind it, such as 10ms; got"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("40MB", 40e6),
        ("1.5 GB", 1.5e9),
        ("40MiB", 40 * 2**20),
        ("200/document", 600),
        ("2kB / document", 6000),
        ("700", 700),
        ("700B", 700),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_bytes(text, 3) == pytest.approx(size)


@pytest.mark.parametrize("text", ["MB", "4 parsecs", "200/passage", "1..5MB", "/document"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InvalidInput, match="a size is 40MB or 2kB/document"):
        parse_bytes(text, 3)


def test_figures_are_spelled_in_the_unit_that_fits():
    assert [spell_seconds(one) for one in (0.000123, 0.0061234, 0.25, 0.9999, 2.5)] == [
        "0.123 ms", "6.12 ms", "250 ms", "1 s", "2.5 s",
    ]  # fmt: skip
    assert [spell_bytes(one) for one in (7, 999, 1234, 58_200_000, 2.16e9, 5e12)] == [
        "7 B", "999 B", "1.2 kB", "58.2 MB", "2.2 GB", "5000.0 GB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({}, "give at least one limit: on latency, bytes or quality"),
        ({"max_latency_seconds": 0}, "max_latency_seconds must be a number above 0, got 0"),
        ({"max_bytes_per_document": float("nan")}, "max_bytes_per_document must be a number above 0, got nan"),
        ({"max_bytes_per_document": float("inf")}, "must be a number above 0, got inf"),
        ({"min_quality": 70}, "min_quality must be at most 1, which is perfect, got 70"),
        ({"min_quality": "0.7"}, "min_quality must be a number above 0, got '0.7'"),
    ],
)
def test_limits_that_cannot_be_are_refused(limits, message):
    with pytest.raises(InvalidConfig, match=message):
        Limits(**limits)


def test_excess_is_that_of_the_limit_that_is_missed_most():
    limits = Limits(max_latency_seconds=0.01, max_bytes_per_document=50, min_quality=0.8)

    assert limits.excess(point(5, [0.8] * 4, size=40)) == pytest.approx(1.0)
    assert limits.excess(point(30, [0.4] * 4, size=100)) == pytest.approx(3.0)
    assert limits.excess(point(5, [0.4] * 4, size=40)) == pytest.approx(2.0)
    # Without judgements quality is recall.
    assert limits.excess(point(5, None, [0.2] * 4, size=40)) == pytest.approx(4.0)


def test_of_settings_as_good_as_the_best_the_fastest_is_taken():
    best = point(9, [0.9, 0.8, 0.7, 0.6])
    by_chance = point(5, [1.0, 0.8, 0.7, 0.4])
    worse = point(1, [0.7, 0.6, 0.5, 0.4])

    assert chosen([best, by_chance, worse], max_latency_seconds=1) == 1
    # With all limited the best is taken too.
    assert chosen([best, by_chance, worse], max_latency_seconds=1, max_bytes_per_document=200, min_quality=0.1) == 1


def test_of_settings_of_equal_quality_those_near_the_exact_ranking_are_taken_first():
    quality = [0.9, 0.8, 0.7, 0.6]
    points = [
        point(9, quality, [1.0, 1.0, 0.9, 1.0]),
        point(5, quality, [1.0, 1.0, 0.9, 1.0]),
        point(1, quality, [0.5] * 4),
    ]

    assert chosen(points, max_latency_seconds=1) == 1
    assert chosen([replace(one, quality=None, qualities={}) for one in points], max_latency_seconds=1) == 1


def test_where_quality_is_limited_and_latency_is_not_the_fastest_is_taken():
    points = [point(9, [0.9] * 4), point(2, [0.8] * 4), point(5, [0.85] * 4)]

    assert chosen(points, min_quality=0.8) == 1
    assert chosen(points, min_quality=0.8, max_bytes_per_document=1000) == 1
    assert chosen(points, min_quality=0.8, max_latency_seconds=1) == 0


def test_a_single_query_decides_by_its_value():
    assert chosen([point(9, [0.9], [1.0]), point(1, [0.8], [1.0])], max_latency_seconds=1) == 0


def test_what_cannot_be_met_names_the_nearest_in_one_line():
    points = [point(30, [0.9] * 4), point(12, [0.7] * 4), point(11, [0.3] * 4)]

    message = nothing_fits(
        [Candidate(None, one) for one in points], Limits(max_latency_seconds=0.01, min_quality=0.8), 7
    )

    assert message == (
        "none of the 3 settings tried has a p95 of at most 10 ms and nDCG@10 of at least 0.8. The nearest is "
        "4 bits, nprobe 4, 1,000 approximated, 100 rescored: p95 12 ms, nDCG@10 0.7000, 100 bytes a document. Where "
        "bytes are limited too, other bits and pooling are tried."
    )
    small = nothing_fits([Candidate(None, points[0])], Limits(max_bytes_per_document=5), 7.4)
    assert small.startswith("nothing tried has at most 5 bytes a document. The nearest is ")
    assert small.endswith("100 bytes a document. Of these, 7 are text and metadata.")


def test_halves_share_nothing_and_are_the_same_each_time_and_small_sets_are_not_cut():
    queries = {f"q{number}": str(number) for number in range(101)}

    one, other = halves(queries, {})

    assert (len(one), len(other)) == (50, 51)
    assert {**one, **other} == queries
    assert halves(dict(reversed(queries.items())), {}) == (one, other)
    few = dict(list(queries.items())[:99])
    assert halves(few, {}) == (few, few)


def test_the_exact_ranking_is_as_good_on_either_half():
    queries = {f"q{number}": "" for number in range(200)}
    exact = {query: (int(query[1:]) * 37 % 200 / 200) ** 3 for query in queries}

    means = [sum(exact[query] for query in half) / len(half) for half in halves(queries, exact)]

    # Cut at random, they would differ by 0.04 in the mean.
    assert means[0] == pytest.approx(means[1], abs=0.005)
