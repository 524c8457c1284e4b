"""What finds rows: the kernel compiled for each instruction set, in NumPy, and as obvious loops."""

from __future__ import annotations

import numpy as np
import pytest

from tests import oracles
from tests.scores.segments import (
    all_rows,
    make_codec,
    make_query,
    make_segment,
    make_table,
    obvious_codes,
)

DIMS = (8, 96, 128)
QUERY_LENGTHS = (1, 8, 12, 17, 32, 33, 70)
CODE_DTYPES = (np.uint16, np.uint32)

# Sums of 128 float32 products in another order.
CLOSE = {"rtol": 1e-5, "atol": 2e-6}


def pairs(cells, similarities):
    return [list(zip(*both, strict=True)) for both in zip(cells.tolist(), similarities.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("dim", "query_length"), [*((8, length) for length in QUERY_LENGTHS), (96, 12), (128, 17), (128, 33)]
)
def test_cells_and_levels_are_those_of_all_dot_products(each_kernel, dim, query_length):
    codec, query = make_codec(dim=dim), make_query(query_length, dim)
    table = make_table(codec, query_length)

    cells, similarities = each_kernel.similarities(codec, query, 5, 0, 37, table)

    for mine, expected in zip(pairs(cells, similarities), oracles.best_cells(codec.centroids, query, 5), strict=True):
        assert [cell for cell, _ in mine] == [cell for cell, _ in expected]
        np.testing.assert_allclose([s for _, s in mine], [s for _, s in expected], **CLOSE)
    assert (abs(table[:, :query_length] - np.asarray(oracles.levels(codec.centroids, query))) <= 0.501).all()


@pytest.mark.parametrize("query_length", QUERY_LENGTHS)
def test_columns_beyond_the_query_become_zero_in_a_used_table(each_kernel, query_length):
    codec = make_codec(dim=8)
    table = make_table(codec, query_length)

    each_kernel.similarities(codec, make_query(query_length, 8), 3, 0, 37, table)

    assert table.shape[1] - query_length < 16
    assert not table[:, query_length:].any()


def test_a_part_of_the_centroids_fills_its_part_of_the_table_and_keeps_their_numbers(each_kernel):
    codec, query = make_codec(dim=96), make_query(12, 96)
    whole, parts = make_table(codec, 12), make_table(codec, 12)
    each_kernel.similarities(codec, query, 37, 0, 37, whole)

    low, _ = each_kernel.similarities(codec, query, 37, 0, 16, parts)
    assert (parts[16:] == 255).all()
    high, _ = each_kernel.similarities(codec, query, 37, 16, 37, parts)

    assert abs(parts.astype(int) - whole).max() <= 1
    assert [sorted(row) for row in low.tolist()] == [[-1] * 21 + list(range(16))] * 12
    assert [sorted(row) for row in high.tolist()] == [[-1] * 16 + list(range(16, 37))] * 12


def test_cells_that_do_not_exist_are_minus_one_and_come_last(each_kernel):
    codec, query = make_codec(dim=8, num_centroids=3), make_query(2, 8)

    cells, similarities = each_kernel.similarities(codec, query, 5, 0, 3, make_table(codec, 2))

    assert sorted(cells[0].tolist()) == [-1, -1, 0, 1, 2]
    assert cells[:, 3:].tolist() == [[-1, -1]] * 2
    assert np.isneginf(similarities[:, 3:]).all()
    assert (np.diff(similarities[:, :3]) <= 0).all()


def test_equally_near_cells_come_by_number(each_kernel):
    codec = make_codec(dim=8)
    codec.centroids[:] = np.eye(8, dtype=np.float32)[np.arange(37) % 8]

    cells, _ = each_kernel.similarities(codec, np.eye(8, dtype=np.float32), 4, 0, 37, make_table(codec, 8))

    assert cells.tolist() == [[first, first + 8, first + 16, first + 24] for first in range(8)]


def test_a_query_token_that_is_not_a_number_is_near_nothing_and_disturbs_no_other(each_kernel):
    codec, query = make_codec(dim=8), make_query(12, 8)
    segment = make_segment(codec)
    expected, _ = each_kernel.similarities(codec, query, 3, 0, 37, make_table(codec, 12))
    query[5] = np.nan
    table = make_table(codec, 12)

    cells, similarities = each_kernel.similarities(codec, query, 3, 0, 37, table)

    assert cells[5].tolist() == [-1, -1, -1]
    assert not table[:, 5].any()
    others = np.arange(12) != 5
    np.testing.assert_array_equal(cells[others], expected[others])
    assert each_kernel.accumulate(segment, cells, similarities, None)[0].max() < len(segment)
    assert not np.isnan(each_kernel.rescore(codec, segment, query, all_rows(segment))).any()


def test_similarities_beyond_a_level_stop_at_its_ends(each_kernel):
    codec = make_codec(dim=8)
    codec.centroids[0], codec.centroids[1] = 65504, -65504

    table = make_table(codec, 1)
    each_kernel.similarities(codec, np.full((1, 8), 1000, dtype=np.float32), 2, 0, 37, table)

    assert table[:2, 0].tolist() == [255, 0]


@pytest.mark.parametrize("query_length", QUERY_LENGTHS)
@pytest.mark.parametrize("dim", DIMS)
def test_native_cells_and_levels_are_those_of_numpy(native, twin, dim, query_length):
    codec, query = make_codec(dim=dim, num_centroids=301), make_query(query_length, dim)
    tables = [make_table(codec, query_length) for _ in range(2)]

    mine = native.similarities(codec, query, 8, 0, 301, tables[0])
    his = twin.similarities(codec, query, 8, 0, 301, tables[1])

    np.testing.assert_array_equal(mine[0], his[0])
    np.testing.assert_allclose(mine[1], his[1], **CLOSE)
    assert abs(tables[0].astype(int) - tables[1]).max() <= 1
    assert (tables[0] != tables[1]).mean() < 0.001


@pytest.mark.parametrize("nprobe", [1, 4, 50])
@pytest.mark.parametrize("query_length", QUERY_LENGTHS)
def test_accumulated_rows_and_sums_are_those_of_the_lists(each_kernel, query_length, nprobe):
    codec, query = make_codec(dim=8), make_query(query_length, 8)
    segment = make_segment(codec)
    lists = oracles.postings(obvious_codes(segment), 37)
    cells, similarities = each_kernel.similarities(codec, query, nprobe, 0, 37, make_table(codec, query_length))
    only_some = np.arange(len(segment)) % 3 > 0

    for allowed in (None, only_some, only_some & False, only_some | True):
        rows, sums = each_kernel.accumulate(segment, cells, similarities, allowed)
        everywhere = np.ones(len(segment), dtype=bool) if allowed is None else allowed
        expected = oracles.estimates(pairs(cells, similarities), lists, everywhere)
        found = dict(sorted(zip(rows.tolist(), sums.tolist(), strict=True)))
        assert list(found) == list(expected)
        # A gain of exactly half a level may round either way.
        assert all(abs(found[row] - expected[row]) <= query_length for row in expected)
        assert sum(found[row] != expected[row] for row in expected) <= 1
        assert len(set(rows.tolist())) == len(rows)


def test_native_sums_are_bit_for_bit_those_of_numpy(native, twin):
    codec, query = make_codec(dim=8), make_query(70, 8)
    segment = make_segment(codec)
    cells, similarities = twin.similarities(codec, query, 8, 0, 37, make_table(codec, 70))

    mine, his = (one.accumulate(segment, cells, similarities, None) for one in (native, twin))

    assert dict(zip(*mine, strict=True)) == dict(zip(*his, strict=True))


def test_a_cell_younger_than_the_segment_lists_nothing(each_kernel):
    segment = make_segment(make_codec(dim=8))
    cells = np.asarray([[37, 2_000_000_000, -1]], dtype=np.int32)

    rows, sums = each_kernel.accumulate(segment, cells, np.ones((1, 3), dtype=np.float32), None)

    assert (len(rows), len(sums)) == (0, 0)


def test_sums_stop_at_their_end_however_long_a_query_is(each_kernel):
    segment = make_segment(make_codec(dim=8))
    num_tokens = 65_540
    cell = int(segment.codes[0])
    cells = np.tile(np.asarray([[cell, -1]], dtype=np.int32), (num_tokens, 1))
    similarities = np.tile(np.asarray([[1, 0]], dtype=np.float32), (num_tokens, 1))

    rows, sums = each_kernel.accumulate(segment, cells, similarities, None)

    assert sorted(rows.tolist()) == oracles.postings(obvious_codes(segment), 37)[cell]
    assert set(sums.tolist()) == {65535}


@pytest.mark.parametrize("code_dtype", CODE_DTYPES)
@pytest.mark.parametrize("query_length", QUERY_LENGTHS)
def test_approximate_scores_are_those_of_the_table(each_kernel, query_length, code_dtype):
    codec = make_codec(dim=8)
    segment = make_segment(codec, code_dtype=code_dtype)
    table = make_table(codec, query_length)
    each_kernel.similarities(codec, make_query(query_length, 8), 1, 0, 37, table)
    rows = all_rows(segment)[::-1].copy()

    levels = each_kernel.approximate(codec, segment, table, rows)

    documents = obvious_codes(segment)
    assert levels.tolist() == [oracles.maxsim_of_levels(table, documents[row]) for row in rows]
