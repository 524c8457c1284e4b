"""Checkpoints that are whole or not there: a run that was killed goes on from the last one that was finished."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from colbert_kit.folders import sync_path, write_durably

__all__ = [
    "FinishCheckpoints",
    "drop_checkpoints",
    "drop_unfinished",
    "last_finished",
    "sync_tree",
]

MARKER = "finished.json"
"""Written last, after all else is on the disk: names every file of the checkpoint and its size."""


class FinishCheckpoints(TrainerCallback):
    """Makes each checkpoint durable and marks it as whole."""

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,  # noqa: ANN401 - transformers'
    ) -> None:
        """After a checkpoint has been written."""
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        if not args.should_save or not folder.is_dir():
            return
        files = sync_tree(folder)
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
        write_durably(folder / MARKER, json.dumps(sizes, indent=1))
        sync_path(folder.parent)


def sync_tree(folder: Path) -> list[Path]:
    """Make all that a folder holds durable; its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        sync_path(path)
    for parent in {path.parent for path in files}:
        sync_path(parent)
    return files


def last_finished(folder: Path) -> Path | None:
    """The newest checkpoint that is whole."""
    whole = [path for path in _checkpoints(folder) if _is_whole(path)]
    return max(whole, key=_step, default=None)


def drop_unfinished(folder: Path) -> None:
    """Remove what a killed process left half written, so that it is neither resumed from nor counted."""
    for path in _checkpoints(folder):
        if not _is_whole(path):
            shutil.rmtree(path)


def drop_checkpoints(folder: Path) -> None:
    """Remove all of a run that is begun anew."""
    for path in _checkpoints(folder):
        shutil.rmtree(path)


def _checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _is_whole(checkpoint: Path) -> bool:
    try:
        sizes = json.loads((checkpoint / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all((checkpoint / name).is_file() and (checkpoint / name).stat().st_size == sizes[name] for name in sizes)
