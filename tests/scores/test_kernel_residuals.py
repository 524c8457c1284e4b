"""What reads and writes residuals and postings: compiled, in NumPy, and bit by bit."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from colbert_kit.scores import SegmentView
from tests import oracles
from tests.scores.light import LIGHT
from tests.scores.segments import (
    all_rows,
    changed,
    make_codec,
    make_query,
    make_segment,
    make_table,
    obvious_codes,
    obvious_tokens,
)

NBITS = (1, 2, 4, 8)
DIMS = (8, 96, 128)
QUERY_LENGTHS = (1, 8, 12, 17, 32, 33, 70)
CODE_DTYPES = (np.uint16, np.uint32)


@pytest.mark.parametrize("nbits", NBITS)
@pytest.mark.parametrize(("dim", "query_length"), [(8, 1), (8, 33), (96, 8), (128, 17)])
def test_rescored_rows_have_the_maxsim_of_their_bits(each_kernel, dim, nbits, query_length):
    codec, query = make_codec(dim=dim, nbits=nbits), make_query(query_length, dim)
    segment = make_segment(codec)

    scores = each_kernel.rescore(codec, segment, query, all_rows(segment))

    expected = [oracles.maxsim(query, obvious_tokens(codec, segment, row)) for row in range(len(segment))]
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    assert np.isneginf(scores[[0, 4, 5, -1]]).all()


@pytest.mark.parametrize("query_length", QUERY_LENGTHS)
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("nbits", NBITS)
def test_native_scores_are_those_of_numpy(native, twin, nbits, dim, query_length):
    codec, query = make_codec(dim=dim, nbits=nbits), make_query(query_length, dim)
    for code_dtype in CODE_DTYPES:
        segment = make_segment(codec, code_dtype=code_dtype)
        rows = all_rows(segment)[::-2].copy()
        mine, his = (one.rescore(codec, segment, query, rows) for one in (native, twin))
        np.testing.assert_allclose(mine, his, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("nbits", NBITS)
def test_tokens_decode_bit_by_bit(each_kernel, nbits, dim):
    codec = make_codec(dim=dim, nbits=nbits)
    segment = make_segment(codec, code_dtype=np.uint32)

    tokens = each_kernel.decode(codec, segment, 3, 30)

    expected = [token for row in range(len(segment)) for token in obvious_tokens(codec, segment, row)]
    np.testing.assert_allclose(tokens, expected[3:30], rtol=1e-6, atol=1e-7)
    assert each_kernel.decode(codec, segment, 7, 7).shape == (0, dim)


def test_every_norm_that_float16_holds_is_read_as_it_is(each_kernel):
    codec = make_codec(dim=8)
    codec.centroids[:], codec.weights[:] = 1, 0
    norms = np.arange(0x7C00, dtype=np.uint16).view(np.float16)
    number = len(norms)
    segment = SegmentView(
        "segment", np.zeros(number, np.uint16), np.zeros((number, 2), np.uint8), norms, np.asarray([0, number]),
        np.zeros(1, np.int64), np.zeros(0, np.uint32),
    )  # fmt: skip

    tokens = each_kernel.decode(codec, segment, 0, number)

    np.testing.assert_array_equal(tokens, np.repeat(norms.astype(np.float32)[:, None], 8, axis=1))


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("nbits", NBITS)
def test_residuals_are_packed_bit_by_bit_and_norms_are_of_what_they_decode_to(each_kernel, nbits, dim):
    codec, generator = make_codec(dim=dim, nbits=nbits), np.random.default_rng(5)
    # On a grid differences are exact, and many of them are equal to a cutoff.
    codec.centroids[:] = np.round(codec.centroids * 32) / 32
    codec.cutoffs[:] = np.sort(generator.integers(-32, 32, len(codec.cutoffs))) / 32
    tokens = generator.integers(-32, 32, (45, dim)).astype(np.float32) / 32
    codes = generator.integers(0, 37, 45).astype(np.uint32)

    residuals, norms = each_kernel.compress(codec, tokens, codes)

    for token, code, residual, norm in zip(tokens, codes, residuals, norms, strict=True):
        assert residual.tobytes() == oracles.compress(token, codec.centroids[code], codec.cutoffs)
        decoded = oracles.decode(codec.centroids[code], residual.tobytes(), codec.weights, 1)
        assert norm == pytest.approx(sum(value * value for value in decoded) ** 0.5, rel=1e-5)


@pytest.mark.parametrize("code_dtype", CODE_DTYPES)
def test_postings_name_each_row_of_a_cell_once(each_kernel, code_dtype):
    segment = make_segment(make_codec(dim=8), code_dtype=code_dtype)

    for num_lists in (37, 40):
        offsets, rows = each_kernel.postings(segment, num_lists)
        lists = [rows[low:high].tolist() for low, high in itertools.pairwise(offsets)]
        assert lists == oracles.postings(obvious_codes(segment), num_lists)
        assert (offsets.dtype, rows.dtype, len(rows)) == (np.int64, np.uint32, offsets[-1])


def test_a_segment_without_tokens_has_no_postings_and_scores_minus_infinity(each_kernel):
    codec = make_codec(dim=8)
    segment = changed(
        make_segment(codec), codes=np.zeros(0, np.uint16), residuals=np.zeros((0, 2), np.uint8),
        inverse_norms=np.zeros(0, np.float16), offsets=np.zeros(3, np.int64),
        posting_offsets=np.zeros(38, np.int64), postings=np.zeros(0, np.uint32),
    )  # fmt: skip

    offsets, rows = each_kernel.postings(segment, 37)

    assert (offsets.tolist(), len(rows)) == ([0] * 38, 0)
    assert np.isneginf(each_kernel.rescore(codec, segment, make_query(3, 8), all_rows(segment))).all()
    assert each_kernel.approximate(codec, segment, make_table(codec, 3), all_rows(segment)).tolist() == [0, 0]


def test_loading_the_library_leaves_denormals_as_they_are():
    code = (
        "import numpy as np\n"
        "from colbert_kit.scores.kernel import open_kernel\n"
        "open_kernel('baseline')\n"
        "print(np.float32(1e-40) * np.float32(0.5) > 0, np.asarray([1e-310]).sum() > 0)"
    )
    run = subprocess.run([sys.executable, "-c", LIGHT + code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "True"]


@pytest.mark.parametrize("query_length", QUERY_LENGTHS)
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("nbits", NBITS)
def test_scores_with_the_centroids_similarities_at_hand_are_those_without(native, nbits, dim, query_length):
    codec, query = make_codec(dim=dim, nbits=nbits), make_query(query_length, dim)
    segment = make_segment(codec)
    rows, number = all_rows(segment), len(codec.centroids)
    levels = np.zeros((number, -(-query_length // 16) * 16), np.uint8)
    exact = np.zeros((number, -(-query_length // native.lanes) * native.lanes), np.float32)
    native.similarities(codec, query, 2, 0, number, levels, exact)

    scores = native.rescore(codec, segment, query, rows, exact)

    np.testing.assert_allclose(exact[:, :query_length], codec.centroids @ query.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, native.rescore(codec, segment, query, rows), rtol=1e-4, atol=1e-3)
