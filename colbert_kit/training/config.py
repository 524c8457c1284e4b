"""``TrainingConfig``: everything a training run is made of, in one file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BeforeValidator, Field, model_validator

from colbert_kit.errors import InvalidConfig
from colbert_kit.training.settings import DataSource, LoRA, Settings, TeacherSource, as_source, as_sources

__all__ = ["LOSSES", "DataSource", "LoRA", "TeacherSource", "TrainingConfig", "read_settings"]

Loss = Literal[
    "contrastive", "cached_contrastive", "distillation", "margin_mse", "token_distillation", "in_batch_distillation"
]
WITH_TEACHERS = ("token_distillation", "in_batch_distillation")
LOSSES: tuple[str, ...] = get_args(Loss)
"""Names of losses that a config may give."""
Precision = Literal["auto", "float32", "bf16", "fp16"]

TEMPERATURES: dict[str, float] = {"contrastive": 0.02, "cached_contrastive": 0.02, "distillation": 1.0}
"""Where a config says none. 0.02 is what the literature trains contrastively with; the loss classes themselves default
to 1.0, as PyLate's do, so that a script moved from there trains as before."""


class TrainingConfig(Settings):
    """A training run: model, data, loss, schedule, what is kept.

    Frozen; equal configs make equal runs on one machine. ``from_file`` and ``to_file`` keep it as YAML or JSON.

    Raises:
        InvalidConfig: A key is unknown or a value cannot work; all of them are named at once.

    Example:
        >>> config = TrainingConfig(model="bert-base-uncased", train="pairs.jsonl")
        >>> config.temperature, str(config.output_dir)
        (0.02, 'output/contrastive-bert-base-uncased')
    """

    format_version: Literal[1] = 1
    """Of this file."""

    model: str
    """A folder or Hub repository: a late-interaction checkpoint, or any encoder, which gets a projection."""
    revision: str | None = None
    """The branch, tag or commit of ``model``."""
    embedding_size: int | Literal["auto"] | None = "auto"
    """Width of a token embedding; ``auto`` is the checkpoint's own, 128 for a bare encoder; null no projection."""
    query_prefix: str | None = None
    """The query marker of a bare encoder; ``"[Q] "`` where None. A checkpoint's cannot be changed."""
    document_prefix: str | None = None
    """The document marker of a bare encoder; ``"[D] "`` where None."""
    query_length: int | None = Field(default=None, ge=2)
    """Tokens of a query; the checkpoint's own or 32 where None."""
    document_length: int | None = Field(default=None, ge=2)
    """Tokens of a document at most; the checkpoint's own or 180 where None. Training time grows with it."""
    query_expansion: bool | None = None
    """Pad queries with mask tokens that are scored; the checkpoint's own or true where None."""
    skiplist_words: tuple[str, ...] | None = None
    """Document tokens that are not scored; the checkpoint's own or punctuation where None. Leave it empty for code."""
    context_share: Annotated[float, Field(gt=0)] | None = None
    """A layer more, which adds so much of its text's mean to each token; none where None. A model that has one gets
    another."""

    train: Annotated[tuple[DataSource, ...], BeforeValidator(as_sources), Field(min_length=1)]
    """Rows to learn from: one source or several, each a path or a mapping. A batch holds rows of one of them."""
    eval: Annotated[DataSource | None, BeforeValidator(as_source)] = None
    """What the best checkpoint is chosen by: a BEIR folder, or rows like ``train``'s. Where None, ``eval_fraction`` of
    the training queries is held out."""
    eval_fraction: float = Field(default=0.01, ge=0, lt=1)
    """Of the queries, held out with all their rows; 0 evaluates nothing and keeps the last checkpoint."""
    eval_queries: int = Field(default=500, ge=1)
    """Queries held out at most: where nDCG@10 varies by 0.35 from query to query, the mean of 500 is known to 0.016."""
    eval_documents: int = Field(default=2000, ge=1)
    """Documents they are searched in: their own, filled up with the training set's."""

    loss: Loss = "contrastive"
    """``cached_contrastive`` for batches that do not fit in memory; ``distillation`` and ``margin_mse`` need scores,
    ``token_distillation`` and ``in_batch_distillation`` need ``teachers``."""
    teachers: Annotated[tuple[TeacherSource, ...], BeforeValidator(as_sources)] = ()
    """Larger models of the same tokenizer, whose token similarities (token distillation) or scores of all documents of
    a batch (in-batch distillation) are learnt."""
    teacher_context: float = Field(default=0.0, ge=0)
    """Token distillation: so much of its text's mean is added to each of a teacher's token embeddings. In-batch
    distillation: so much of the cosine of the texts' means is added to its scores."""
    pooled_teacher: Annotated[TeacherSource | None, BeforeValidator(as_source)] = None
    """Token distillation: a dense model besides, whose vector of a text its [CLS] and [SEP] learn; all other tokens
    learn from ``teachers``, the start model for one."""
    keep_teachers: Path | None = None
    """A folder in which the teachers' token embeddings are kept, so that a text is encoded once for all runs."""
    temperature: Annotated[float, Field(gt=0)] | None = None
    """Scores are divided by it; 0.02 (contrastive) or 1.0 (distillation) where None."""
    score_metric: Literal["colbert", "xtr", "pylate", "fused"] = "colbert"
    """How token similarities become a score."""
    normalize_scores: bool = True
    """Distillation: bring the model's scores of a query to [0, 1] first, as PyLate does."""
    mini_batch_size: int = Field(default=32, ge=1)
    """Cached contrastive: texts embedded at once; memory grows with it, the result does not change."""
    gather_across_devices: bool = False
    """Contrastive losses: compare with the documents of all devices."""

    epochs: float = Field(default=1.0, gt=0)
    """Times each row is seen."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Optimiser steps; replaces ``epochs``."""
    batch_size: int = Field(default=32, ge=1)
    """Rows a step and device. A contrastive loss compares within it, so more is better, up to about 128."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Batches a step. Refused for contrastive losses, which would not see across them."""
    learning_rate: float = Field(default=1e-5, gt=0)
    """Peak. 3e-6 to 3e-5 for full weights, ten times that for LoRA."""
    projection_learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Peak for the projection alone, which starts at random in a bare encoder."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Fraction of the steps in which the learning rate rises from 0; it falls linearly to 0 afterwards."""
    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to it."""
    lora: LoRA | None = None
    """Train adapters in place of the encoder's weights."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Of the encoder, in place of its own; 0 where it learns from teachers, and half the time of a step on a CPU."""
    freeze_encoder: bool = False
    """Train the projection alone: nothing is computed backwards through the encoder, which stays as it is."""
    group_by_length: bool = True
    """Rows of like length share a batch, which saves padding; the batches come in random order."""
    precision: Precision = "auto"
    """``auto``: bfloat16 autocast where the device is faster in it, else float32. ``fp16`` needs CUDA."""
    compile: bool = False
    """``torch.compile``: pays on GPUs in long runs."""
    seed: int = 42
    """Of the order of rows, dropout and new weights."""
    device: Literal["cpu"] | None = None
    """None for the best there is; ``CUDA_VISIBLE_DEVICES`` says which GPU."""

    run_name: str | None = None
    """Reaches the tracker and names the folder; made of loss and model where None."""
    output_dir: Path | None = None
    """Holds checkpoints while training, and the final model; ``output/{run_name}`` where None."""
    eval_steps: Annotated[int, Field(ge=1)] | None = None
    """Steps from one evaluation and checkpoint to the next; a tenth of the run where None."""
    keep_checkpoints: int = Field(default=3, ge=3)
    """While training: the best, the last whole one, and the one that is being written."""
    logging_steps: int = Field(default=10, ge=1)
    """Steps from one line of the log to the next."""
    report_to: tuple[str, ...] = ()
    """Trackers of transformers': ``trackio``, ``wandb``, ``tensorboard``."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:  # noqa: ANN401 - pydantic's
        if not isinstance(values, dict):
            return values
        values = dict(values)
        loss = values.get("loss", "contrastive")
        if values.get("temperature") is None and isinstance(loss, str) and loss in TEMPERATURES:
            values["temperature"] = TEMPERATURES[loss]
        model = str(values.get("model", "model")).rstrip("/")
        values["run_name"] = values.get("run_name") or f"{loss}-{re.sub('[^A-Za-z0-9._-]', '-', Path(model).name)}"
        values["output_dir"] = values.get("output_dir") or Path("output") / str(values["run_name"])
        return values

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if "contrastive" in self.loss and self.gradient_accumulation > 1:
            raise ValueError(
                "gradient_accumulation does not go with a contrastive loss, whose small batches would not see each "
                'other\'s documents; use loss "cached_contrastive" with a larger batch_size and a mini_batch_size'
            )
        if "contrastive" in self.loss and self.batch_size < 2:
            raise ValueError("a contrastive loss compares within a batch; batch_size must be 2 or more")
        if self.loss in ("margin_mse", *WITH_TEACHERS) and self.temperature is not None:
            raise ValueError(f"{self.loss} has no temperature")
        if (self.loss in WITH_TEACHERS) != bool(self.teachers):
            raise ValueError(f"teachers go with the losses {' and '.join(WITH_TEACHERS)}, which need one or more")
        if (self.keep_teachers is not None or self.teacher_context) and not self.teachers:
            raise ValueError("keep_teachers or teacher_context is given, and there are no teachers")
        if self.pooled_teacher is not None and self.loss != "token_distillation":
            raise ValueError(f"pooled_teacher goes with the loss token_distillation, got {self.loss}")
        if self.freeze_encoder and self.lora is not None:
            raise ValueError(
                "freeze_encoder trains the projection alone, lora trains adapters of the encoder; choose one"
            )
        return self

    @property
    def folder(self) -> Path:
        """``output_dir``, which validation has filled."""
        assert self.output_dir is not None
        return self.output_dir

    @classmethod
    def from_file(cls, path: str | Path) -> TrainingConfig:
        """Read YAML or JSON (YAML takes both).

        Raises:
            InvalidConfig: The file cannot be read or holds no such config.
        """
        values = read_settings(path)
        try:
            return cls(**values)
        except InvalidConfig as error:
            raise InvalidConfig(f"{path}: {error}") from None

    def to_file(self, path: str | Path) -> None:
        """Write YAML, or JSON where the name ends in .json; ``from_file`` gives an equal config."""
        values = self.model_dump(mode="json", exclude_defaults=True) | {"format_version": self.format_version}
        as_json = Path(path).suffix == ".json"
        text = json.dumps(values, indent=2) if as_json else yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        Path(path).write_text(text + ("\n" if as_json else ""), encoding="utf-8")


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read settings, some or all of ``TrainingConfig``'s, from YAML or JSON.

    Raises:
        InvalidConfig: The file cannot be read or holds no settings.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidConfig(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise InvalidConfig(f"{path} must hold settings ('model: ...'), got {type(values).__name__}.")
    return {str(key): value for key, value in values.items()}
