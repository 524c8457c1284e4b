"""Models of every kind, by their names."""

import pytest
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer
from transformers import AutoModelForSequenceClassification

from colbert_kit import models
from colbert_kit.errors import InvalidConfig, InvalidFolder
from tests.checkpoints import write_bert
from tests.dense import write_dense


@pytest.fixture
def bare(tmp_path):
    write_bert(tmp_path / "bare")
    return tmp_path / "bare"


def test_a_dense_model_is_loaded_as_one(tmp_path):
    written = write_dense(tmp_path / "dense")

    model = models.load_scorer(str(tmp_path / "dense"), device="cpu")

    assert type(model) is SentenceTransformer
    assert model.encode("the rain") == pytest.approx(written.encode("the rain"))


def test_a_late_interaction_model_is_loaded_as_one(tiny_model_folder):
    assert isinstance(models.load_scorer(str(tiny_model_folder), device="cpu"), MultiVectorEncoder)


@pytest.mark.parametrize("by", ["transformers", "sentence-transformers"])
def test_a_cross_encoder_is_known_whoever_wrote_it(bare, tmp_path, by):
    AutoModelForSequenceClassification.from_pretrained(bare, num_labels=1).save_pretrained(tmp_path / "one")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "one" / name).write_bytes((bare / name).read_bytes())
    if by == "sentence-transformers":
        CrossEncoder(str(tmp_path / "one"), device="cpu").save_pretrained(str(tmp_path / "two"))
    folder = tmp_path / ("one" if by == "transformers" else "two")

    model = models.load_scorer(str(folder), device="cpu")

    assert isinstance(model, CrossEncoder)
    expected = CrossEncoder(str(tmp_path / "one"), device="cpu").predict([("a song", "the rain")])
    assert model.predict([("a song", "the rain")]) == pytest.approx(expected, abs=1e-6)


def test_an_encoder_by_itself_and_an_empty_folder_are_no_scorers(bare, tmp_path):
    with pytest.raises(InvalidConfig, match="scores no texts: it is an encoder by itself"):
        models.load_scorer(str(bare))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidFolder, match="holds no model"):
        models.load_scorer(str(tmp_path / "empty"))
