from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.errors import InvalidConfig
from tests.checkpoints import DOCUMENTS, QUERIES, VOCABULARY
from tests.encoders import ENCODERS, PADDED_VOCABULARY

EncoderFolder = Callable[[str], Path]


@pytest.mark.parametrize(("task", "marker"), [("query", "[Q] "), ("document", "[D] ")])
@pytest.mark.parametrize("text", ["what is late interaction?", "", " Old songs", "!", "\u6771\u4eac"])
def test_marker_stays_one_token_and_is_scored(family_model: MultiVectorEncoder, task: str, marker: str, text: str):
    tokenizer = family_model.tokenizer
    features = family_model.preprocess([text], prompt=family_model.prompts[task], task=task)
    tokens = tokenizer.convert_ids_to_tokens(features["input_ids"][0])
    # First, or second after what the tokenizer puts before every text.
    assert tokens.index(marker) == (0 if tokenizer.bos_token is None and tokenizer.cls_token is None else 1)
    assert tokens.count(marker) == 1
    spans = models.query_spans if task == "query" else models.document_spans
    assert marker in [span.token for span in spans(family_model, text)]


def test_what_follows_the_marker_is_tokenised_as_at_the_start_of_a_text(family_model: MultiVectorEncoder):
    tokenizer = family_model.tokenizer
    plain = tokenizer("late interaction", add_special_tokens=False)["input_ids"]
    marked = tokenizer("[Q] late interaction", add_special_tokens=False)["input_ids"]
    assert marked[1:] == plain


def test_bare_encoder_follows_the_recipe(family_model: MultiVectorEncoder):
    queries = family_model.encode_query(list(QUERIES))
    documents = family_model.encode_document([*DOCUMENTS, "the river " * 200])
    assert {tuple(one.shape) for one in queries} == {(32, 128)}
    assert {one.shape[1] for one in documents} == {128}
    assert len(documents[-1]) == 60
    norms = torch.cat([*queries, *documents]).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    assert {parameter.dtype for parameter in family_model.parameters()} == {torch.float32}
    assert not family_model.training


def test_texts_come_out_different(family_model: MultiVectorEncoder):
    # A model whose every token is unknown, or whose marker swallows the text, passes all other tests.
    one, other = family_model.encode_document(["the river runs", "the old song"])
    length = min(len(one), len(other))
    assert (one[:length] - other[:length]).abs().max() > 0.05


def test_built_model_reloads_with_equal_embeddings_and_fingerprint(family_model: MultiVectorEncoder, tmp_path: Path):
    family_model.save_pretrained(str(tmp_path / "saved"))
    for again in (
        MultiVectorEncoder(str(tmp_path / "saved"), device="cpu"),
        models.ColBERT(tmp_path / "saved", device="cpu"),
    ):
        for encode in ("encode_query", "encode_document"):
            ours = getattr(family_model, encode)([*QUERIES, *DOCUMENTS, ""])
            theirs = getattr(again, encode)([*QUERIES, *DOCUMENTS, ""])
            for one, other in zip(ours, theirs, strict=True):
                torch.testing.assert_close(one, other, rtol=0, atol=0)
        assert models.fingerprint(again) == models.fingerprint(family_model)


def test_saved_files_name_no_class_of_ours(family_model: MultiVectorEncoder, tmp_path: Path):
    family_model.save_pretrained(str(tmp_path / "saved"))
    texts = [path for path in (tmp_path / "saved").rglob("*") if path.suffix in {".json", ".md", ".txt"}]
    assert {path.name for path in texts} >= {"modules.json", "config.json", "config_sentence_transformers.json"}
    for path in texts:
        assert "colbert_kit" not in path.read_text(encoding="utf-8"), path.name
    modules = json.loads((tmp_path / "saved" / "modules.json").read_text())
    assert all(module["type"].startswith("sentence_transformers.") for module in modules)


