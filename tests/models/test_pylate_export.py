"""Checkpoints for PyLate. What PyLate itself makes of them was compared by hand: see the guide; here its format is."""

import copy
import json

import pytest
import torch

from colbert_kit import models
from colbert_kit.errors import InvalidConfig, InvalidInput
from tests.checkpoints import write_bert

TEXTS = ["the old song of the river", "rain, on the mountain", "music"]
OPTIONS = [{}, {"query_expansion": False}, {"attend_to_expansion_tokens": True}, {"skiplist_words": [","]}]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    write_bert(folder)
    return folder


def colbert(bare, **options):
    return models.ColBERT(bare, embedding_size=16, query_length=12, document_length=20, device="cpu", **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_an_exported_model_reads_back_with_equal_embeddings(bare, tmp_path, options):
    model = colbert(bare, **options)
    models.export_pylate(model, tmp_path / "exported")
    again = models.ColBERT(tmp_path / "exported", device="cpu")

    for text in TEXTS:
        assert torch.equal(again.encode_query(text), model.encode_query(text))
        assert torch.equal(again.encode_document(text), model.encode_document(text))


def test_the_folder_is_laid_out_as_pylate_lays_it_out(bare, tiny_model_folder, tmp_path):
    models.export_pylate(colbert(bare), tmp_path / "exported")

    def keys(folder, name):
        content = json.loads((folder / name).read_text())
        return sorted(content) if isinstance(content, dict) else [sorted(one) for one in content]

    for name in (
        "modules.json",
        "config_sentence_transformers.json",
        "1_Dense/config.json",
        "sentence_bert_config.json",
    ):
        assert keys(tmp_path / "exported", name) == keys(tiny_model_folder, name)
    types = [one["type"] for one in json.loads((tmp_path / "exported" / "modules.json").read_text())]
    assert types == [one["type"] for one in json.loads((tiny_model_folder / "modules.json").read_text())]
    assert not list((tmp_path / "exported").glob("*Normalize"))


def without_markers(model):
    model.prompts = {"query": "", "document": ""}


def without_projection(model):
    del model[1]


def with_a_least_length(model):
    model[0].query_expansion = {"strategy": "min", "attend": True, "length": 8}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_markers, "one marker token before a query; this model has ''"),
        (without_projection, "PyLate knows models of Transformer, Dense"),
        (with_a_least_length, "a fixed length or not at all"),
    ],
)
def test_what_pylate_has_no_model_for_is_refused_and_nothing_written(bare, tmp_path, change, message):
    model = copy.deepcopy(colbert(bare))
    change(model)

    with pytest.raises(InvalidConfig, match=message):
        models.export_pylate(model, tmp_path / "exported")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(bare, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(InvalidInput, match="holds something already"):
        models.export_pylate(colbert(bare), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
