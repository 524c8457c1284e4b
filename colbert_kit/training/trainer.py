"""sentence-transformers' trainer, its arguments and its loss, from a config."""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from sentence_transformers import (
    MultiVectorEncoder,
    MultiVectorEncoderTrainer,
    MultiVectorEncoderTrainingArguments,
    SentenceTransformer,
)
from sentence_transformers.base.modules import Dense
from torch import nn
from transformers import PrinterCallback

from colbert_kit import losses, models
from colbert_kit.errors import InvalidConfig
from colbert_kit.evaluation import InformationRetrievalEvaluator
from colbert_kit.training.adapters import AdapterTrainer, ColBERTTrainer
from colbert_kit.training.batches import ColBERTBatchSampler
from colbert_kit.training.checkpoints import FinishCheckpoints
from colbert_kit.training.collator import ColBERTCollator
from colbert_kit.training.columns import text_columns, unfolded
from colbert_kit.training.config import TrainingConfig
from colbert_kit.training.sources import is_lazy

__all__ = ["check_model", "load_pooled_teacher", "load_teachers", "make_trainer", "metric_of", "projection_of"]

EVALUATIONS = 10
"""Of a run, where the config says nothing."""

SAMPLE = 500
"""Documents whose vectors' mean is taken off a pooled teacher's: it is then known to a twentieth of their spread."""

LONGEST_EAGER = 512
"""Tokens up to which attention's matrices are kept for the way back: 12 heads of 32 texts are then 200 MB a layer."""


