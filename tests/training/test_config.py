"""Training configs: what is refused, and in which words."""

import json

import pytest

from colbert_kit.errors import InvalidConfig
from colbert_kit.training import DataSource, TrainingConfig

LEAST = {"model": "bert-base-uncased", "train": "me/pairs"}


def test_the_least_config_is_a_model_and_rows():
    config = TrainingConfig(**LEAST)

    assert config.train == (DataSource(path="me/pairs"),)
    assert config.run_name == "contrastive-bert-base-uncased"
    assert str(config.output_dir) == "output/contrastive-bert-base-uncased"


@pytest.mark.parametrize(
    ("loss", "temperature"),
    [("contrastive", 0.02), ("cached_contrastive", 0.02), ("distillation", 1.0), ("margin_mse", None)],
)
def test_the_temperature_left_out_is_the_losss_own(loss, temperature):
    assert TrainingConfig(**LEAST, loss=loss).temperature == temperature


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rat": 1}, r"learning_rat is no setting of TrainingConfig\. There are: .*learning_rate"),
        ({"train": None}, "train"),
        ({"learning_rate": -1, "batch_size": "many"}, r"batch_size: .* got 'many'; learning_rate: .* got -1"),
        ({"gradient_accumulation": 2}, "cached_contrastive"),
        ({"batch_size": 1}, "batch_size must be 2 or more"),
        ({"loss": "triplet"}, "loss: .*'contrastive'.* got 'triplet'"),
        ({"loss": "margin_mse", "temperature": 1.0}, "margin_mse has no temperature"),
        ({"loss": ["contrastive"]}, "loss: "),
        ({"learning_rate": float("inf")}, "learning_rate: "),
        ({"device": "cuda:1"}, "device: "),
        ({"train": {"path": "a", "queries": "b"}}, "queries and documents belong together"),
        ({"train": {"pth": "a"}}, "train.0: path is needed; pth is no setting of DataSource"),
        ({"keep_checkpoints": 1}, "keep_checkpoints"),
        ({"freeze_encoder": True, "lora": {}}, "choose one"),
        ({"format_version": 2}, "format_version"),
    ],
)
def test_what_cannot_work_is_refused_by_name(change, message):
    with pytest.raises(InvalidConfig, match=message):
        TrainingConfig(**(LEAST | change))


def test_a_config_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        TrainingConfig(**LEAST).seed = 3


@pytest.mark.parametrize("name", ["config.yaml", "config.json"])
def test_a_file_gives_back_what_was_written(tmp_path, name):
    config = TrainingConfig(
        **LEAST, eval={"path": "scifact", "split": "dev"}, lora={"rank": 8}, skiplist_words=["!"], max_steps=5
    )
    config.to_file(tmp_path / name)

    assert TrainingConfig.from_file(tmp_path / name) == config


def test_a_file_is_read_as_people_write_it(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "model: bert-base-uncased\ntrain:\n  - pairs.jsonl\n  - {path: me/more, limit: 10}\nlearning_rate: 3e-6\n"
    )

    config = TrainingConfig.from_file(path)

    assert config.learning_rate == 3e-6
    assert [one.limit for one in config.train] == [None, 10]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("- a\n- b\n", "must hold settings"),
        ("a: [", "cannot be read"),
        ("model: x\n", "train is needed"),
    ],
)
def test_a_file_that_is_no_config_is_refused_with_its_name(tmp_path, content, message):
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_text(content)

    with pytest.raises(InvalidConfig, match=f"config.yaml.*{message}"):
        TrainingConfig.from_file(path)


def test_json_of_a_config_holds_only_plain_values():
    assert json.loads(TrainingConfig(**LEAST).model_dump_json())["output_dir"].startswith("output/")
