"""A training run: from a config to a folder that loads, with the best of its checkpoints."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import MultiVectorEncoder

from colbert_kit import evaluation, models, training
from colbert_kit.errors import ColbertKitError, FolderBusy, InvalidConfig, InvalidData, InvalidInput
from colbert_kit.folders import locked
from colbert_kit.training.holdout import hold_out
from tests.checkpoints import write_bert
from tests.training.runs import ROWS, weights_of


@pytest.fixture(scope="module")
def bare_encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    write_bert(folder)
    return folder


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return path


@pytest.fixture(scope="module")
def settings(bare_encoder, rows):
    return {
        "model": str(bare_encoder), "train": str(rows), "device": "cpu", "embedding_size": 16, "query_length": 8,
        "document_length": 24, "batch_size": 8, "max_steps": 12, "eval_fraction": 0.1, "learning_rate": 5e-3,
        "eval_steps": 4, "temperature": 0.1,
        # Where bfloat16 is faster, a run is evaluated in it, and so tiny a model then ranks otherwise than in float32.
        "precision": "float32",
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    config = training.TrainingConfig(**settings, output_dir=tmp_path_factory.mktemp("run") / "model")
    seen = []
    return config, training.train(config, on_progress=seen.append), seen


def test_the_folder_loads_in_plain_sentence_transformers_and_holds_no_pickle(run):
    config, result, _ = run
    ours, theirs = models.ColBERT(result.output_dir, device="cpu"), MultiVectorEncoder(str(result.output_dir))

    assert result.output_dir == config.output_dir
    assert torch.equal(ours.encode_query("the river"), theirs.encode_query("the river"))
    left = {path.name for path in result.output_dir.rglob("*") if path.is_file()}
    assert {"model.safetensors", "training_config.json", "training_result.json", "README.md"} <= left
    assert not any(name.endswith((".bin", ".pt", ".pth")) for name in left)


def figures(caplog):
    """nDCG@10 by step, as the log tells it."""
    found = re.findall(r"step (\d+) of \d+: nDCG@10 ([\d.]+)", caplog.text)
    return {int(step): float(value) for step, value in found}


@pytest.mark.parametrize("lora", [None, {"rank": 4}], ids=["full", "adapters"])
def test_the_weights_that_retrieved_best_are_the_ones_kept(settings, beir_folder, tmp_path, caplog, lora):
    # With so high a rate the last weights are worse than some before.
    options = settings | {"learning_rate": 0.03, "max_steps": 18, "eval_steps": 3, "lora": lora}
    source = {"path": str(beir_folder), "split": "dev"}
    with caplog.at_level("INFO", logger="colbert_kit"):
        result = training.train(training.TrainingConfig(**options, eval=source, output_dir=tmp_path / "out"))
    told = figures(caplog)

    assert list(told) == [0, 3, 6, 9, 12, 15, 18]
    assert result.start == pytest.approx(told.pop(0), abs=1e-4)
    assert result.best == pytest.approx(max(told.values()), abs=1e-4)
    assert told[result.best_step] == max(told.values()) > told[18]
    evaluator = evaluation.InformationRetrievalEvaluator.from_beir(beir_folder, "dev", write_csv=False)
    assert evaluator(models.ColBERT(result.output_dir, device="cpu"))["songs-dev_maxsim_ndcg@10"] == result.best


def test_the_last_step_is_evaluated_though_it_is_no_multiple(settings, tmp_path, caplog):
    config = training.TrainingConfig(**settings | {"max_steps": 6, "eval_steps": 4}, output_dir=tmp_path / "out")
    with caplog.at_level("INFO", logger="colbert_kit"):
        training.train(config)

    assert list(figures(caplog)) == [0, 4, 6]


def test_each_step_is_told(run):
    _, result, seen = run

    assert [one.done for one in seen] == list(range(1, result.steps + 1))
    assert {one.total for one in seen} == {result.steps}


def test_a_finished_run_is_not_trained_again_unless_asked(run):
    config, _, _ = run
    before = weights_of(config.output_dir)

    with pytest.raises(InvalidConfig, match="finished; override=True"):
        training.train(config)
    assert weights_of(config.output_dir) == before


def test_a_folder_with_a_run_of_other_settings_is_refused_by_their_names(run):
    config, _, _ = run
    other = config.model_copy(update={"learning_rate": 1.0, "seed": 1})

    with pytest.raises(InvalidConfig, match=r"other settings \(learning_rate, seed\)"):
        training.train(other)


def test_a_folder_that_holds_something_else_is_left_alone(settings, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")

    for override in (False, True):
        with pytest.raises(InvalidConfig, match="holds something that is no training run"):
            training.train(training.TrainingConfig(**settings, output_dir=tmp_path), override=override)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_that_cannot_begin_leaves_the_one_it_was_to_replace(run):
    config, _, _ = run
    before = sorted(path.relative_to(config.output_dir) for path in config.output_dir.rglob("*"))
    mistaken = training.TrainingConfig(**config.model_dump() | {"train": "no/such/file.jsonl"})

    with pytest.raises(InvalidInput, match="there is no file"):
        training.train(mistaken, override=True)
    assert sorted(path.relative_to(config.output_dir) for path in config.output_dir.rglob("*")) == before


def test_override_trains_anew_to_the_same_weights(run, settings, tmp_path):
    _, result, _ = run
    config = training.TrainingConfig(**settings, output_dir=tmp_path / "again")
    training.train(config)
    again = training.train(config, override=True)

    assert weights_of(again.output_dir) == weights_of(result.output_dir)


def test_adapters_leave_the_encoder_as_it_was_until_they_are_merged(settings, tmp_path):
    config = training.TrainingConfig(
        **settings, lora={"rank": 2}, projection_learning_rate=1e-2, output_dir=tmp_path / "lora"
    )
    result = training.train(config)
    before = models.ColBERT(config.model, embedding_size=16, document_length=24, device="cpu").state_dict()
    after = models.ColBERT(result.output_dir, device="cpu").state_dict()

    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("projection" in name or "linear" in name for name in moved)
    assert any(".attention." in name for name in moved)
    assert not any("embeddings" in name or "LayerNorm" in name or name.endswith("bias") for name in moved)
    for name in (one for one in moved if ".attention." in one):
        assert torch.linalg.matrix_rank(after[name] - before[name], atol=1e-5) <= 2
    assert not (result.output_dir / "trained.safetensors").exists()
    assert any("lora_A" in name for name in load_file(result.output_dir / "adapters.safetensors"))


def test_with_a_frozen_encoder_the_projection_alone_moves(settings, tmp_path):
    config = training.TrainingConfig(**settings, freeze_encoder=True, output_dir=tmp_path / "frozen")
    result = training.train(config)
    before = models.ColBERT(config.model, embedding_size=16, document_length=24, device="cpu").state_dict()
    after = models.ColBERT(result.output_dir, device="cpu").state_dict()

    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"1.linear.weight"}


@pytest.mark.parametrize("loss", ["cached_contrastive", "distillation", "margin_mse"])
def test_every_loss_trains(settings, tmp_path, loss):
    rows = [{"query": one["query"], "documents": [one["positive"], *one["negatives"]], "scores": [1.0, 0.2]}
            for one in ROWS] if loss in ("distillation", "margin_mse") else ROWS  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    options = settings | {"train": str(path), "loss": loss, "max_steps": 4, "mini_batch_size": 4}
    options["temperature"] = None

    result = training.train(training.TrainingConfig(**options, output_dir=tmp_path / "out"))

    assert result.steps == 4


def test_a_query_held_out_of_one_source_is_learnt_from_in_none(settings, rows, tmp_path):
    shouted = tmp_path / "shouted.jsonl"
    shouted.write_text("\n".join(json.dumps(one | {"query": one["query"].upper()}) for one in ROWS))
    config = training.TrainingConfig(**settings | {"train": [str(rows), str(shouted)]}, output_dir=tmp_path / "out")

    kept, evaluator = hold_out(config, {source.path: training.load_rows(source) for source in config.train})

    learnt = {text.lower() for one in kept.values() for text in one["query"]}
    assert len(evaluator.queries) == 18  # nine, each in two spellings
    assert not learnt & {text.lower() for text in evaluator.queries}


def test_a_run_of_which_the_end_alone_was_missing_ends_as_it_would_have(run, settings, tmp_path, monkeypatch):
    _, whole, _ = run
    config = training.TrainingConfig(**settings, output_dir=tmp_path / "out")

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("colbert_kit.training.run.finish", stop)
        with pytest.raises(KeyboardInterrupt):
            training.train(config)
    steps = []
    result = training.train(config, on_progress=steps.append)

    assert steps == []
    assert (result.steps, result.best_step, result.best) == (whole.steps, whole.best_step, whole.best)
    assert weights_of(result.output_dir) == weights_of(whole.output_dir)


def test_devices_that_would_wait_for_each_other_for_ever_are_refused(settings, tmp_path):
    uneven = tmp_path / "uneven.jsonl"
    uneven.write_text("\n".join(json.dumps(one | {"negatives": ["rain"] * (n % 3)}) for n, one in enumerate(ROWS)))
    options = settings | {"train": str(uneven), "gather_across_devices": True}

    with pytest.raises(InvalidData, match="as many negatives in every row, and they are 0 to 2"):
        training.train(training.TrainingConfig(**options, output_dir=tmp_path / "out"))


def test_two_processes_do_not_write_one_folder(settings, tmp_path):
    config = training.TrainingConfig(**settings, output_dir=tmp_path / "out")
    config.output_dir.mkdir()
    with locked(config.output_dir), pytest.raises(FolderBusy, match="another process"):
        training.train(config)


def test_several_sources_are_trained_on_together(settings, rows, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("\n".join(json.dumps({"anchor": one["query"], "answer": one["positive"]}) for one in ROWS[:40]))
    options = settings | {"train": [str(rows), {"path": str(pairs)}], "max_steps": None, "eval_steps": 20}

    result = training.train(training.TrainingConfig(**options, output_dir=tmp_path / "out"))

    assert result.steps == pytest.approx((90 * 0.9 + 40 * 0.9) / 8, abs=2)


def test_ids_with_separate_texts_are_looked_up(settings, tmp_path):
    for name, lines in {
        "train": [{"query_id": n, "document_ids": [n, (n + 1) % 30], "scores": [0.9, 0.1]} for n in range(30)],
        "queries": [{"query_id": n, "text": ROWS[n]["query"]} for n in range(30)],
        "documents": [{"document_id": n, "text": ROWS[n]["positive"]} for n in range(30)],
    }.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = {name: str(tmp_path / f"{name}.jsonl") for name in ("queries", "documents")}
    source["path"] = str(tmp_path / "train.jsonl")
    options = settings | {"train": source, "loss": "distillation", "max_steps": 3, "temperature": None}

    result = training.train(training.TrainingConfig(**options, output_dir=tmp_path / "out"))

    assert result.start is not None


def test_the_best_checkpoint_may_be_chosen_on_a_beir_folder(settings, beir_folder, tmp_path):
    config = training.TrainingConfig(
        **settings, eval={"path": str(beir_folder), "split": "dev"}, output_dir=tmp_path / "out"
    )

    result = training.train(config)

    assert result.metric == f"eval_{beir_folder.name}-dev_maxsim_ndcg@10"
    assert 0 < result.best <= 1


@pytest.fixture
def beir_folder(tmp_path):
    folder = tmp_path / "songs"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{n}", "title": "", "text": one["positive"]} for n, one in enumerate(ROWS[:20])]
    queries = [{"_id": f"q{n}", "text": f"history of {one['query']}"} for n, one in enumerate(ROWS[:20])]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    judged = "".join(f"q{n}\td{n}\t1\n" for n in range(20))
    (folder / "qrels" / "dev.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    return folder


def test_evaluation_queries_among_the_training_queries_are_refused(settings, beir_folder, tmp_path):
    queries = [{"_id": f"q{n}", "text": one["query"].upper()} for n, one in enumerate(ROWS[:20])]
    (beir_folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    config = training.TrainingConfig(**settings, eval={"path": str(beir_folder)}, output_dir=tmp_path / "out")

    with pytest.raises(InvalidData, match="20 of 20 evaluation queries are in the training data"):
        training.train(config)
    assert not config.output_dir.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": "fp16"}, "fp16 needs CUDA.*bf16 or auto"),
        ({"report_to": ["no_such_tracker"]}, "not installed: pip install no_such_tracker"),
        ({"document_length": 4000}, "document_length is at most"),
        ({"eval_fraction": 0.999}, "leaves no rows"),
        ({"lora": {"targets": ["qkv"]}}, "no linear layer is called qkv"),
        ({"train": "no/such/file.jsonl"}, "there is no file"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(settings, tmp_path, change, message):
    config = training.TrainingConfig(**(settings | change), output_dir=tmp_path / "out")

    with pytest.raises(ColbertKitError, match=message):
        training.train(config)
    assert not config.output_dir.exists()


def test_a_checkpoints_marker_cannot_be_changed_by_a_config(run, settings, tmp_path):
    _, result, _ = run
    options = settings | {"model": str(result.output_dir), "embedding_size": "auto", "query_prefix": "query: "}

    with pytest.raises(InvalidConfig, match="query_prefix"):
        training.train(training.TrainingConfig(**options, output_dir=tmp_path / "out"))


def test_rows_that_lack_negatives_are_learnt_from_and_counted_in_the_card(settings, tmp_path):
    path = tmp_path / "rows.jsonl"
    uneven = [
        {"query": one["query"], "positive": one["positive"], "negative": None if n % 3 else "the old song"}
        for n, one in enumerate(ROWS)
    ]
    path.write_text("\n".join(map(json.dumps, uneven)))
    config = training.TrainingConfig(
        **settings | {"train": str(path), "max_steps": 2, "eval_fraction": 0}, output_dir=tmp_path / "out"
    )

    training.train(config)

    card = (tmp_path / "out" / "README.md").read_text()
    assert "<code>negative</code>" in card
    assert models.ColBERT(config.output_dir, device="cpu").encode_query("rain").shape == (8, 16)


def test_a_bare_encoder_gets_the_layer_that_adds_the_mean_and_keeps_it(settings, tmp_path):
    config = training.TrainingConfig(
        **(settings | {"max_steps": 2, "eval_steps": 1}),
        context_share=0.5,
        freeze_encoder=True,
        output_dir=tmp_path / "model",
    )
    layers = json.loads(Path(config.model, "config.json").read_text())["num_hidden_layers"]

    trained = models.ColBERT(training.train(config).output_dir, device="cpu")[0]

    assert trained.config.num_hidden_layers == layers + 1
    value = trained.model.encoder.layer[-1].attention.self.value.weight
    assert torch.equal(value, torch.eye(len(value)))


@pytest.mark.parametrize(
    ("loss", "name"), [("token_distillation", "TokenDistillation"), ("in_batch_distillation", "InBatchDistillation")]
)
def test_a_run_learns_from_a_teacher_and_keeps_its_embeddings(settings, tmp_path, loss, name):
    teacher = tmp_path / "teacher"
    # A checkpoint with lengths that the tiny encoder has positions for.
    write_bert(tmp_path / "other")
    models.ColBERT(
        tmp_path / "other", embedding_size=None, query_prefix="", document_prefix="", document_length=24,
        query_length=8, device="cpu",
    ).save_pretrained(str(teacher))  # fmt: skip
    options = settings | {"query_prefix": "", "document_prefix": "", "query_expansion": False, "temperature": None}
    config = training.TrainingConfig(
        **options | {"max_steps": 4, "eval_steps": 2}, loss=loss, skiplist_words=(),
        teachers=[{"path": str(teacher), "weight": 0.5}], keep_teachers=tmp_path / "kept",
        output_dir=tmp_path / "out",
    )  # fmt: skip

    result = training.train(config)

    assert result.steps == 4
    assert len(list((tmp_path / "kept").glob("*/texts.idx"))) == 1
    assert name in (tmp_path / "out" / "README.md").read_text()
    assert models.ColBERT(config.output_dir, device="cpu").encode_document("rain").shape[1] == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "token_distillation"}, "teachers go with the losses token_distillation and in_batch"),
        ({"teachers": "somewhere"}, "teachers go with the losses token_distillation and in_batch"),
        ({"loss": "token_distillation", "teachers": "t", "temperature": 0.5}, "token_distillation has no temperature"),
        ({"keep_teachers": "folder"}, "keep_teachers or teacher_context is given, and there are no teachers"),
        ({"loss": "token_distillation", "teachers": {"path": "t", "weight": 0}}, "weight: input should be greater"),
        ({"loss": "in_batch_distillation", "teachers": "t", "pooled_teacher": "d"}, "goes with the loss token_dist"),
    ],
)
def test_teachers_and_their_loss_belong_together(settings, changes, message):
    with pytest.raises(InvalidConfig, match=message):
        training.TrainingConfig(**settings | {"temperature": None} | changes)
