"""A run whose texts' ends learn a dense model's vectors."""

import json
import signal

import pytest
import torch

from colbert_kit import models, training
from colbert_kit.errors import InvalidConfig
from tests.checkpoints import write_bert
from tests.dense import write_dense
from tests.training.runs import ROWS
from tests.training.test_resume import begin, finish


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    bare, folder = tmp_path_factory.mktemp("bare"), tmp_path_factory.mktemp("start")
    write_bert(bare)
    torch.manual_seed(0)
    models.ColBERT(
        bare, embedding_size=16, query_prefix="", document_prefix="", query_expansion=False, query_length=8,
        document_length=24, skiplist_words=(), device="cpu",
    ).save_pretrained(str(folder))  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def dense_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    write_dense(folder, seed=5)
    return folder


@pytest.fixture
def write_config(start, dense_folder, tmp_path):
    def write(name, rows=ROWS, **options):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        config = training.TrainingConfig(
            **{
                "model": str(start), "train": str(path), "loss": "token_distillation", "teachers": str(start),
                "pooled_teacher": str(dense_folder), "device": "cpu", "batch_size": 8, "max_steps": 12,
                "eval_steps": 3, "learning_rate": 5e-3, "eval_fraction": 0, "output_dir": tmp_path / name,
            }
            | options
        )  # fmt: skip
        config.to_file(tmp_path / f"{name}.yaml")
        return config

    return write


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(ROWS, id="positives and negatives"),
        pytest.param([{"query": one["query"], "documents": [one["positive"]]} for one in ROWS], id="lists"),
    ],
)
def test_a_run_learns_and_its_card_names_the_dense_model(write_config, dense_folder, rows):
    config = write_config("run", rows)

    result = training.train(config)

    assert result.steps == 12
    assert dense_folder.name in (config.folder / "README.md").read_text()
    start, made = (models.ColBERT(one, device="cpu") for one in (config.model, config.folder))
    assert not torch.equal(start.encode_query("the river"), made.encode_query("the river"))


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(write_config, tmp_path):
    write_config("whole")
    write_config("killed")
    whole, _ = finish(tmp_path / "whole.yaml")
    process = begin(tmp_path / "killed.yaml", kill_at=8)
    process.communicate()
    assert process.returncode == -signal.SIGKILL

    again, errors = finish(tmp_path / "killed.yaml")

    assert "going on from" in errors
    assert again == whole


def test_a_model_that_has_no_vectors_of_texts_is_refused(write_config, start):
    config = write_config("refused", pooled_teacher=str(start))

    for look in (training.examine_config, training.train):
        with pytest.raises(InvalidConfig, match=r"pooled_teacher is a dense model, got .*, a MultiVectorEncoder"):
            look(config)
    assert not config.folder.exists()
