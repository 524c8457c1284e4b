"""What the kernel does with files that lie: an error or rows that exist, never a read outside of an array."""

from __future__ import annotations

import numpy as np
import pytest

from colbert_kit.errors import InvalidFolder
from tests.scores.segments import all_rows, changed, make_codec, make_query, make_segment, make_table

LAST_TOKEN, MIDDLE_TOKEN = -1, 20


def damaged_codes(code_dtype, token, code):
    codec = make_codec(dim=8)
    segment = make_segment(codec, code_dtype=code_dtype)
    codes = segment.codes.copy()
    codes[token] = code
    return codec, changed(segment, codes=codes)


@pytest.mark.parametrize("token", [0, MIDDLE_TOKEN, LAST_TOKEN])
@pytest.mark.parametrize(("code_dtype", "code"), [(np.uint16, 37), (np.uint16, 65535), (np.uint32, 4294967295)])
def test_a_code_beyond_the_centroids_is_refused_by_everything_that_reads_it(each_kernel, code_dtype, code, token):
    codec, segment = damaged_codes(code_dtype, token, code)
    calls = (
        lambda: each_kernel.approximate(codec, segment, make_table(codec, 33), all_rows(segment)),
        lambda: each_kernel.rescore(codec, segment, make_query(33, 8), all_rows(segment)),
        lambda: each_kernel.decode(codec, segment, 0, len(segment.codes)),
        lambda: each_kernel.postings(segment, 37),
    )

    for call in calls:
        with pytest.raises(InvalidFolder, match=r"segment: .*a code.* is out of range. Build or download"):
            call()


def test_rows_whose_codes_are_whole_are_scored_beside_damaged_ones(each_kernel):
    codec, segment = damaged_codes(np.uint16, LAST_TOKEN, 37)
    whole = all_rows(segment)[:12]

    scores = each_kernel.rescore(codec, segment, make_query(8, 8), whole)

    np.testing.assert_array_equal(scores, each_kernel.rescore(codec, make_segment(codec), make_query(8, 8), whole))


@pytest.mark.parametrize("row", [14, 4294967295])
def test_a_row_beyond_the_segment_is_refused(each_kernel, row):
    codec = make_codec(dim=8)
    segment = make_segment(codec)
    rows = np.asarray([1, row], dtype=np.uint32)

    with pytest.raises(InvalidFolder, match=r"segment: .*row is out of range"):
        each_kernel.approximate(codec, segment, make_table(codec, 3), rows)
    with pytest.raises(InvalidFolder, match=r"segment: .*row is out of range"):
        each_kernel.rescore(codec, segment, make_query(3, 8), rows)


@pytest.mark.parametrize("row", [14, 4294967295])
def test_a_posting_beyond_the_segment_is_refused_and_the_next_search_is_right(each_kernel, row):
    codec, query = make_codec(dim=8), make_query(12, 8)
    segment = make_segment(codec)
    cells, similarities = each_kernel.similarities(codec, query, 37, 0, 37, make_table(codec, 12))
    expected = [array.tolist() for array in each_kernel.accumulate(segment, cells, similarities, None)]
    place = len(segment.postings) // 2
    kept, segment.postings[place] = segment.postings[place], row

    with pytest.raises(InvalidFolder, match=r"segment: .*(postings are damaged|row is out of range)"):
        each_kernel.accumulate(segment, cells, similarities, np.zeros(14, dtype=bool))
    with pytest.raises(InvalidFolder, match=r"segment: .*(postings are damaged|row is out of range)"):
        each_kernel.accumulate(segment, cells, similarities, None)

    segment.postings[place] = kept
    again = [array.tolist() for array in each_kernel.accumulate(segment, cells, similarities, None)]
    assert again == expected


def test_a_row_that_a_list_names_twice_is_found_and_counted_once(each_kernel):
    segment = make_segment(make_codec(dim=8))
    segment.postings[:] = 3
    cells = np.arange(37, dtype=np.int32)[None]

    rows, sums = each_kernel.accumulate(segment, cells, np.linspace(1, 0, 37, dtype=np.float32)[None], None)

    assert (rows.tolist(), len(sums)) == ([3], 1)


@pytest.mark.parametrize("norm", [np.nan, np.inf, -np.inf])
def test_norms_that_are_no_numbers_give_scores_and_no_crash(each_kernel, norm):
    codec = make_codec(dim=8)
    segment = make_segment(codec)
    segment.inverse_norms[:] = norm

    scores = each_kernel.rescore(codec, segment, make_query(33, 8), all_rows(segment))

    assert scores.shape == (14,)
    assert not np.isnan(scores).any()


def test_compressing_with_codes_of_no_centroid_is_refused(each_kernel):
    codec = make_codec(dim=8)

    with pytest.raises(ValueError, match="codes must be below 37"):
        each_kernel.compress(codec, make_query(2, 8), np.asarray([0, 37], dtype=np.uint32))


def test_more_dimensions_than_the_kernel_has_room_for_are_refused_and_the_most_are_not(native, twin):
    for dim in (4096, 4104):
        codec, query = make_codec(dim=dim, num_centroids=3), make_query(2, dim)
        segment = make_segment(codec)
        if dim == 4096:
            mine, his = (one.rescore(codec, segment, query, all_rows(segment)) for one in (native, twin))
            np.testing.assert_allclose(mine, his, rtol=1e-4, atol=1e-4)
            continue
        with pytest.raises(InvalidFolder, match="more than 4,096 dimensions"):
            native.rescore(codec, segment, query, all_rows(segment))
        with pytest.raises(ValueError, match="dim at most 4,096, got 4104"):
            native.compress(codec, query, np.zeros(2, dtype=np.uint32))


def test_arrays_that_are_not_contiguous_are_refused_before_they_are_read_wrongly(native):
    codec = make_codec(dim=8)
    segment = make_segment(codec)

    with pytest.raises(ValueError, match="contiguous"):
        native.rescore(codec, segment, make_query(3, 8), all_rows(segment)[::2])
