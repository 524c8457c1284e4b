"""What a run asks of its model, data and machine, looked at before the first step."""

from __future__ import annotations

import logging

import torch
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder
from transformers.integrations.integration_utils import get_available_reporting_integrations

from colbert_kit.errors import InvalidConfig, InvalidData
from colbert_kit.evaluation import InformationRetrievalEvaluator
from colbert_kit.training.columns import LISTS, text_columns, unfolded
from colbert_kit.training.config import TrainingConfig
from colbert_kit.training.doctor import Finding, examine_model, examine_overlap, examine_rows
from colbert_kit.training.sources import is_lazy

__all__ = ["check_machine", "check_run", "examine_run"]

logger = logging.getLogger(__name__)


def check_machine(config: TrainingConfig) -> None:
    """Refuse what this machine cannot do.

    Raises:
        InvalidConfig: fp16 without CUDA, or a tracker that is not installed.
    """
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if config.precision == "fp16" and not device.startswith("cuda"):
        raise InvalidConfig(f"precision fp16 needs CUDA, and this run is on {device}; use bf16 or auto.")
    known = get_available_reporting_integrations()  # type: ignore[no-untyped-call]
    for tracker in config.report_to:
        if tracker not in ("none", "all", *known):
            raise InvalidConfig(f"report_to names {tracker!r}, which is not installed: pip install {tracker}")


def examine_run(
    config: TrainingConfig,
    model: MultiVectorEncoder,
    rows: dict[str, Dataset],
    evaluator: InformationRetrievalEvaluator | None,
) -> list[Finding]:
    """Everything that ``doctor`` looks for, in a run about to start."""
    found = examine_model(model, for_training=True)
    for one in rows.values():
        found += examine_rows(one, config.loss)
        found += _uneven(one) if config.gather_across_devices else []
    if evaluator is not None and config.eval is not None:
        queries = [text for one in rows.values() if not is_lazy(one) for text in _queries(one)]
        found += examine_overlap(queries, dict(zip(evaluator.queries_ids, map(str, evaluator.queries), strict=True)))
    return found


def check_run(
    config: TrainingConfig,
    model: MultiVectorEncoder,
    rows: dict[str, Dataset],
    evaluator: InformationRetrievalEvaluator | None,
) -> None:
    """Refuse a run that would be wasted, and log what may be wrong with it.

    Raises:
        InvalidData: ``doctor`` finds an error.
    """
    findings = examine_run(config, model, rows, evaluator)
    for finding in findings:
        if finding.level == "warning":
            logger.warning("%s: %s", finding.name, finding.message)
    if errors := [finding.message for finding in findings if finding.level == "error"]:
        raise InvalidData(" ".join(errors))


def _uneven(rows: Dataset) -> list[Finding]:
    """Devices exchange as many documents each, or wait for each other for ever."""
    for name in LISTS:
        if name in rows.column_names and len(numbers := {len(texts or ()) for texts in rows[name]}) > 1:
            message = (
                f"gather_across_devices needs as many {name} in every row, and they are {min(numbers)} to "
                f"{max(numbers)}; leave out rows, or put them in columns negative_1 ... of which some may be empty."
            )
            return [Finding("error", "columns", message)]
    return []


def _queries(rows: Dataset) -> list[str]:
    [query, *_] = text_columns(unfolded(rows[0]))
    return [str(text) for text in rows[query]]
