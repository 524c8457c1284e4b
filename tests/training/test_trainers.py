"""The seed's scripts: the same batches and losses with either of sentence-transformers' trainers."""

import copy
import json

import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    MultiVectorEncoderTrainer,
    MultiVectorEncoderTrainingArguments,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)

from colbert_kit import evaluation, losses, models, training, utils
from colbert_kit.errors import InvalidInput
from colbert_kit.training.trainer import make_trainer
from tests.checkpoints import write_bert

ROWS = [
    {"query": "the old song", "positive": "who sings the song of the river", "negative": "rain on the mountain"},
    {"query": "train", "positive": "a night train to the city", "negative": "music"},
    {"query": "rain", "positive": "the rain on the mountain", "negative": "the old song"},
    {"query": "river", "positive": "bread by the river", "negative": "a night train"},
]
TRAINERS = {
    "sentence": (SentenceTransformerTrainer, SentenceTransformerTrainingArguments),
    "multi-vector": (MultiVectorEncoderTrainer, MultiVectorEncoderTrainingArguments),
}


def train(kind, model, loss, rows, folder, **options):
    trainer_class, arguments_class = TRAINERS[kind]
    arguments = arguments_class(
        output_dir=str(folder), max_steps=6, per_device_train_batch_size=2, learning_rate=1e-2, logging_steps=1,
        report_to="none", use_cpu=True, seed=3, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    options = {"data_collator": utils.ColBERTCollator(model.tokenize)} | options
    trainer = trainer_class(model=model, args=arguments, train_dataset=rows, loss=loss, **options)
    trainer.train()
    return [one["loss"] for one in trainer.state.log_history if "loss" in one]


@pytest.mark.parametrize("name", ["Contrastive", "CachedContrastive"])
def test_both_trainers_give_the_same_losses_and_weights(tiny_model, tmp_path, name):
    found = {}
    for kind in TRAINERS:
        model = copy.deepcopy(tiny_model)
        said = train(kind, model, getattr(losses, name)(model, temperature=0.1), Dataset.from_list(ROWS), tmp_path)
        found[kind] = (said, model.state_dict())

    (plain, plain_weights), (multi, multi_weights) = found.values()
    assert len(plain) == 6
    assert plain == multi
    assert plain[-1] < plain[0]
    for weight, tensor in plain_weights.items():
        assert torch.equal(tensor, multi_weights[weight])


def test_distillation_learns_the_teachers_order_from_ids(tiny_model, tmp_path):
    documents = [{"document_id": number, "text": text} for number, text in enumerate(["song", "rain", "city", "train"])]
    queries = [{"query_id": 10 + number, "text": text} for number, text in enumerate(["the song", "a train"])]
    train_rows = Dataset.from_list(
        [
            {"query_id": 10, "document_ids": [0, 1, 2], "scores": [9.0, 1.0, 4.0]},
            {"query_id": 11, "document_ids": [3, 1, 0], "scores": [8.0, 5.0, 0.0]},
        ]
    )
    train_rows.set_transform(utils.KDProcessing(Dataset.from_list(queries), Dataset.from_list(documents)).transform)
    model = copy.deepcopy(tiny_model)
    said = train("multi-vector", model, losses.Distillation(model, temperature=0.5), train_rows, tmp_path)
    assert said[-1] < said[0]


def test_a_compiled_model_trains_and_saves_as_one_that_is_not(tiny_model, tmp_path):
    model = torch.compile(copy.deepcopy(tiny_model), backend="eager")
    evaluator = evaluation.ColBERTTripletEvaluator(
        *[[row[name] for row in ROWS] for name in ("query", "positive", "negative")], write_csv=False
    )
    loss = losses.Contrastive(model=model, temperature=0.1)
    train("sentence", model, loss, Dataset.from_list(ROWS), tmp_path, evaluator=evaluator)
    model.save_pretrained(str(tmp_path / "saved"))

    again = models.ColBERT(str(tmp_path / "saved"), device="cpu")
    for before, after in zip(model.encode_query(["song", "rain"]), again.encode_query(["song", "rain"]), strict=True):
        torch.testing.assert_close(before, after)


def test_without_our_collator_the_loss_refuses_and_names_it(tiny_model, tmp_path):
    model = copy.deepcopy(tiny_model)
    with pytest.raises(InvalidInput, match="ColBERTCollator"):
        train("sentence", model, losses.Contrastive(model), Dataset.from_list(ROWS), tmp_path, data_collator=None)


def test_on_a_cpu_attention_in_bfloat16_is_not_the_fused_one_and_the_saved_model_does_not_say_so(tmp_path):
    write_bert(tmp_path / "encoder")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(map(json.dumps, ROWS)))
    seen = []
    for precision in ("float32", "bf16"):
        config = training.TrainingConfig(
            model=str(tmp_path / "encoder"), train=str(rows), device="cpu", precision=precision, max_steps=1,
            batch_size=4, eval_fraction=0, document_length=24, query_length=8, output_dir=tmp_path / precision,
        )  # fmt: skip
        model = models.ColBERT(config.model, document_length=24, query_length=8, device="cpu")
        trainer = make_trainer(config, model, {"rows": training.load_rows(config.train[0])}, None)
        trainer.train()
        model.save_pretrained(str(tmp_path / precision))
        seen.append(model[0].model.config._attn_implementation)

    assert seen == ["sdpa", "eager"]
    assert models.ColBERT(tmp_path / "bf16")[0].model.config._attn_implementation == "sdpa"
