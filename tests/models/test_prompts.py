from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models


@pytest.mark.parametrize(("role", "marker"), [("query", "[Q] "), ("document", "[D] ")])
def test_instruction_comes_after_the_marker(tiny_model: MultiVectorEncoder, role: str, marker: str):
    prompt = models.compose_prompt(tiny_model, "song of ", role)
    assert prompt == f"{marker}song of "
    ids = tiny_model.preprocess(["late"], prompt=prompt, task=role)["input_ids"][0]
    tokens = tiny_model.tokenizer.convert_ids_to_tokens(ids)
    assert tokens[:6] == ["[CLS]", marker.lower(), "song", "of", "late", "[SEP]"]


def test_instruction_reaches_the_embeddings_by_every_way(tiny_model: MultiVectorEncoder):
    prompt = models.compose_prompt(tiny_model, "song of ")
    theirs = tiny_model.encode_query("late", prompt=prompt, convert_to_numpy=True)
    np.testing.assert_allclose(theirs, tiny_model.encode_query("song of late", convert_to_numpy=True), atol=1e-6)
    [packed] = models.encode_queries(tiny_model, ["late"], prompt=prompt, dtype="float32")
    np.testing.assert_allclose(packed.embeddings, theirs, atol=1e-5)


def test_without_a_marker_the_instruction_stands_alone(tmp_path: Path, tiny_model_folder: Path):
    model = models.ColBERT(tiny_model_folder, device="cpu")
    model.prompts = {}
    assert models.compose_prompt(model, "song of ", "document") == "song of "
