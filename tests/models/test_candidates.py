from __future__ import annotations

import numpy as np
import pytest
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.errors import InvalidInput


def test_nested_ragged_lists_keep_their_shape(tiny_model: MultiVectorEncoder):
    documents = [["the old song", "rain", ""], [], ["rain"], ["the river " * 40, "rain"]]
    encoded = models.encode_candidates(tiny_model, documents, dtype="float32")
    assert [len(inner) for inner in encoded] == [3, 0, 1, 2]
    for inner, texts in zip(encoded, documents, strict=True):
        for ours, text in zip(inner, texts, strict=True):
            assert ours.dtype == np.float32
            theirs = tiny_model.encode_document(text, convert_to_numpy=True)
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_text_that_several_queries_share_is_encoded_once(
    tiny_model: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch
):
    seen: list[str] = []
    preprocess = tiny_model.preprocess
    monkeypatch.setattr(tiny_model, "preprocess", lambda texts, **rest: seen.extend(texts) or preprocess(texts, **rest))
    models.encode_candidates(tiny_model, [["a", "b"], ["b", "a", "c"]], dtype="float32")
    assert sorted(seen) == ["a", "b", "c"]


def test_no_candidates_at_all(tiny_model: MultiVectorEncoder):
    assert models.encode_candidates(tiny_model, []) == []
    assert models.encode_candidates(tiny_model, [[], []]) == [[], []]


@pytest.mark.parametrize("documents", ["late", ["late", "rain"], [["late"], "rain"]])
def test_plain_texts_are_refused(documents: object, tiny_model: MultiVectorEncoder):
    with pytest.raises(InvalidInput, match="documents must be a list of lists of texts"):
        models.encode_candidates(tiny_model, documents)


def test_text_that_is_no_string_is_refused(tiny_model: MultiVectorEncoder):
    with pytest.raises(InvalidInput, match="must be strings, got int"):
        models.encode_candidates(tiny_model, [["late", 3]])
