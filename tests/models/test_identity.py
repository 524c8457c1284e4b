from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models


@pytest.fixture
def model(tiny_model_folder: Path) -> MultiVectorEncoder:
    """A model whose weights bfloat16 can hold, free to be changed."""
    model = models.ColBERT(tiny_model_folder, device="cpu")
    return model.bfloat16().float()


def test_fingerprint_is_a_sha256(model: MultiVectorEncoder):
    assert len(models.fingerprint(model)) == 64
    int(models.fingerprint(model), 16)


def test_fingerprint_does_not_depend_on_the_dtype(model: MultiVectorEncoder, tmp_path: Path):
    before = models.fingerprint(model)
    model.save_pretrained(str(tmp_path / "wide"))
    model.bfloat16().save_pretrained(str(tmp_path / "narrow"))
    assert models.fingerprint(model) == before
    for folder in ("wide", "narrow"):
        assert models.fingerprint(models.ColBERT(tmp_path / folder, device="cpu")) == before
    narrow = MultiVectorEncoder(str(tmp_path / "narrow"), device="cpu", model_kwargs={"dtype": torch.bfloat16})
    assert narrow.dtype == torch.bfloat16
    assert models.fingerprint(narrow) == before


def test_fingerprint_does_not_depend_on_the_folder(tiny_model_folder: Path, tmp_path: Path):
    shutil.copytree(tiny_model_folder, tmp_path / "copy")
    one = models.ColBERT(tiny_model_folder, device="cpu")
    other = models.ColBERT(tmp_path / "copy", device="cpu")
    relative = models.ColBERT(os.path.relpath(tmp_path / "copy"), device="cpu")
    assert models.fingerprint(one) == models.fingerprint(other) == models.fingerprint(relative)
    assert models.record_of(one).id == str(tiny_model_folder)
    assert models.record_of(relative).id == str((tmp_path / "copy").resolve())
    assert models.record_of(one).revision is None


@pytest.mark.gpu
def test_fingerprint_does_not_depend_on_the_device(model: MultiVectorEncoder):
    assert models.fingerprint(copy.deepcopy(model).to("cuda")) == models.fingerprint(model)


def test_fingerprint_survives_use(model: MultiVectorEncoder):
    before = models.fingerprint(model)
    model.encode_document(["late rain " * 50, "a"])
    model.encode_query(["late"])
    list(models.encode_documents(model, ["late"], dtype="bfloat16"))
    models.document_spans(model, "late rain")
    assert models.fingerprint(model) == before


def one_weight(model: MultiVectorEncoder) -> None:
    with torch.no_grad():
        next(iter(model[1].parameters()))[0, 0] += 1e-3


def another_prompt(model: MultiVectorEncoder) -> None:
    model.prompts = {**model.prompts, "query": "[A] "}


def another_length(model: MultiVectorEncoder) -> None:
    model[0].document_length += 1


def another_expansion(model: MultiVectorEncoder) -> None:
    model[0].query_expansion = {**model[0].query_expansion, "attend": True}


def another_skiplist(model: MultiVectorEncoder) -> None:
    next(module for module in model if hasattr(module, "skiplist_words")).skiplist_words.append("the")


def another_token(model: MultiVectorEncoder) -> None:
    model.tokenizer.add_tokens(["paperback"])


@pytest.mark.parametrize(
    "change", [one_weight, another_prompt, another_length, another_expansion, another_skiplist, another_token]
)
def test_fingerprint_changes_with_what_is_computed(
    change: Callable[[MultiVectorEncoder], None], model: MultiVectorEncoder
):
    before = models.fingerprint(model)
    change(model)
    assert models.fingerprint(model) != before


def test_model_of_no_factory_is_named_by_its_encoder(tiny_model_folder: Path, tiny_model: MultiVectorEncoder):
    plain = MultiVectorEncoder(str(tiny_model_folder), device="cpu")
    assert models.record_of(plain) == models.record_of(tiny_model)


def test_record_keeps_its_name_when_the_process_moves(
    tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tiny_model_folder.parent)
    model = models.ColBERT(tiny_model_folder.name, device="cpu")
    monkeypatch.chdir(tmp_path)
    assert models.record_of(model).id == str(tiny_model_folder)