@pytest.mark.slow
def test_built_models_reload_in_a_process_without_the_kit(tmp_path: Path, encoder_folder: EncoderFolder):
    expected, folders = [], []
    for family in ENCODERS:
        model = models.ColBERT(encoder_folder(family), document_length=60, device="cpu")
        model.save_pretrained(str(tmp_path / family))
        expected += [models.fingerprint(model)] * 2
        folders += [str(tmp_path / family), str(encoder_folder(family))]
    code = (
        "import sys\n"
        "from sentence_transformers import MultiVectorEncoder\n"
        "saved = [MultiVectorEncoder(folder, device='cpu') for folder in sys.argv[1::2]]\n"
        "assert all(len(model.encode_document('the old song')) for model in saved)\n"
        "assert 'colbert_kit' not in sys.modules\n"
        "from colbert_kit import models\n"
        "built = [models.ColBERT(folder, document_length=60, device='cpu') for folder in sys.argv[2::2]]\n"
        "print(*[models.fingerprint(model) for pair in zip(saved, built) for model in pair])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True, check=True)
    # The second fingerprint of each is of a model built there: its projection is the same in two processes.
    assert done.stdout.split() == expected


def test_projection_is_the_same_every_time_and_leaves_the_random_state_alone(encoder_folder: EncoderFolder):
    fingerprints = set()
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        model = models.ColBERT(encoder_folder("bert"), document_length=60, device="cpu")
        assert torch.equal(torch.get_rng_state(), before)
        fingerprints.add(models.fingerprint(model))
    assert len(fingerprints) == 1


def test_random_projection_is_warned_of_in_one_line(encoder_folder: EncoderFolder, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="colbert_kit"):
        models.ColBERT(encoder_folder("bert"), document_length=60, embedding_size=8, device="cpu")
    [record] = [one for one in caplog.records if one.name.startswith("colbert_kit")]
    assert record.levelno == logging.WARNING
    assert "projection from 32 to 8 dimensions is random" in record.message
    assert "\n" not in record.message


def test_without_embedding_size_there_is_no_projection(encoder_folder: EncoderFolder, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="colbert_kit"):
        model = models.ColBERT(encoder_folder("bert"), document_length=60, embedding_size=None, device="cpu")
    assert [type(module).__name__ for module in model] == ["Transformer", "MultiVectorMask", "Normalize"]
    assert model.encode_query("late interaction").shape == (32, 32)
    assert [one for one in caplog.records if one.name.startswith("colbert_kit")] == []


def test_padded_vocabulary_never_shrinks(encoder_folder: EncoderFolder):
    model = models.ColBERT(encoder_folder("qwen"), device="cpu")
    assert model[0].model.get_input_embeddings().num_embeddings == PADDED_VOCABULARY
    assert model[0].config.vocab_size == PADDED_VOCABULARY


@pytest.mark.parametrize(
    ("prefixes", "new_rows"),
    [(("[Q] ", "[D] "), 2), (("[unused0]", "[unused1]"), 0), (("", ""), 0), (("[Q] ", ""), 1), (("[X] ", "[X] "), 1)],
)
def test_only_new_markers_get_rows(prefixes: tuple[str, str], new_rows: int, encoder_folder: EncoderFolder):
    model = models.ColBERT(
        encoder_folder("bert"), document_length=60, query_prefix=prefixes[0], document_prefix=prefixes[1], device="cpu"
    )
    rows = len(VOCABULARY) + new_rows
    assert model[0].model.get_input_embeddings().num_embeddings == len(model.tokenizer) == rows
    ids = model.preprocess(["late"], prompt=prefixes[1], task="document")["input_ids"][0]
    assert len(ids) == 3 + bool(prefixes[1])


def test_settings_of_the_recipe_take_effect(encoder_folder: EncoderFolder, tmp_path: Path):
    model = models.ColBERT(
        encoder_folder("bert"),
        embedding_size=8,
        query_length=10,
        document_length=12,
        query_expansion=False,
        skiplist_words=["the"],
        device="cpu",
    )
    model.save_pretrained(str(tmp_path / "saved"))
    for one in (model, MultiVectorEncoder(str(tmp_path / "saved"), device="cpu")):
        assert one.encode_query("late").shape == (4, 8)
        assert one.encode_query("late rain " * 50).shape == (10, 8)
        assert one.encode_document("late rain " * 50).shape == (12, 8)
        assert [span.token for span in models.document_spans(one, "the rain!")] == [
            "[CLS]",
            "[D] ",
            "rain",
            "!",
            "[SEP]",
        ]


def test_attending_to_expansion_tokens_changes_the_embeddings(encoder_folder: EncoderFolder):
    one, other = (
        models.ColBERT(encoder_folder("bert"), document_length=60, attend_to_expansion_tokens=attend, device="cpu")
        for attend in (False, True)
    )
    assert (one.encode_query("late") - other.encode_query("late")).abs().max() > 1e-3
    torch.testing.assert_close(one.encode_document("late"), other.encode_document("late"))


def test_decoder_that_pads_on_the_left_keeps_its_marker(encoder_folder: EncoderFolder, tmp_path: Path):
    folder = tmp_path / "left"
    shutil.copytree(encoder_folder("qwen"), folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "padding_side": "left"}))
    model = models.ColBERT(folder, device="cpu")
    assert model.tokenizer.padding_side == "left"
    texts = ["late interaction", "", "the river runs to the city " * 9]
    assert all("[Q] " in [span.token for span in models.query_spans(model, text)] for text in texts)
    [packed] = models.encode_documents(model, texts, dtype="float32")
    for ours, text in zip(packed, texts, strict=True):
        torch.testing.assert_close(torch.from_numpy(ours), model.encode_document(text), rtol=0, atol=1e-5)


def test_tokenizer_without_padding_and_end_is_refused(encoder_folder: EncoderFolder, tmp_path: Path):
    folder = tmp_path / "endless"
    shutil.copytree(encoder_folder("gpt2"), folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config = {key: value for key, value in config.items() if key != "eos_token"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(InvalidConfig, match="neither a padding nor an end-of-text token"):
        models.ColBERT(folder, device="cpu")


@pytest.mark.parametrize(("family", "longest"), [("bert", 64), ("roberta", 64), ("xlmr", 64), ("gpt2", 256)])
def test_length_beyond_the_positions_of_the_encoder_is_refused(
    family: str, longest: int, encoder_folder: EncoderFolder
):
    # RoBERTa's table has 66 rows, of which the first two are never a text's.
    model = models.ColBERT(encoder_folder(family), document_length=longest, device="cpu")
    assert len(model.encode_document("the river runs to the city " * 99)) == longest
    for argument in ("query_length", "document_length"):
        lengths = {"document_length": 60} | {argument: longest + 1}
        with pytest.raises(InvalidConfig, match=f"{argument} is at most {longest} for this encoder"):
            models.ColBERT(encoder_folder(family), device="cpu", **lengths)
