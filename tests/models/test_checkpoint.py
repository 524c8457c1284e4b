from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.errors import InvalidConfig, InvalidFolder
from tests.checkpoints import (
    CHECKPOINTS,
    DIM,
    DOCUMENTS,
    QUERIES,
    VOCABULARY,
    weights_sha256,
    write_bert,
    write_pylate_v1,
    write_pylate_v2,
    write_pylate_v3,
    write_stanford,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "pylate_1_6_0.npz"


@pytest.fixture(scope="module")
def golden() -> Iterator[np.lib.npyio.NpzFile]:
    with np.load(GOLDEN) as arrays:
        yield arrays


@pytest.fixture
def v3(tmp_path: Path) -> Path:
    folder = tmp_path / "v3"
    write_pylate_v3(folder)
    return folder


def assert_golden(model: MultiVectorEncoder, golden: np.lib.npyio.NpzFile, name: str) -> None:
    sides = {"query": (model.encode_query, QUERIES), "document": (model.encode_document, DOCUMENTS)}
    for side, (encode, texts) in sides.items():
        encoded = encode(list(texts), convert_to_numpy=True)
        assert [len(one) for one in encoded] == golden[f"{name}/{side}_lengths"].tolist()
        np.testing.assert_allclose(np.concatenate(encoded), golden[f"{name}/{side}_embeddings"], atol=1e-4, rtol=0)


def assert_equal_embeddings(left: MultiVectorEncoder, right: MultiVectorEncoder) -> None:
    pairs = [
        (left.encode_query(list(QUERIES)), right.encode_query(list(QUERIES))),
        (left.encode_document(list(DOCUMENTS)), right.encode_document(list(DOCUMENTS))),
    ]
    for ours, theirs in pairs:
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


def state_of(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoint_gives_the_embeddings_of_pylate(name: str, golden: np.lib.npyio.NpzFile, tmp_path: Path):
    CHECKPOINTS[name](tmp_path)
    assert weights_sha256(tmp_path) == str(golden[f"{name}/weights_sha256"])
    before = state_of(tmp_path)

    model = models.ColBERT(tmp_path, device="cpu")

    assert_golden(model, golden, name)
    for side, encode, texts in (
        ("query", models.encode_queries, QUERIES),
        ("document", models.encode_documents, DOCUMENTS),
    ):
        [packed] = encode(model, texts, dtype="float32")
        np.testing.assert_allclose(packed.embeddings, golden[f"{name}/{side}_embeddings"], atol=1e-4, rtol=0)
    assert state_of(tmp_path) == before


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoint_saves_as_a_plain_sentence_transformers_model(name: str, tmp_path: Path):
    folder, saved = tmp_path / "old", tmp_path / "new"
    CHECKPOINTS[name](folder)
    model = models.ColBERT(folder, device="cpu")
    model.save_pretrained(str(saved))

    plain = MultiVectorEncoder(str(saved), device="cpu")

    assert_equal_embeddings(model, plain)
    assert_equal_embeddings(model, models.ColBERT(saved, device="cpu"))
    assert models.fingerprint(plain) == models.fingerprint(model)


def test_first_pylate_format_is_repaired_in_passing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scratch, folder = tmp_path / "scratch", tmp_path / "v1"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    write_pylate_v1(folder)
    repaired = tmp_path / "repaired"
    write_pylate_v1(repaired, dense_type="pylate.models.Dense.Dense")

    model = models.ColBERT(folder, device="cpu")

    assert list(scratch.iterdir()) == []
    assert models.record_of(model).id == str(folder.resolve())
    assert_equal_embeddings(model, models.ColBERT(repaired, device="cpu"))
    assert 'pylate.models.Dense"' in (folder / "modules.json").read_text()


@pytest.mark.parametrize(
    ("write", "overrides", "name"),
    [
        (write_pylate_v3, {"attend_to_expansion_tokens": True}, "pylate_v3_attending"),
        (write_pylate_v2, {"query_expansion": False}, "pylate_v2_unexpanded"),
        (CHECKPOINTS["pylate_v2_unexpanded"], {"query_expansion": True}, "pylate_v2"),
        (write_stanford, {"attend_to_expansion_tokens": True}, "stanford_attending"),
        (CHECKPOINTS["stanford_attending"], {"attend_to_expansion_tokens": False}, "stanford"),
    ],
)
def test_override_equals_a_checkpoint_that_says_so(
    write: Callable[[Path], None],
    overrides: dict[str, bool],
    name: str,
    golden: np.lib.npyio.NpzFile,
    tmp_path: Path,
):
    write(tmp_path)
    assert_golden(models.ColBERT(tmp_path, device="cpu", **overrides), golden, name)


@pytest.mark.parametrize(
    ("overrides", "query_length", "document_length"),
    [
        ({}, 16, 24),
        ({"query_length": 20}, 20, 24),
        ({"query_length": 9, "query_expansion": True}, 9, 24),
        ({"document_length": 12}, 16, 12),
        ({"query_length": 10, "query_expansion": False}, 10, 24),
        ({"query_length": 18, "document_length": 40, "attend_to_expansion_tokens": True}, 18, 40),
    ],
)
def test_lengths_are_overridden_and_survive_saving(
    overrides: dict[str, int], query_length: int, document_length: int, v3: Path, tmp_path: Path
):
    model = models.ColBERT(v3, device="cpu", **overrides)
    model.save_pretrained(str(tmp_path / "saved"))
    long_text = "late rain " * 100
    for one in (model, MultiVectorEncoder(str(tmp_path / "saved"), device="cpu"), models.ColBERT(tmp_path / "saved")):
        assert len(one.encode_query(long_text)) == query_length
        assert len(one.encode_document(long_text)) == document_length
        expands = overrides.get("query_expansion", True)
        assert len(one.encode_query("late")) == (query_length if expands else 4)
    assert_equal_embeddings(model, models.ColBERT(tmp_path / "saved", device="cpu"))


@pytest.mark.parametrize(
    ("words", "tokens"),
    [
        (None, ["[cls]", "[d] ", "the", "old", "song", "[sep]"]),
        ([], ["[cls]", "[d] ", "the", "old", "song", "!", "[sep]"]),
        (["the", "song"], ["[cls]", "[d] ", "old", "!", "[sep]"]),
    ],
)
def test_skiplist_is_overridden_and_survives_saving(
    words: Sequence[str] | None, tokens: list[str], v3: Path, tmp_path: Path
):
    model = models.ColBERT(v3, device="cpu", skiplist_words=words)
    model.save_pretrained(str(tmp_path / "saved"))
    for one in (model, MultiVectorEncoder(str(tmp_path / "saved"), device="cpu")):
        assert [span.token.lower() for span in models.document_spans(one, "the old song!")] == tokens
        assert len(one.encode_document("the old song!")) == len(tokens)


def test_overrides_are_logged_in_one_line(v3: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="colbert_kit"):
        models.ColBERT(v3, device="cpu", query_length=20, document_length=30, skiplist_words=["the"])
    [record] = [one for one in caplog.records if one.name.startswith("colbert_kit")]
    assert record.levelno == logging.WARNING
    assert "\n" not in record.message
    for word in ("query_length=20", "document_length=30", "skiplist_words=['the']"):
        assert word in record.message


def test_checkpoint_as_it_is_logs_nothing(v3: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="colbert_kit"):
        models.ColBERT(v3, device="cpu", embedding_size=DIM, query_prefix="[Q] ", document_prefix="[D] ")
    assert [one for one in caplog.records if one.name.startswith("colbert_kit")] == []


@pytest.mark.parametrize("name", ["pylate_v1", "pylate_v2", "pylate_v3", "stanford"])
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("embedding_size", DIM + 1),
        ("embedding_size", 128),
        ("query_prefix", "[A] "),
        ("query_prefix", ""),
        ("document_prefix", "[B] "),
        ("document_prefix", ""),
    ],
)
def test_contradiction_is_refused_by_name(name: str, argument: str, value: object, tmp_path: Path):
    CHECKPOINTS[name](tmp_path)
    with pytest.raises(InvalidConfig, match=rf"was trained with {argument}=.*, got {argument}="):
        models.ColBERT(tmp_path, device="cpu", **{argument: value})


