"""The folder of a run: whose it is, and where a killed run goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colbert_kit.errors import InvalidConfig
from colbert_kit.folders import LOCK_NAME, write_durably
from colbert_kit.training.adapters import TRAINED
from colbert_kit.training.checkpoints import (
    drop_checkpoints,
    drop_unfinished,
    last_finished,
    sync_tree,
)
from colbert_kit.training.config import TrainingConfig

__all__ = ["ADAPTERS_NAME", "CONFIG_NAME", "RESULT_NAME", "begin", "find_start", "finish", "is_finished"]

logger = logging.getLogger(__name__)

ADAPTERS_NAME = "adapters.safetensors"
CONFIG_NAME = "training_config.json"
RESULT_NAME = "training_result.json"


def find_start(config: TrainingConfig, override: bool) -> Path | None:
    """Look whether the folder is this run's to write; nothing is changed.

    Args:
        config: The run.
        override: Begin anew, whatever run the folder holds.

    Returns:
        The checkpoint to go on from, if this very run was begun before.

    Raises:
        InvalidConfig: The folder holds something else, another run, or this one finished.
    """
    folder = config.folder
    if not (folder / CONFIG_NAME).exists():
        if folder.exists() and any(path.name != LOCK_NAME for path in folder.iterdir()):
            raise InvalidConfig(f"output_dir {folder} holds something that is no training run; give another.")
        return None
    if override:
        return None
    known = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    wanted = json.loads(as_json(config))
    if differing := sorted(name for name in known.keys() | wanted.keys() if known.get(name) != wanted.get(name)):
        raise InvalidConfig(
            f"output_dir {folder} holds a run with other settings ({', '.join(differing)}); give another output_dir, "
            "or override=True (--override) to begin anew."
        )
    if (folder / RESULT_NAME).exists():
        raise InvalidConfig(f"{folder} holds this very run, finished; override=True (--override) trains it again.")
    checkpoint = last_finished(folder)
    logger.warning("%s holds this run, not finished: going on from %s.", folder, checkpoint or "the start")
    return checkpoint


def is_finished(config: TrainingConfig) -> bool:
    """Whether ``output_dir`` holds this very run, finished, so that ``train`` would refuse to train it again.

    Args:
        config: The run.
    """
    folder = config.folder
    if not (folder / RESULT_NAME).exists() or not (folder / CONFIG_NAME).exists():
        return False
    return bool(json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8")) == json.loads(as_json(config)))


def begin(config: TrainingConfig, start: Path | None) -> None:
    """Make the folder ready, once nothing speaks against the run any more.

    Args:
        config: The run.
        start: What ``find_start`` found.
    """
    folder = config.folder
    if start is None:
        # In this order: a kill in between must not leave the old run's checkpoints beside the new config. Without
        # modules.json the old model is no model any more.
        for name in (RESULT_NAME, "modules.json"):
            (folder / name).unlink(missing_ok=True)
        drop_checkpoints(folder)
        write_durably(folder / CONFIG_NAME, as_json(config))
    else:
        drop_unfinished(folder)


def finish(config: TrainingConfig, result: Mapping[str, Any]) -> None:
    """Keep the model, and beside it what adapters and projection are by themselves; say that it is finished.

    Args:
        config: The run.
        result: What came of it.
    """
    folder = config.folder
    # A pickle of what the config says.
    (folder / "training_args.bin").unlink(missing_ok=True)
    if (folder / TRAINED).exists():
        (folder / TRAINED).rename(folder / ADAPTERS_NAME)
    sync_tree(folder)
    write_durably(folder / RESULT_NAME, json.dumps(result, indent=2, default=str))
    drop_checkpoints(folder)


def as_json(config: TrainingConfig) -> str:
    """What makes a run this run: not how it is told of."""
    return config.model_dump_json(indent=2, exclude={"report_to", "logging_steps", "run_name", "output_dir"})
