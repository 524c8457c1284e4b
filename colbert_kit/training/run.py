"""``train``: from a config to a folder that ``models.ColBERT`` loads."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder, MultiVectorEncoderTrainer
from torch import nn
from transformers import TrainerState

from colbert_kit import models
from colbert_kit.errors import InvalidConfig
from colbert_kit.folders import locked, make_folder
from colbert_kit.progress import OnProgress
from colbert_kit.training.adapters import add_adapters
from colbert_kit.training.checks import check_machine, check_run, examine_run
from colbert_kit.training.config import TrainingConfig
from colbert_kit.training.doctor import Finding
from colbert_kit.training.holdout import hold_out
from colbert_kit.training.output import begin, find_start, finish
from colbert_kit.training.reporting import Report
from colbert_kit.training.sources import load_rows
from colbert_kit.training.trainer import (
    check_model,
    load_pooled_teacher,
    load_teachers,
    make_trainer,
    metric_of,
    projection_of,
)

__all__ = ["TrainingResult", "examine_config", "train"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    Args:
        output_dir: The folder of the model.
        steps: Optimiser steps of the whole run.
        best_step: The step whose weights were kept.
        metric: What checkpoints were chosen by; None where nothing was evaluated.
        start: Its value before the first step.
        best: Its value at ``best_step``.
        seconds: Of this process; a run that was resumed took longer.
    """

    output_dir: Path
    steps: int
    best_step: int
    metric: str | None
    start: float | None
    best: float | None
    seconds: float


def train(config: TrainingConfig, *, override: bool = False, on_progress: OnProgress | None = None) -> TrainingResult:
    """Train a model, and keep the checkpoint that retrieves best on what was held out.

    Queries and documents have the markers, lengths and expansion that ``encode_query`` and ``encode_document`` give
    them. A run that was killed goes on from its last whole checkpoint when it is started again, on a CPU bit for bit
    as if nothing had happened. Several GPUs: ``torchrun --nproc_per_node 4 -m colbert_kit.cli train CONFIG``.

    Args:
        config: The run.
        override: Begin anew where ``config.output_dir`` holds another run, or this one finished.
        on_progress: Called after each step.

    Returns:
        What came of it. ``models.ColBERT(result.output_dir)`` loads the model, and so does sentence-transformers.

    Raises:
        InvalidConfig: The config does not go with the model, the data or this machine, or ``output_dir`` holds
            another run.
        InvalidData: Rows cannot be read, or do not fit the loss.

    Example:
        >>> result = train(TrainingConfig(model="bert-base-uncased", train="pairs.jsonl"))  # doctest: +SKIP
        >>> model = models.ColBERT(result.output_dir)  # doctest: +SKIP
    """
    with models.without_library_bars():
        return _train(config, override, on_progress)


def _train(config: TrainingConfig, override: bool, on_progress: OnProgress | None) -> TrainingResult:
    started = time.perf_counter()
    check_machine(config)
    resumed = _agreed(lambda: find_start(config, override), config)
    torch.manual_seed(config.seed)
    model = _load_model(config)
    rows, evaluator = hold_out(config, _load_sources(config))
    teachers = load_teachers(config)
    check_model(config, model, teachers)
    check_run(config, model, rows, evaluator)
    pooled = load_pooled_teacher(config, rows)
    with contextlib.ExitStack() as stack:
        if is_first_process():
            make_folder(config.folder)
            stack.enter_context(locked(config.folder))
        trainer = make_trainer(config, model, rows, evaluator, teachers, pooled)
        trainer.add_callback(Report(metric_of(evaluator), on_progress))
        if is_first_process():
            begin(config, resumed)
        _run(trainer, resumed)
        trainer.save_model(str(config.folder))
        result = _result(config, trainer, metric_of(evaluator), time.perf_counter() - started)
        if is_first_process():
            finish(config, asdict(result))
    return result


def _run(trainer: MultiVectorEncoderTrainer, resumed: Path | None) -> None:
    """Train, or where only the end was missing load what the end would have chosen."""
    if resumed is not None:
        state = TrainerState.load_from_json(str(resumed / "trainer_state.json"))
        if state.global_step >= state.max_steps > 0:
            trainer.state = state
            best = state.best_model_checkpoint if trainer.args.load_best_model_at_end else None
            trainer._load_from_checkpoint(str(best or resumed))
            return
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)


def is_first_process() -> bool:
    """Whether this is the process that writes, of those that train together."""
    return int(os.environ.get("RANK", "0")) == 0


def _agreed(decide: Callable[[], Path | None], config: TrainingConfig) -> Path | None:
    """What the first process decides, in all of them."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return decide()
    # Said outright: left to find out, accelerate sets up a backend through which documents cannot be gathered.
    state = PartialState(cpu=config.device == "cpu" or not torch.cuda.is_available())
    decided = [decide() if state.is_main_process else None]
    broadcast_object_list(decided)
    return decided[0]


def examine_config(config: TrainingConfig) -> list[Finding]:
    """Everything that ``train`` would look at before its first step; nothing is written.

    Raises:
        InvalidConfig: The config does not go with the model, this machine or the output folder.
        InvalidData: Rows cannot be read.
    """
    check_machine(config)
    find_start(config, override=False)
    with models.without_library_bars():
        model = _load_model(config)
        check_model(config, model, load_teachers(config))
        rows, evaluator = hold_out(config, _load_sources(config))
        load_pooled_teacher(config, rows)
        return examine_run(config, model, rows, evaluator)


def _load_sources(config: TrainingConfig) -> dict[str, Dataset]:
    return {f"{number}_{Path(source.path).name}": load_rows(source) for number, source in enumerate(config.train)}


def _load_model(config: TrainingConfig) -> MultiVectorEncoder:
    model = models.ColBERT(
        config.model,
        revision=config.revision,
        embedding_size=config.embedding_size,
        query_prefix=config.query_prefix,
        document_prefix=config.document_prefix,
        query_length=config.query_length,
        document_length=config.document_length,
        query_expansion=config.query_expansion,
        skiplist_words=config.skiplist_words,
        context_share=config.context_share,
        device=config.device,
    )
    if config.dropout is not None:
        for module in model[0].modules():
            if isinstance(module, nn.Dropout):
                module.p = config.dropout
    if config.lora is not None:
        add_adapters(model, config.lora)
    if config.freeze_encoder:
        if projection_of(model) is None:
            raise InvalidConfig("freeze_encoder trains the projection alone, and the model has none.")
        model[0].requires_grad_(False)
    return model


def _result(
    config: TrainingConfig, trainer: MultiVectorEncoderTrainer, metric: str | None, seconds: float
) -> TrainingResult:
    state = trainer.state
    start = next((entry[metric] for entry in state.log_history if metric in entry), None)
    if start is not None and state.best_metric is not None and state.best_metric <= start:
        logger.warning("Training did not help: nDCG@10 was %.4f before it and %.4f at best.", start, state.best_metric)
    return TrainingResult(
        output_dir=config.folder,
        steps=state.global_step,
        best_step=(state.best_global_step if metric else None) or state.global_step,
        metric=metric,
        start=start,
        best=state.best_metric if metric else None,
        seconds=seconds,
    )