@pytest.mark.parametrize("argument", ["query_length", "document_length"])
def test_length_beyond_the_positions_of_a_checkpoint_is_refused(argument: str, v3: Path):
    with pytest.raises(InvalidConfig, match=f"{argument} is at most 64 for this encoder, got 65"):
        models.ColBERT(v3, device="cpu", **{argument: 65})


def narrow(folder: Path) -> None:
    """Rewrite a checkpoint's weights in bfloat16."""
    for path in folder.rglob("*.safetensors"):
        save_file({name: one.bfloat16() for name, one in load_file(path).items()}, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config.pop("torch_dtype", None)
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))


@pytest.mark.parametrize("write", [write_pylate_v1, write_pylate_v3, write_stanford, write_bert])
def test_bfloat16_checkpoint_loads_as_float32(write: Callable[[Path], None], tmp_path: Path):
    write(tmp_path / "wide")
    write(tmp_path / "narrow")
    narrow(tmp_path / "narrow")
    arguments = {"document_length": 60} if write is write_bert else {}

    model = models.ColBERT(tmp_path / "narrow", device="cpu", **arguments)

    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.encode_document("the old song").dtype == torch.float32
    wide = models.ColBERT(tmp_path / "wide", device="cpu", **arguments)
    for name, weights in wide.state_dict().items():
        rows = len(VOCABULARY)  # New rows for markers are drawn around the old ones, so they differ a little more.
        torch.testing.assert_close(model.state_dict()[name][:rows], weights[:rows], rtol=8e-3, atol=1e-6)
    model.save_pretrained(str(tmp_path / "saved"))
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert {one.dtype for one in saved.values()} == {torch.float32}


