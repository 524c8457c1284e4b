from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.errors import InvalidConfig

TEXTS = ["a fox", "The quick brown fox jumps over the lazy dog, again and again.", "dogs bark"]
BARE = {"embedding_size": None, "query_prefix": "", "document_prefix": "", "skiplist_words": [], "device": "cpu"}
LENGTH = 60


def build(folder: Path, share: float | None = None) -> MultiVectorEncoder:
    return models.ColBERT(folder, document_length=LENGTH, context_share=share, **BARE)


@pytest.fixture(params=["bert", "roberta", "xlmr"])
def folder(request: pytest.FixtureRequest, encoder_folder: Callable[[str], Path]) -> Path:
    return encoder_folder(request.param)


def test_each_token_is_given_its_share_of_the_mean_of_its_own_text(folder: Path):
    plain, found = build(folder), build(folder, 0.7).encode_document(TEXTS, batch_size=3)

    for text, embeddings in zip(TEXTS, found, strict=True):
        features = plain.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            tokens = plain[0].model(**features).last_hidden_state[0]
        expected = []
        for token in tokens:
            added = token + 0.7 * sum(tokens) / len(tokens)
            even = (added - added.mean()) / added.std(correction=0)
            expected.append(even / even.norm())
        torch.testing.assert_close(embeddings.cpu(), torch.stack(expected), atol=1e-5, rtol=1e-4)


def test_a_model_with_the_layer_opens_elsewhere_as_any_other(folder: Path, tmp_path: Path):
    model = build(folder, 1.0)
    model.save_pretrained(str(tmp_path / "model"))

    again = MultiVectorEncoder(str(tmp_path / "model"), device="cpu")

    assert again[0].config.num_hidden_layers == build(folder)[0].config.num_hidden_layers + 1
    for one, other in zip(model.encode_document(TEXTS), again.encode_document(TEXTS), strict=True):
        assert torch.equal(one, other)
    assert models.fingerprint(again) == models.fingerprint(model) != models.fingerprint(build(folder))


def test_what_is_encoded_for_an_index_is_the_same(folder: Path):
    model = build(folder, 1.0)

    packed = next(iter(models.encode_documents(model, TEXTS, dtype="float32")))

    torch.testing.assert_close(
        torch.from_numpy(packed.embeddings).float(), torch.cat(model.encode_document(TEXTS)).cpu(), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("family", ["gpt2", "modernbert"])
def test_encoders_of_another_kind_are_refused(family: str, encoder_folder: Callable[[str], Path]):
    with pytest.raises(InvalidConfig, match=r"context_share needs an encoder whose layers are those of BERT"):
        build(encoder_folder(family), 1.0)


@pytest.mark.parametrize("share", [0.0, -1.0, float("nan"), float("inf")])
def test_a_share_that_is_none_is_refused(share: float, encoder_folder: Callable[[str], Path]):
    with pytest.raises(InvalidConfig, match="context_share must be more than 0, got"):
        build(encoder_folder("bert"), share)


def test_a_checkpoint_gets_the_layer_before_its_projection(encoder_folder: Callable[[str], Path], tmp_path: Path):
    arguments = BARE | {"embedding_size": 8}
    models.ColBERT(encoder_folder("bert"), document_length=LENGTH, **arguments).save_pretrained(str(tmp_path / "model"))
    plain = models.ColBERT(tmp_path / "model", device="cpu")

    found = models.ColBERT(tmp_path / "model", context_share=0.7, device="cpu").encode_document(TEXTS[1])

    with torch.no_grad():
        tokens = plain[0].model(**plain.tokenizer(TEXTS[1], return_tensors="pt")).last_hidden_state[0]
        given = torch.nn.functional.layer_norm(tokens + 0.7 * tokens.mean(0), tokens.shape[1:])
        expected = given @ plain[1].linear.weight.T
    torch.testing.assert_close(found, expected / expected.norm(dim=1, keepdim=True), atol=1e-5, rtol=1e-4)
