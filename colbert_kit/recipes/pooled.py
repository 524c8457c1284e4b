"""After the pairs: a dense teacher's vectors of texts, learnt by [CLS] and [SEP]."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from datasets import Dataset
from torch import nn

from colbert_kit import models
from colbert_kit.progress import OnProgress
from colbert_kit.recipes.rows import write_rows
from colbert_kit.training import DataSource, LoRA, TeacherSource, TrainingConfig, train
from colbert_kit.training.trainer import projection_of

__all__ = ["learn_pooled"]

PAIRS = "pairs.parquet"
SETTINGS: dict[str, Any] = {
    "loss": "token_distillation",
    "dropout": 0.0,
    "learning_rate": 5e-4,
    "projection_learning_rate": 1e-3,
    "weight_decay": 0.0,
    "batch_size": 32,
    "max_steps": 200,
    "eval_fraction": 0,
}
"""Of the second training, the same for few pairs and for many: what is learnt is how to pool, not the pairs."""
RANK = 64
KEPT = ("precision", "device", "seed", "compile", "report_to", "logging_steps")
"""Of the first training's settings."""


def learn_pooled(
    first: TrainingConfig,
    pairs: list[dict[str, str]],
    teacher: str,
    folder: Path,
    *,
    on_progress: OnProgress | None = None,
) -> TrainingConfig:
    """Teach what the first training made a dense model's vectors; all but [CLS] and [SEP] learn to stay.

    It comes last: pairs learnt afterwards would take from the two tokens what they had learnt.

    Args:
        first: The training before, finished.
        pairs: Texts to learn on, each row a query and its positive.
        teacher: The dense model: a folder or Hub repository.
        folder: Where the pairs are kept, and the model is made, in ``model``.
        on_progress: Called after each step.

    Returns:
        The training that made it.
    """
    if not (folder / PAIRS).exists():
        write_rows(Dataset.from_list(pairs), folder / PAIRS)
    learnt: Any = models.ColBERT(first.folder, device="cpu")
    settings = SETTINGS | {name: getattr(first, name) for name in KEPT}
    if projection_of(learnt) is None:
        del settings["projection_learning_rate"]
    config = TrainingConfig(
        **settings,
        model=str(first.folder),
        train=(DataSource(path=str(folder / PAIRS)),),
        teachers=(TeacherSource(path=str(first.folder)),),
        pooled_teacher=TeacherSource(path=teacher),
        lora=LoRA(rank=RANK, alpha=RANK, targets=_upper_half(learnt[0].model)),
        output_dir=folder / "model",
    )
    if not (config.folder / "training_result.json").exists():
        train(config, on_progress=on_progress)
    return config


def _upper_half(encoder: nn.Module) -> tuple[str, ...] | None:
    """The linear layers of the upper half of an encoder's blocks, through which alone anything is computed backwards.

    None, all of them, where blocks have no numbers.
    """
    linear = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    numbers = {name: int(found[1]) for name in linear if (found := re.search(r"(?:^|\.)(\d+)\.", name))}
    if not numbers:
        return None
    half = (max(numbers.values()) + 1) // 2
    return tuple(name for name, number in numbers.items() if number >= half)
