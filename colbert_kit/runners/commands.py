"""From a spec to the words that are executed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from colbert_kit.errors import InvalidConfig
from colbert_kit.runners import starter
from colbert_kit.runners.spec import JobSpec

__all__ = ["command_at_hub", "command_here"]


def command_here(spec: JobSpec) -> list[str]:
    """What this machine executes: this Python for a script, with what is installed here.

    Raises:
        InvalidConfig: The script is not here, or needs another kit than this one.
    """
    if spec.command:
        return [*spec.command, *spec.arguments]
    if spec.kit is not None and "://" not in spec.kit:
        raise InvalidConfig(f"a job here runs with this colbert_kit, not with {spec.kit}; leave the kit out.")
    if not spec.is_script_here:
        return [sys.executable, *_start(spec)]
    path = Path(str(spec.script)).resolve()
    if not path.is_file():
        raise InvalidConfig(f"there is no script {spec.script}; check the path.")
    return [sys.executable, str(path), *spec.arguments]


def command_at_hub(spec: JobSpec) -> list[str]:
    """What the Hub executes in the spec's image.

    Raises:
        InvalidConfig: The script is a file here.
    """
    if spec.command:
        return [*spec.command, *spec.arguments]
    if spec.is_script_here:
        raise InvalidConfig(f"{spec.script} is a file here; a job at the Hub needs it at an address (ship).")
    published = [spec.kit] if spec.kit is not None and spec.kit_sha256 is None else []
    wanted = [word for one in (*spec.dependencies, *published) for word in ("--with", one)]
    return ["uv", "run", "--no-project", "--python", spec.python, *wanted, "python", *_start(spec)]


def _start(spec: JobSpec) -> list[str]:
    kit = {"url": spec.kit, "sha256": spec.kit_sha256} if spec.kit_sha256 is not None else None
    plan = {"script": {"url": spec.script, "sha256": spec.script_sha256}, "kit": kit}
    return ["-c", Path(starter.__file__).read_text(encoding="utf-8"), json.dumps(plan), *spec.arguments]
