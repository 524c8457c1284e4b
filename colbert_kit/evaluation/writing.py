"""A report's files: Markdown for people, JSON for machines, pictures, runs for trec_eval, entries for a card."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import yaml

from colbert_kit.errors import InvalidInput, MissingExtra
from colbert_kit.evaluation.cards import card_entries
from colbert_kit.evaluation.markdown import to_markdown
from colbert_kit.evaluation.plots import write_plots
from colbert_kit.evaluation.report import Report
from colbert_kit.folders import write_durably

__all__ = ["write_report"]


def write_report(report: Report, folder: str | Path, *, override: bool = False) -> Path:
    """Write ``report.md``, ``report.json``, ``model-index.yaml`` and ``plots/``.

    Args:
        report: What was found.
        folder: A new one, or an empty one.
        override: Replace the files of a report that is there.

    Returns:
        The path of ``report.md``.

    Raises:
        InvalidInput: The folder holds a report already, or is no folder.
        MissingExtra: matplotlib is not installed.
    """
    folder = Path(folder)
    check_output(folder, override=override)
    folder.mkdir(parents=True, exist_ok=True)
    plots = [f"plots/{name}" for name in write_plots(report, folder / "plots")]
    card = yaml.safe_dump({"model-index": card_entries(report)}, sort_keys=False, allow_unicode=True)
    write_durably(folder / "model-index.yaml", card)
    write_durably(folder / "report.json", report.to_json())
    write_durably(folder / "report.md", to_markdown(report, plots))
    return folder / "report.md"


def check_output(folder: str | Path, *, override: bool) -> None:
    """Refuse before an hour's work, not after it.

    Args:
        folder: Where a report is to go.
        override: Whether one that is there may be replaced.

    Raises:
        InvalidInput: The folder holds a report already, or is no folder.
        MissingExtra: matplotlib is not installed.
    """
    folder = Path(folder)
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("matplotlib", "eval")
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{folder} is a file; give a folder.")
    if (folder / "report.json").exists() and not override:
        raise InvalidInput(f"{folder} holds a report already; give another folder, or replace it (--override).")
