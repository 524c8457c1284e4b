"""The folder that a script works in: what it holds of the same work is gone on with, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colbert_kit.errors import InvalidConfig
from colbert_kit.runners.supervisor import write_json

__all__ = ["claim"]

ABOUT = "job_arguments.json"
NOT_OF_THE_WORK = ("push_to", "public", "work")


def claim(folder: str | Path, options: Mapping[str, Any]) -> Path:
    """Make a folder this work's own; one in which the same work was stopped may go on.

    Args:
        folder: Where the work is kept; made if needed.
        options: What the work is made of. Where it is kept and pushed to is no part of it.

    Returns:
        The folder.

    Raises:
        InvalidConfig: It holds something else, or work with other options.
    """
    folder = Path(folder)
    made_of = {name: value for name, value in options.items() if name not in NOT_OF_THE_WORK}
    about = folder / ABOUT
    if about.exists():
        known = json.loads(about.read_text(encoding="utf-8"))
        if differing := sorted(name for name in known.keys() | made_of if known.get(name) != made_of.get(name)):
            raise InvalidConfig(f"{folder} holds work with other {', '.join(differing)}; give another folder (--work).")
        return folder
    if folder.exists() and any(folder.iterdir()):
        raise InvalidConfig(f"{folder} holds something else; give a new folder (--work).")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(about, made_of)
    return folder
