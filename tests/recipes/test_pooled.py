"""Adapting with a dense teacher."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sentence_transformers import SentenceTransformer

from colbert_kit import models, recipes
from colbert_kit.errors import InvalidConfig
from tests.dense import write_dense
from tests.recipes.test_adapt import PAIRS, SETTINGS

SHORT = SETTINGS | {"max_steps": 2, "eval_steps": 1}
"""What pairs teach is tested elsewhere."""


@pytest.fixture(scope="module")
def dense_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    write_dense(folder)
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, PAIRS)))
    return path


@pytest.fixture(scope="module")
def adapted(tiny_model_folder, dense_folder, pairs, tmp_path_factory):
    output = tmp_path_factory.mktemp("adapted") / "out"
    recipes.adapt(str(tiny_model_folder), str(pairs), output, teacher=str(dense_folder), settings=SHORT)
    return output


def ends(model, texts):
    """Of each text the first and the last token, (texts, 2, dim)."""
    return torch.stack([torch.from_numpy(np.asarray(model.encode_document(text)))[[0, -1]] for text in texts])


def inner(model, texts):
    return torch.cat([torch.from_numpy(np.asarray(model.encode_document(text)))[1:-1] for text in texts])


def test_the_ends_of_texts_come_to_say_what_the_dense_model_says(adapted, dense_folder):
    before, after = (models.ColBERT(adapted / name, device="cpu") for name in ("model-of-pairs", "model"))
    texts = sorted({one["positive"] for one in PAIRS})
    dense = SentenceTransformer(str(dense_folder), device="cpu").encode(texts, convert_to_tensor=True)
    dense = torch.nn.functional.normalize(dense, dim=1)
    dense = torch.nn.functional.normalize(dense - dense.mean(dim=0), dim=1)
    taught = dense @ dense.T

    def agreement(model):
        """The correlation of similarities over all pairs of texts."""
        first = ends(model, texts)[:, 0]
        there = ~torch.eye(len(texts), dtype=torch.bool)
        return float(torch.corrcoef(torch.stack([(first @ first.T)[there], taught[there]]))[0, 1])

    # Two layers of 32 dimensions, all at random, pool little: it comes from 0.11 to 0.25.
    assert agreement(after) > agreement(before) + 0.07


def test_all_other_tokens_stay_near_to_what_the_pairs_made_them(adapted):
    before, after = (models.ColBERT(adapted / name, device="cpu") for name in ("model-of-pairs", "model"))
    texts = sorted({one["positive"] for one in PAIRS})

    left, right = inner(before, texts), inner(after, texts)

    assert float(((left @ left.T) - (right @ right.T)).abs().mean()) < 0.1


def test_the_report_names_the_teacher_and_both_trainings(adapted, dense_folder):
    report = (adapted / "report.md").read_text()

    assert f"its [CLS] and [SEP] learnt the vectors of `{dense_folder}`" in report
    configs = [json.loads(part.partition("```")[0]) for part in report.split("```json")[1:]]
    assert [one["loss"] for one in configs] == ["contrastive", "token_distillation"]
    assert len(pq.read_table(adapted / "pairs.parquet")) >= len(pq.read_table(adapted / "rows.parquet"))


def test_what_was_stopped_in_the_second_training_goes_on(tiny_model_folder, dense_folder, pairs, tmp_path):
    def stop(progress):
        if (tmp_path / "out" / "model").exists() and progress.stage == "training":
            raise KeyboardInterrupt

    arguments = (str(tiny_model_folder), str(pairs), tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        recipes.adapt(*arguments, teacher=str(dense_folder), settings=SHORT, on_progress=stop)
    made = (tmp_path / "out" / "model-of-pairs" / "model.safetensors").stat().st_mtime_ns

    result = recipes.adapt(*arguments, teacher=str(dense_folder), settings=SHORT)

    assert (tmp_path / "out" / "model-of-pairs" / "model.safetensors").stat().st_mtime_ns == made
    assert models.ColBERT(result.model_dir, device="cpu")


def test_a_dense_teacher_is_given_by_its_name(tiny_model_folder, dense_folder, pairs, tmp_path):
    dense = SentenceTransformer(str(dense_folder), device="cpu")

    with pytest.raises(InvalidConfig, match="takes a dense teacher by its name"):
        recipes.adapt(str(tiny_model_folder), str(pairs), tmp_path / "out", teacher=dense)
    assert not (tmp_path / "out").exists()