def make_trainer(
    config: TrainingConfig,
    model: MultiVectorEncoder,
    rows: dict[str, Dataset],
    evaluator: InformationRetrievalEvaluator | None,
    teachers: Sequence[MultiVectorEncoder] = (),
    pooled: losses.PooledTeacher | None = None,
) -> MultiVectorEncoderTrainer:
    """The trainer of a run.

    Args:
        config: The run.
        model: What is trained; with adapters, where the config has them.
        rows: Training rows by the name of their source.
        evaluator: What the best checkpoint is chosen by.
        teachers: Whose token embeddings are learnt.
        pooled: Whose vectors of texts are learnt beside them.

    Raises:
        InvalidConfig: The config does not go with the model.
    """
    args = _arguments(config, model, rows, evaluator)
    if args.bf16 and args.use_cpu:
        _take_eager_attention(model)
    trained: Any = torch.compile(model) if config.compile else model
    trainer_class = AdapterTrainer if config.lora is not None else ColBERTTrainer
    trainer = trainer_class(
        model=trained,
        args=args,
        train_dataset=next(iter(rows.values())) if len(rows) == 1 else DatasetDict(rows),
        loss=_loss(config, trained, teachers, pooled, keep=_keep(config)),
        evaluator=evaluator,
        data_collator=ColBERTCollator(model, args=args),
        callbacks=[FinishCheckpoints()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _take_eager_attention(model: MultiVectorEncoder) -> None:
    """Leave torch's fused attention, whose backward pass is slow in bfloat16 on a CPU.

    With torch 2.11 it takes half of a step's time: 64 texts of 70 tokens through MiniLM forwards and backwards in 2.1 s
    with it and in 1.1 s without, on one core with AMX. What is saved does not name it.
    """
    encoder: Any = model[0]
    lengths = [getattr(encoder, name, None) or 0 for name in ("query_length", "document_length")]
    config = getattr(encoder.model, "config", None)
    if getattr(config, "_attn_implementation", None) == "sdpa" and 0 < max(lengths) <= LONGEST_EAGER:
        encoder.model.set_attn_implementation("eager")


def _arguments(
    config: TrainingConfig,
    model: MultiVectorEncoder,
    rows: dict[str, Dataset],
    evaluator: InformationRetrievalEvaluator | None,
) -> MultiVectorEncoderTrainingArguments:
    every = config.eval_steps or max(1, math.ceil(_steps(config, rows) / EVALUATIONS))
    precision = _precision(config, model.device)
    chosen: dict[str, Any] = {}
    if evaluator is not None:
        chosen = {
            "eval_strategy": "steps",
            "eval_steps": every,
            "eval_on_start": True,
            "load_best_model_at_end": True,
            "metric_for_best_model": metric_of(evaluator),
            "greater_is_better": True,
        }
    return MultiVectorEncoderTrainingArguments(
        output_dir=str(config.folder),
        run_name=config.run_name,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps or -1,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        learning_rate_mapping=_learning_rates(config, model),
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=model.device.type == "cpu",
        seed=config.seed,
        data_seed=config.seed,
        batch_sampler=_sampler(config, rows),
        save_strategy="steps",
        save_steps=every,
        save_total_limit=config.keep_checkpoints,
        logging_steps=config.logging_steps,
        report_to=list(config.report_to) or "none",
        disable_tqdm=True,
        **chosen,
    )


def _learning_rates(config: TrainingConfig, model: MultiVectorEncoder) -> dict[str, float]:
    if config.projection_learning_rate is None:
        return {}
    place = projection_of(model)
    if place is None:
        raise InvalidConfig("projection_learning_rate is given, and the model has no projection.")
    return {rf"(^|\.){place}\.linear\.": config.projection_learning_rate}


def projection_of(model: MultiVectorEncoder) -> int | None:
    """The place of the projection among the model's modules."""
    return next((place for place, module in enumerate(model) if isinstance(module, Dense)), None)


def _sampler(config: TrainingConfig, rows: dict[str, Dataset]) -> Any:  # noqa: ANN401 - a class, or its name
    if any(is_lazy(one) for one in rows.values()):
        # Their texts are looked up when a batch is made, so nothing can be sorted by them.
        return "batch_sampler"
    return functools.partial(
        ColBERTBatchSampler, by_length=config.group_by_length, in_batch_negatives="contrastive" in config.loss
    )


def _steps(config: TrainingConfig, rows: dict[str, Dataset]) -> int:
    per_step = config.batch_size * config.gradient_accumulation * int(os.environ.get("WORLD_SIZE", "1"))
    return config.max_steps or max(1, math.ceil(config.epochs * sum(len(one) / per_step for one in rows.values())))


def _precision(config: TrainingConfig, device: torch.device) -> str:
    if config.precision != "auto":
        return config.precision
    return "bf16" if models.choose_dtype("auto", device) == "bfloat16" else "float32"


def check_model(config: TrainingConfig, model: MultiVectorEncoder, teachers: Sequence[MultiVectorEncoder] = ()) -> None:
    """Refuse settings that the model or this machine has no use for.

    Raises:
        InvalidConfig: There is one.
    """
    _learning_rates(config, model)
    _loss(config, model, teachers)


def load_teachers(config: TrainingConfig) -> list[MultiVectorEncoder]:
    """The models whose token embeddings are learnt: checkpoints as they are, encoders with their own embeddings.

    They compute in what the training does: a teacher in float32 takes as long as all else in a step in bfloat16.

    Raises:
        RepoNotFound: There is no such folder or repository.
    """
    # An encoder gets markers, which it is never given: the student's own tokens are all it sees.
    loaded = [
        models.ColBERT(one.path, revision=one.revision, embedding_size=None, device=config.device)
        for one in config.teachers
    ]
    return [one.bfloat16() if _precision(config, one.device) == "bf16" else one for one in loaded]


def load_pooled_teacher(config: TrainingConfig, rows: dict[str, Dataset]) -> losses.PooledTeacher | None:
    """The dense model whose vectors are learnt, centred on the first documents of all sets.

    Raises:
        InvalidConfig: It is no dense model.
        RepoNotFound: There is no such folder or repository.
    """
    source = config.pooled_teacher
    if source is None:
        return None
    model = models.load_scorer(source.path, revision=source.revision, device=config.device)
    if not isinstance(model, SentenceTransformer):
        raise InvalidConfig(f"pooled_teacher is a dense model, got {source.path}, a {type(model).__name__}.")
    if _precision(config, model.device) == "bf16":
        model = model.bfloat16()
    sample = [text for one in rows.values() for text in _first_documents(one, SAMPLE // len(rows))]
    return losses.PooledTeacher(model, sample)


def _first_documents(rows: Dataset, most: int) -> list[str]:
    """The positive of each of the first rows, or the first document of its list."""
    columns = [unfolded(row) for row in itertools.islice(rows, most)]
    return [row[text_columns(row)[1]] for row in columns]


def _keep(config: TrainingConfig) -> Path | None:
    """Where this process keeps teachers' embeddings; each of several has a folder of its own."""
    if config.keep_teachers is None or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return config.keep_teachers
    return config.keep_teachers / f"process-{os.environ.get('RANK', '0')}"


def _loss(
    config: TrainingConfig,
    model: Any,  # noqa: ANN401 - compiled or not
    teachers: Sequence[MultiVectorEncoder],
    pooled: losses.PooledTeacher | None = None,
    keep: Path | None = None,
) -> nn.Module:
    metric = config.score_metric
    temperature = config.temperature or 1.0
    if config.loss == "contrastive":
        return losses.Contrastive(
            model, temperature, gather_across_devices=config.gather_across_devices, score_metric=metric
        )
    if config.loss == "cached_contrastive":
        return losses.CachedContrastive(
            model,
            temperature,
            mini_batch_size=config.mini_batch_size,
            gather_across_devices=config.gather_across_devices,
            score_metric=metric,
        )
    if config.loss == "distillation":
        return losses.Distillation(
            model, normalize_scores=config.normalize_scores, temperature=temperature, score_metric=metric
        )
    weights = [one.weight for one in config.teachers]
    if config.loss == "token_distillation":
        return losses.TokenDistillation(
            model, teachers, weights, context=config.teacher_context, pooled=pooled, keep=keep
        )
    if config.loss == "in_batch_distillation":
        return losses.InBatchDistillation(model, teachers, weights, context=config.teacher_context, keep=keep)
    return losses.MarginMSE(model, score_metric=metric)


def metric_of(evaluator: InformationRetrievalEvaluator | None) -> str | None:
    """nDCG@10, by the name under which the trainer knows it."""
    return None if evaluator is None else f"eval_{evaluator.name}_maxsim_ndcg@10"
