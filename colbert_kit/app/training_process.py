"""Processes in which the page has models and data sets looked at, each for one visitor. No Gradio, no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import colbert_kit
from colbert_kit import hub, runners
from colbert_kit.app.actor import Actor
from colbert_kit.errors import ColbertKitError

__all__ = ["MODULE", "ask", "import_path"]

MODULE = "colbert_kit.app.training_job"
MOST_SECONDS = 600
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")


def ask(actor: Actor, what: str, plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a process of its own says of a plan.

    It has the token of whoever acts and no other; a visitor's has no cache that others have filled, and leaves none.

    Args:
        actor: Who acts.
        what: ``"look"`` or ``"examine"``.
        plan: JSON values.

    Raises:
        ColbertKitError: It failed, was ended, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="colbert-kit-asked-") as folder:
        environment = {name: value for name, value in os.environ.items() if name not in TOKENS} | import_path()
        environment |= {"HF_TOKEN": actor.token} if actor.token else {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
        if not actor.may_use_machine:
            environment["HF_HOME"] = folder
        try:
            run = subprocess.run(
                [sys.executable, "-m", MODULE, what, json.dumps(plan)],
                env=environment,
                cwd=folder,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=MOST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ColbertKitError("looking at it took too long; try a smaller model or fewer rows.") from error
    log = runners.JobLog()
    for line in run.stdout.split("\n"):
        log.add(line)
    if run.returncode or log.result is None:
        reason = log.failure or "the process that looked at it was ended, most likely as memory ran out."
        raise ColbertKitError(hub.redacted(reason))
    return log.result


def import_path() -> dict[str, str]:
    """With which another process imports this kit, which need not be installed."""
    root = str(Path(colbert_kit.__file__).parent.parent)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
