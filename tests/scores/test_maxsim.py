import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colbert_kit.errors import InvalidInput
from colbert_kit.scores import PackedEmbeddings, maxsim, maxsim_pairwise
from tests import oracles

DIM = 3
# Quarters are exact in float16 and their sums in float32, so that equal means equal.
tokens = st.lists(st.lists(st.integers(-8, 8).map(lambda n: n / 4), min_size=DIM, max_size=DIM), max_size=5)
texts = st.lists(tokens, max_size=6)


def packed(texts, dtype=np.float32):
    return PackedEmbeddings.pack([np.array(text, dtype=dtype).reshape(-1, DIM) for text in texts], dim=DIM)


@given(queries=texts, documents=texts, dtype=st.sampled_from([np.float32, np.float16]))
def test_scores_equal_three_loops(queries, documents, dtype):
    scores = maxsim(packed(queries), packed(documents, dtype))

    assert scores.shape == (len(queries), len(documents))
    assert scores.dtype == np.float32
    assert scores.tolist() == [[oracles.maxsim(query, document) for document in documents] for query in queries]


@settings(max_examples=20)
@given(queries=texts, documents=texts, tokens_per_block=st.integers(1, 7))
def test_blocks_do_not_change_scores(queries, documents, tokens_per_block):
    whole = maxsim(packed(queries), packed(documents))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(maxsim.__globals__, "TOKENS_PER_BLOCK", tokens_per_block)
        assert maxsim(packed(queries), packed(documents)).tolist() == whole.tolist()


@given(queries=texts, data=st.data())
def test_pairs_equal_the_diagonal(queries, data):
    documents = data.draw(st.lists(tokens, min_size=len(queries), max_size=len(queries)))

    scores = maxsim_pairwise(packed(queries), packed(documents))

    assert scores.tolist() == [oracles.maxsim(*pair) for pair in zip(queries, documents, strict=True)]


def test_negative_similarities_are_not_beaten_by_a_longer_neighbour():
    documents = packed([[[-1, 0, 0]], [[-0.5, 0, 0], [-0.25, 0, 0], [-2, 0, 0]], []])

    assert maxsim(packed([[[1, 0, 0]]]), documents).tolist() == [[-1.0, -0.25, -np.inf]]


def test_random_float_scores_are_close_to_float64():
    generator = np.random.default_rng(0)
    queries = [generator.standard_normal((n, 32)).astype(np.float32) for n in (1, 7, 32)]
    documents = [generator.standard_normal((n, 32)).astype(np.float32) for n in (3, 1, 90)]

    scores = maxsim(PackedEmbeddings.pack(queries), PackedEmbeddings.pack(documents))

    expected = [[oracles.maxsim(query, document) for document in documents] for query in queries]
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-4)


def test_read_only_maps_are_scored_without_a_warning():
    embeddings = np.eye(3, dtype=np.float16)
    embeddings.flags.writeable = False
    documents = PackedEmbeddings(embeddings, np.array([1, 2]))

    assert maxsim(packed([np.eye(3)]), documents).tolist() == [[1.0, 2.0]]


def test_sides_of_different_dim_are_refused():
    with pytest.raises(InvalidInput, match="must share dim, got 3 and 2"):
        maxsim(packed([[[1, 2, 3]]]), PackedEmbeddings.pack([np.ones((1, 2), dtype=np.float32)]))


def test_pairs_of_different_number_are_refused():
    with pytest.raises(InvalidInput, match="as many queries as documents, got 1 and 2"):
        maxsim_pairwise(packed([[]]), packed([[], []]))
