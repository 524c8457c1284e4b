"""``retrieve.ColBERT`` and ``rank.rerank``: rankings with an index and without."""

import numpy as np
import pytest
import torch

from colbert_kit import rank, retrieve
from colbert_kit.errors import InvalidInput
from colbert_kit.indexes import Exact
from tests import oracles


def embeddings(*lengths, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((length, 4)).astype(np.float32) for length in lengths]


@pytest.fixture
def retriever(tmp_path):
    index = Exact(index_folder=tmp_path, index_name="test")
    index.add_documents(["a", "b", "c"], embeddings(3, 1, 5))
    return retrieve.ColBERT(index=index)


def test_retriever_ranks_as_its_index_does(retriever):
    queries = embeddings(2, 7, seed=1)

    assert retriever.retrieve(queries, k=2) == retriever.index(queries, k=2)
    assert [len(hits) for hits in retriever.retrieve(queries, k=99)] == [3, 3]


def test_retriever_finds_only_in_the_subset(retriever):
    assert {hit["id"] for hit in retriever.retrieve(embeddings(2), subset=["b", "c"])[0]} == {"b", "c"}
    assert retriever.retrieve(embeddings(2), subset=[]) == [[]]


def test_retriever_refuses_k_below_one(retriever):
    with pytest.raises(InvalidInput, match="k must be a whole number of 1 or more, got 0"):
        retriever.retrieve(embeddings(2), k=0)


def test_candidates_are_ordered_by_maxsim_and_keep_their_ids():
    queries, first, second = embeddings(3, 2), embeddings(1, 6, 2, seed=1), embeddings(4, seed=2)

    rankings = rank.rerank([[7, 3, 5], ["x"]], [queries[0], torch.from_numpy(queries[1])], [first, second])

    truth = sorted(zip([7, 3, 5], first, strict=True), key=lambda pair: -oracles.maxsim(queries[0], pair[1]))
    assert [hit["id"] for hit in rankings[0]] == [one for one, _ in truth]
    assert all(isinstance(hit["id"], int) for hit in rankings[0])
    assert rankings[1] == [{"id": "x", "score": pytest.approx(oracles.maxsim(queries[1], second[0]), abs=1e-5)}]


def test_query_without_candidates_gets_an_empty_ranking():
    [query] = embeddings(3)

    assert rank.rerank([[], [1]], [query, query], [[], [query]])[0] == []
    assert rank.rerank([], [], []) == []


def test_candidates_that_tie_stay_in_the_order_given():
    [query] = embeddings(2)

    assert [hit["id"] for hit in rank.rerank([["z", "a", "m"]], [query], [[query] * 3])[0]] == ["z", "a", "m"]


def test_ranking_is_cut_at_k():
    [query] = embeddings(2)

    assert len(rank.rerank([[1, 2, 3]], [query], [embeddings(1, 2, 3)], k=2)[0]) == 2


@pytest.mark.parametrize(
    ("document_ids", "num_documents", "k", "message"),
    [
        ([[1, 2]], [1], None, "query 0 has 2 ids for the embeddings of 1 candidates"),
        ([[1], [1]], [1], None, "each query needs its embeddings, its candidates' ids and their embeddings; got 1, 2"),
        ([[1]], [1], 0, "k must be 1 or more, got 0"),
    ],
)
def test_lists_that_do_not_fit_are_refused(document_ids, num_documents, k, message):
    with pytest.raises(InvalidInput, match=message):
        rank.rerank(document_ids, embeddings(2), [embeddings(*[1] * number) for number in num_documents], k=k)


def test_candidates_of_another_dim_are_refused():
    with pytest.raises(InvalidInput, match="must share dim, got 4 and 3"):
        rank.rerank([[1]], embeddings(2), [[np.ones((2, 3), dtype=np.float32)]])
