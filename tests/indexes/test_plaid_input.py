"""What a PLAID index takes and what it refuses, and that a refusal leaves the folder as it was."""

import numpy as np
import pytest

from colbert_kit.errors import InvalidInput
from colbert_kit.indexes import PLAID, Exact
from tests.indexes.corpora import DIM, exact_of, found, plaid_of, queries_for, some_documents

DOCUMENTS = some_documents(120)
QUERIES, _ = queries_for(DOCUMENTS, 3)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3", None])
def test_k_that_is_no_count_is_refused(index, k):
    with pytest.raises(InvalidInput, match="k must be a whole number of 1 or more, got"):
        found(index, QUERIES[0], k)


def test_k_beyond_the_corpus_returns_every_document_once(index):
    hits = found(index, QUERIES[0], 10_000)

    assert sorted(one for one, _ in hits) == sorted(DOCUMENTS)
    assert hits == sorted(hits, key=lambda pair: (-pair[1], pair[0]))


def test_other_dim_is_refused_on_both_sides(index):
    with pytest.raises(InvalidInput, match=r"dim 16, got 8\. Another model"):
        index.add_documents(["x"], [np.ones((1, 8), np.float32)])
    with pytest.raises(InvalidInput, match="dim 16, the query's have 8"):
        found(index, np.ones((1, 8), np.float32))
    assert len(index) == 120


@pytest.mark.parametrize("dim", [1, 7, 12, 100])
def test_dim_that_could_not_be_compressed_is_refused_at_the_first_add(tmp_path, exact_below, dim):
    index = plaid_of(tmp_path, exact_below=exact_below)
    before = contents(tmp_path)

    with pytest.raises(InvalidInput, match=rf"dim that is a multiple of 8, got {dim}\. .*Exact"):
        index.add_documents(["a"], [np.ones((2, dim), np.float32)])

    assert contents(tmp_path) == before
    index.add_documents(["a"], [DOCUMENTS["d000"]])
    assert len(index) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 70_000.0])
def test_embeddings_that_float16_cannot_hold_are_refused_and_nothing_is_added(tmp_path, index, value):
    tokens = DOCUMENTS["d000"].copy()
    tokens[0, 3] = value
    before = contents(tmp_path)

    with pytest.raises(InvalidInput, match=r"token embeddings must be finite numbers .*Look at the model"):
        index.update_documents(["d001", "x"], [DOCUMENTS["d000"], tokens])

    assert contents(tmp_path) == before


def test_query_that_is_not_a_number_is_refused(index):
    query = QUERIES[0].copy()
    query[1, 0] = np.nan

    with pytest.raises(InvalidInput, match="token embeddings of a query must be finite numbers"):
        found(index, query)


@pytest.mark.parametrize("engine", [PLAID, Exact])
def test_embeddings_without_a_dimension_are_refused(tmp_path, engine):
    with pytest.raises(InvalidInput, match="dim"):
        engine(tmp_path, "none").add_documents(["a"], [np.ones((2, 0), np.float32)])


def test_documents_without_tokens_come_last_and_can_be_removed(index):
    index.add_documents(["empty", "also"], [np.zeros((0, DIM), np.float32)] * 2)

    hits = found(index, QUERIES[0], 200)
    assert hits[-2:] == [("also", -np.inf), ("empty", -np.inf)]
    assert index.get_embeddings(["empty"])[0].shape == (0, DIM)

    index.remove_documents(["also"])
    index.compact()
    assert found(index, QUERIES[0], 200)[-1] == ("empty", -np.inf)
    assert len(index) == 121


def test_index_of_nothing_but_documents_without_tokens_works(tmp_path, exact_below):
    index = plaid_of(tmp_path, {"empty": np.zeros((0, DIM), np.float32)}, exact_below=exact_below)
    index.compact()
    assert found(index, QUERIES[0]) == [("empty", -np.inf)]

    index.add_documents(["a"], [DOCUMENTS["d000"]])

    assert [one for one, _ in found(index, QUERIES[0])] == ["a", "empty"]


def test_query_without_tokens_ranks_as_exact_does(tmp_path, index):
    index.add_documents(["empty"], [np.zeros((0, DIM), np.float32)])
    exact = exact_of(tmp_path, DOCUMENTS | {"empty": np.zeros((0, DIM), np.float32)})
    nothing = np.zeros((0, DIM), np.float32)

    assert found(index, nothing, 500) == found(exact, nothing, 500)


def test_emptied_index_finds_nothing_and_can_be_filled_again(index):
    index.remove_documents(list(DOCUMENTS))
    assert (found(index, QUERIES[0]), len(index)) == ([], 0)
    index.compact()

    index.add_documents(["d000"], [DOCUMENTS["d000"]])

    assert [one for one, _ in found(index, QUERIES[0])] == ["d000"]
