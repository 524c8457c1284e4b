"""What came of an adaptation, for people and for machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from colbert_kit.evaluation import Comparison
from colbert_kit.folders import write_durably
from colbert_kit.training import TrainingConfig

__all__ = ["MEASURE", "AdaptResult", "Measured", "write_report"]

logger = logging.getLogger(__name__)

MEASURE = "nDCG@10"


@dataclass(frozen=True)
class Measured:
    """One collection: what each system reaches there.

    Args:
        name: Of the collection.
        queries: How many.
        documents: How many.
        bm25: Mean nDCG@10 of BM25.
        comparison: The start model against the adapted one, in nDCG@10.
    """

    name: str
    queries: int
    documents: int
    bm25: float
    comparison: Comparison


@dataclass(frozen=True)
class AdaptResult:
    """What came of it.

    Args:
        model_dir: The adapted model.
        measured: Held-out pairs first, then each collection asked for.
        is_better: Whether the model is better on the held-out pairs by more than chance.
    """

    model_dir: Path
    measured: tuple[Measured, ...]
    is_better: bool


def write_report(
    result: AdaptResult, folder: Path, configs: Sequence[TrainingConfig], teacher: str | None = None
) -> None:
    """Write ``report.md`` for people, and then ``report.json``, which says that the work is finished.

    Args:
        result: What came of it.
        folder: Where.
        configs: The trainings, in their order.
        teacher: Whose rankings were learnt, beside the start model's own; None where it was the pairs.
    """
    first = result.measured[0].comparison
    verdict = (
        f"better than its start model on the held-out pairs (p = {first.p_value:.4f})"
        if result.is_better
        else f"not shown to be better than its start model on the held-out pairs (p = {first.p_value:.2f})"
    )
    learnt = "" if teacher is None else f", and learnt to rank as it does together with `{teacher}`"
    if pooled := configs[-1].pooled_teacher:
        learnt += f"; its [CLS] and [SEP] learnt the vectors of `{pooled.path}`"
    lines = [
        "# Adapted model",
        "",
        f"Started from `{configs[0].model}`{learnt}. It is {verdict}.",
        "",
        "| collection | queries | documents | BM25 | start model | adapted | difference, 95 % interval | p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in result.measured:
        found = one.comparison
        lines.append(
            f"| {one.name} | {one.queries} | {one.documents:,} | {one.bm25:.4f} | {found.first:.4f} | "
            f"{found.second:.4f} | {found.second - found.first:+.4f} ({found.low:+.4f} to {found.high:+.4f}) | "
            f"{found.p_value:.4f} |"
        )
    lines += ["", f"{MEASURE}, through an index with default settings; paired permutation test. The recipe:", ""]
    for config in configs:
        lines += ["```json", config.model_dump_json(indent=2, exclude={"output_dir"}), "```"]
    (folder / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = asdict(result) | {"model_dir": str(result.model_dir)}
    write_durably(folder / "report.json", json.dumps(said, indent=2))
    logger.info("The adapted model is %s.", verdict)
