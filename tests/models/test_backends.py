from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit import Searcher, models
from colbert_kit.errors import InvalidConfig, InvalidFolder
from colbert_kit.models import backends
from tests.checkpoints import DOCUMENTS, QUERIES

# optimum's exporter warns of its own tracing.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def openvino_folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as OpenVINO keeps it; do not write to it."""
    try:
        backends.check_backend("openvino")
    except InvalidConfig as error:
        pytest.skip(f"needs optimum-intel beside a transformers it goes with: {error}")
    folder = tmp_path_factory.mktemp("openvino") / "tiny"
    models.ColBERT(tiny_model_folder, backend="openvino", device="cpu").save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def openvino_model(openvino_folder: Path) -> MultiVectorEncoder:
    """The tiny model, run by OpenVINO; do not change it."""
    return models.ColBERT(openvino_folder, backend="openvino", device="cpu")


@pytest.fixture
def foreign_model(tiny_model_folder: Path) -> MultiVectorEncoder:
    """A model whose encoder says that torch does not run it."""
    model = models.ColBERT(tiny_model_folder, device="cpu")
    model[0].backend = "onnx"
    return model


@pytest.mark.parametrize("backend", ["tensorrt", "", "ONNX", None])
def test_unknown_backend_is_refused_with_those_there_are(backend: object, tiny_model_folder: Path):
    with pytest.raises(InvalidConfig, match=r"^backend must be one of torch, onnx, openvino, got .*\.$"):
        models.ColBERT(tiny_model_folder, backend=backend)


@pytest.mark.parametrize(("backend", "package"), [("onnx", "optimum-onnx"), ("openvino", "optimum-intel")])
def test_backend_whose_library_is_missing_names_it_in_one_line(
    backend: str, package: str, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    module, name, _ = backends.LIBRARIES[backend]
    monkeypatch.setitem(backends.LIBRARIES, backend, (f"no_such_{module}", name, package))
    with pytest.raises(InvalidConfig, match=f"^backend='{backend}' needs {package} .* got: No module named") as raised:
        models.ColBERT(tiny_model_folder, backend=backend)
    assert "\n" not in str(raised.value)
    assert "docs/backends.md" in str(raised.value)


def test_bare_encoder_is_built_by_torch_only(encoder_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(backends.LIBRARIES, "onnx", ("json", "loads", "optimum-onnx"))
    with pytest.raises(InvalidConfig, match=r'is a bare encoder\. Build the model with backend="torch"'):
        models.ColBERT(encoder_folder("bert"), backend="onnx")


def test_model_that_torch_does_not_run_is_never_cast(foreign_model: MultiVectorEncoder):
    for dtype in ("auto", "float32"):
        assert models.inference_model(foreign_model, dtype) is foreign_model
    with pytest.raises(InvalidConfig, match='dtype must be "auto" or "float32" for a model of backend=\'onnx\''):
        list(models.encode_documents(foreign_model, ["late"], dtype="bfloat16"))
    with pytest.raises(InvalidConfig, match="dtype must be one of auto, float32, bfloat16, got 'int8'"):
        models.inference_model(foreign_model, "int8")


def test_model_that_torch_does_not_run_stays_in_one_process(foreign_model: MultiVectorEncoder):
    with pytest.raises(InvalidConfig, match="num_workers must be 1 for a model of backend='onnx', got 2"):
        list(models.encode_documents(foreign_model, ["late"], num_workers=2))


def test_model_that_cannot_be_identified_has_no_fingerprint(foreign_model: MultiVectorEncoder, tmp_path: Path):
    with pytest.raises(InvalidConfig, match="a model of backend='onnx' cannot be identified"):
        models.fingerprint(foreign_model)
    with pytest.raises(InvalidConfig, match="cannot be identified"):
        Searcher.build(tmp_path / "index", foreign_model, [{"id": "a", "text": "late"}])


def test_openvino_gives_the_embeddings_of_torch(openvino_model: MultiVectorEncoder, tiny_model: MultiVectorEncoder):
    for encode, texts in ((models.encode_queries, QUERIES), (models.encode_documents, DOCUMENTS)):
        [ours], [reference] = encode(openvino_model, texts), encode(tiny_model, texts, dtype="float32")
        np.testing.assert_array_equal(ours.lengths, reference.lengths)
        np.testing.assert_allclose(ours.embeddings, reference.embeddings, atol=1e-5)
    plain = openvino_model.encode_query(QUERIES[0])
    assert torch.allclose(plain, tiny_model.encode_query(QUERIES[0]), atol=1e-5)


def test_openvino_fingerprint_is_that_of_the_weights(
    openvino_model: MultiVectorEncoder, tiny_model_folder: Path, tmp_path: Path
):
    exported = models.ColBERT(tiny_model_folder, backend="openvino", device="cpu")
    assert models.fingerprint(exported) == models.fingerprint(openvino_model)
    other = models.ColBERT(tiny_model_folder, device="cpu")
    assert models.fingerprint(other) != models.fingerprint(openvino_model)
    with torch.no_grad():
        other[0].model.get_input_embeddings().weight[5, 5] += 1e-3
    other.save_pretrained(str(tmp_path / "other"))
    changed = models.ColBERT(tmp_path / "other", backend="openvino", device="cpu")
    assert models.fingerprint(changed) != models.fingerprint(openvino_model)


def test_index_of_an_openvino_model_opens_with_it_and_with_no_other(
    openvino_folder: Path, tiny_model: MultiVectorEncoder, tiny_documents: list[dict], tmp_path: Path
):
    model = models.ColBERT(openvino_folder, backend="openvino", device="cpu")
    built = Searcher.build(tmp_path / "index", model, tiny_documents)
    again = models.ColBERT(openvino_folder, backend="openvino", device="cpu")
    opened = Searcher.open(tmp_path / "index", again)
    query = tiny_documents[3]["text"]
    assert [hit.id for hit in opened.search(query, k=5)] == [hit.id for hit in built.search(query, k=5)]
    with pytest.raises(InvalidFolder, match="was built with the model"):
        Searcher.open(tmp_path / "index", tiny_model)


def test_recipe_of_an_openvino_model_can_be_changed(openvino_folder: Path, tmp_path: Path):
    shutil.copytree(openvino_folder, tmp_path / "copy")
    model = models.ColBERT(tmp_path / "copy", backend="openvino", device="cpu", document_length=12, skiplist_words=[])
    [documents] = models.encode_documents(model, [" ".join(DOCUMENTS)])
    assert documents.lengths.tolist() == [12]