def unlink(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def overwrite(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (unlink("model.safetensors"), "cannot be loaded as a model: .*no file named model.safetensors"),
        (unlink("1_Dense/model.safetensors"), "cannot be loaded as a model: .*model.safetensors"),
        (overwrite("model.safetensors", "abc"), "cannot be loaded as a model"),
        (overwrite("config.json", "{"), "config.json of the model cannot be read as JSON"),
        (overwrite("config.json", "[1]"), "of another shape"),
        (overwrite("config.json", '{"model_type": "nope"}'), "cannot be loaded as a model: .*`nope`"),
        (overwrite("modules.json", '{"a": 1}'), "of another shape"),
        (overwrite("modules.json", "\x00"), "modules.json of the model cannot be read as JSON"),
    ],
)
def test_damaged_checkpoint_is_one_clear_line(damage: Callable[[Path], object], match: str, v3: Path):
    damage(v3)
    with pytest.raises(InvalidFolder, match=match) as caught:
        models.ColBERT(v3, device="cpu")
    assert "\n" not in str(caught.value)


def test_dense_checkpoint_of_sentence_transformers_is_a_bare_encoder(tmp_path: Path):
    folder = tmp_path / "dense"
    write_bert(folder / "0_Transformer")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32}))
    types = {"0_Transformer": "Transformer", "1_Pooling": "Pooling"}
    modules = [
        {"idx": row, "name": str(row), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for row, (path, kind) in enumerate(types.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))

    model = models.ColBERT(folder, document_length=60, device="cpu")

    assert_equal_embeddings(model, models.ColBERT(folder / "0_Transformer", document_length=60, device="cpu"))
