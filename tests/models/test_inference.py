from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit import machine, models
from colbert_kit.errors import InvalidConfig
from tests.checkpoints import DOCUMENTS, QUERIES

CPU = torch.device("cpu")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[torch.dtype]]:
    """A machine that is fast in bfloat16, an empty cache, and a list of what was measured."""
    calls: list[torch.dtype] = []

    def seconds(dtype: torch.dtype) -> float:
        calls.append(dtype)
        return 1.0 if dtype == torch.bfloat16 else 3.0

    monkeypatch.setenv("COLBERT_KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "_seconds", seconds)
    machine._measured.cache_clear()
    yield calls
    machine._measured.cache_clear()


@pytest.mark.parametrize("dtype", ["float16", "int8", "", None, torch.float32])
def test_unknown_dtype_is_refused(dtype: object, tiny_model: MultiVectorEncoder):
    with pytest.raises(InvalidConfig, match="dtype must be one of auto, float32, bfloat16"):
        models.choose_dtype(dtype, CPU)
    for encode in (models.encode_documents, models.encode_queries):
        with pytest.raises(InvalidConfig, match="dtype must be one of auto, float32, bfloat16"):
            list(encode(tiny_model, ["late"], dtype=dtype))


def test_a_named_dtype_is_not_measured(measured: list[torch.dtype]):
    assert models.choose_dtype("float32", CPU) == "float32"
    assert models.choose_dtype("bfloat16", CPU) == "bfloat16"
    assert measured == []


def test_auto_is_measured_once_and_kept(measured: list[torch.dtype], tmp_path: Path):
    assert [models.choose_dtype("auto", CPU) for _ in range(3)] == ["bfloat16"] * 3
    assert measured == [torch.float32, torch.bfloat16]
    assert list(json.loads((tmp_path / "cache" / "dtype.json").read_text()).values()) == ["bfloat16"]

    machine._measured.cache_clear()  # as in the next process
    assert models.choose_dtype("auto", CPU) == "bfloat16"
    assert len(measured) == 2


def test_small_gain_does_not_earn_bfloat16(measured: list[torch.dtype], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "_seconds", lambda dtype: 1.0 if dtype == torch.bfloat16 else 1.2)
    assert models.choose_dtype("auto", CPU) == "float32"


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"another machine": "float32"}'])
def test_unusable_cache_is_measured_anew(measured: list[torch.dtype], tmp_path: Path, content: str):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "dtype.json").write_text(content)
    assert models.choose_dtype("auto", CPU) == "bfloat16"
    assert len(measured) == 2


def test_a_wrong_cached_value_is_measured_anew(measured: list[torch.dtype], tmp_path: Path):
    models.choose_dtype("auto", CPU)
    path = tmp_path / "cache" / "dtype.json"
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), "int4")))
    machine._measured.cache_clear()
    assert models.choose_dtype("auto", CPU) == "bfloat16"
    assert len(measured) == 4


def test_cache_folder_that_cannot_be_written_does_no_harm(
    measured: list[torch.dtype], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # A file in the folder's place: permissions would not stop root.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COLBERT_KIT_CACHE", str(tmp_path / "file" / "cache"))
    assert models.choose_dtype("auto", CPU) == "bfloat16"


def test_the_real_measurement_chooses_one_of_two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("COLBERT_KIT_CACHE", str(tmp_path))
    machine._measured.cache_clear()
    assert models.choose_dtype("auto", CPU) in ("float32", "bfloat16")
    machine._measured.cache_clear()


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("COLBERT_KIT_CACHE", str(tmp_path))
    assert models.cache_folder() == tmp_path
    monkeypatch.delenv("COLBERT_KIT_CACHE")
    assert models.cache_folder().name == "colbert_kit"


def test_float32_uses_the_model_itself_and_bfloat16_a_copy(tiny_model: MultiVectorEncoder):
    assert models.inference_model(tiny_model, "float32") is tiny_model
    narrow = models.inference_model(tiny_model, "bfloat16")
    assert narrow is not tiny_model
    assert narrow.dtype == torch.bfloat16
    assert models.inference_model(narrow, "bfloat16") is narrow


def test_bfloat16_leaves_the_model_alone_and_the_scores_nearly_so(tiny_model: MultiVectorEncoder):
    before = {name: weights.clone() for name, weights in tiny_model.state_dict().items()}
    scores = {}
    for dtype in ("float32", "bfloat16"):
        [queries] = models.encode_queries(tiny_model, QUERIES, dtype=dtype)
        [documents] = models.encode_documents(tiny_model, DOCUMENTS, dtype=dtype)
        assert queries.embeddings.dtype == documents.embeddings.dtype == "float32"
        scores[dtype] = tiny_model.similarity(list(queries), list(documents)) / queries.lengths.max()
    assert (scores["float32"] - scores["bfloat16"]).abs().max() < 0.05
    assert (scores["float32"] - scores["bfloat16"]).abs().max() > 0
    for name, weights in tiny_model.state_dict().items():
        assert weights.dtype == before[name].dtype
        assert torch.equal(weights, before[name])
