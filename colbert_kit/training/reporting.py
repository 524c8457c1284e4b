"""What a run says while it trains: progress for whoever shows it, and lines for the log.

A line with figures has them also as ``record.metrics``, ``{"step", "steps", "values"}``, for handlers that draw curves.
"""

from __future__ import annotations

import logging
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from colbert_kit.progress import OnProgress, Progress

__all__ = ["Report"]

logger = logging.getLogger("colbert_kit.training")


class Report(TrainerCallback):
    """Steps as progress; losses and the chosen metric as lines.

    Args:
        metric: What checkpoints are chosen by, as the trainer calls it.
        on_progress: Called after each step.
    """

    def __init__(self, metric: str | None, on_progress: OnProgress | None) -> None:
        self.metric = metric
        self.on_progress = on_progress

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,  # noqa: ANN401 - transformers'
    ) -> None:
        """After each step."""
        if self.on_progress is not None and state.is_world_process_zero:
            self.on_progress(Progress("training", state.global_step, state.max_steps))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,  # noqa: ANN401 - transformers'
    ) -> None:
        """When the trainer has figures."""
        if not state.is_world_process_zero or not logs:
            return
        place = f"step {state.global_step} of {state.max_steps}"
        if "loss" in logs:
            loss, rate = float(logs["loss"]), float(logs.get("learning_rate", 0))
            more = _figures(state, {"loss": loss, "learning_rate": rate})
            logger.info("%s: loss %.4f, learning rate %.2g", place, loss, rate, extra=more)
        elif self.metric in logs:
            quality = float(logs[self.metric])
            more = _figures(state, {"nDCG@10": quality})
            logger.info("%s: nDCG@10 %.4f on what was held out", place, quality, extra=more)


def _figures(state: TrainerState, values: dict[str, float]) -> dict[str, Any]:
    return {"metrics": {"step": state.global_step, "steps": state.max_steps, "values": values}}
