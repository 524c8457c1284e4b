"""Runs of BM25, of a dense encoder and of a searcher."""

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from colbert_kit.evaluation import bm25_run, dense_run
from tests.checkpoints import write_bert


def test_bm25_puts_the_document_with_the_rare_word_of_the_query_first_and_leaves_out_the_rest():
    corpus = {"a": "the cats sleep all day", "b": "dogs bark at night", "c": "a cat and a dog"}

    run = bm25_run(corpus, {"q": "sleeping cats", "nothing": "zebra"})

    assert list(run["q"]) == ["a", "c"]
    assert run["nothing"] == {}


def test_a_dense_run_has_the_cosines_of_the_encoders_own_vectors(tmp_path):
    write_bert(tmp_path)
    transformer = Transformer(str(tmp_path))
    model = SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension())], device="cpu")
    corpus = {"a": "the old river", "b": "a song of rain", "c": "bread and coffee"}

    run = dense_run(model, corpus, {"q": "the song"}, k=2)

    query, *documents = (np.asarray(one, dtype=np.float64) for one in model.encode(["the song", *corpus.values()]))
    cosines = {
        name: float(one @ query / np.linalg.norm(one) / np.linalg.norm(query))
        for name, one in zip(corpus, documents, strict=True)
    }
    best = sorted(corpus, key=cosines.__getitem__, reverse=True)[:2]
    assert run["q"] == pytest.approx({name: cosines[name] for name in best}, abs=1e-5)
