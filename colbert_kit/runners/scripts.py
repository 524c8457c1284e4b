"""The kit's scripts (``jobs/``), and specs made of them."""

from __future__ import annotations

import re
import runpy
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import colbert_kit
from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.runners.arguments import JobArguments
from colbert_kit.runners.spec import UV_IMAGE, JobSpec

__all__ = ["ScriptHeader", "read_header", "script_help", "script_names", "script_path", "script_spec", "source_tree"]

PACKAGE = Path(colbert_kit.__file__).parent
# https://peps.python.org/pep-0723/#reference-implementation
BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
HUB_KEYS: dict[str, type | tuple[type, ...]] = {
    "image": str, "flavor": str, "python": str, "timeout": (str, int), "env": dict, "secrets": list, "labels": dict,
    "volumes": list,
}  # fmt: skip
"""What a script may say in ``[tool.hf-jobs]``; ``hf jobs uv run`` reads the same."""


@dataclass(frozen=True)
class ScriptHeader:
    """What a script says of itself in its first comment (PEP 723).

    Args:
        dependencies: What must be installed for it, but for the kit.
        jobs: Its table ``[tool.hf-jobs]``: where and how long it should run.
    """

    dependencies: tuple[str, ...] = ()
    jobs: Mapping[str, Any] = field(default_factory=dict)


def source_tree() -> Path | None:
    """The checkout that this kit is imported from, or None where it was installed from a wheel."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "jobs").is_dir() else None


def script_names() -> list[str]:
    """The names of the kit's scripts."""
    return sorted(path.stem for path in _folder().glob("*.py"))


def script_path(name: str) -> Path:
    """The file of one of the kit's scripts.

    Raises:
        InvalidInput: There is none of this name.
    """
    if name not in script_names():
        raise InvalidInput(f"the kit's scripts are {', '.join(script_names())}; got {name!r}.")
    return _folder() / f"{name}.py"


def script_spec(
    name: str,
    arguments: Sequence[str],
    *,
    is_elsewhere: bool = True,
    flavor: str | None = None,
    timeout: str | int | None = None,
    secrets: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    volumes: Sequence[str] | None = None,
    kit: str | None = None,
) -> JobSpec:
    """A job of one of the kit's scripts; what is left out is taken from the script's own header.

    Args:
        name: ``"train"``, ``"build_index"``, ``"evaluate"`` or ``"mine_hard_negatives"``.
        arguments: The script's; they are checked by its own parser.
        is_elsewhere: ``runner.is_elsewhere``: whether the job runs on another machine than this.
        flavor: The Hub's machine.
        timeout: Seconds, or ``"90m"``, ``"2h"``, ``"1d"``.
        secrets: Names of variables.
        labels: As ``JobSpec``.
        volumes: As ``JobSpec``.
        kit: ``"colbert-kit==X"``, once that is published; a wheel of this kit where None.

    Raises:
        InvalidInput: There is no such script, or an argument is wrong or names a file that the job will not have.
        InvalidConfig: A setting cannot work.

    Example:
        >>> spec = script_spec("build_index", ["--corpus", "me/corpus", "--model", "me/model", "--push-to", "me/index"])
        >>> spec.flavor, spec.timeout_seconds, spec.secrets
        ('t4-small', 3600, ('HF_TOKEN',))
    """
    path = script_path(name)
    header = read_header(path)
    said = header.jobs
    return JobSpec(
        kind=name,
        script=str(path),
        arguments=tuple(_parser(path).moved(arguments, is_elsewhere=is_elsewhere)),
        kit=kit,
        dependencies=header.dependencies,
        python=said.get("python", "3.12"),
        image=said.get("image", UV_IMAGE),
        flavor=flavor or said.get("flavor", "cpu-basic"),
        timeout_seconds=parse_timeout(timeout if timeout is not None else said.get("timeout", "1h")),
        environment=dict(said.get("env", {})),
        secrets=tuple(secrets if secrets is not None else said.get("secrets", ())),
        labels={**said.get("labels", {}), **(labels or {})},
        volumes=tuple(volumes if volumes is not None else said.get("volumes", ())),
    )


def script_help(name: str) -> str:
    """What a script does and takes.

    Raises:
        InvalidInput: There is no such script.
    """
    return _parser(script_path(name)).format_help()


def read_header(path: Path) -> ScriptHeader:
    """What a script says of itself.

    Raises:
        InvalidConfig: The header is no TOML, or its table for jobs has an unknown key or a value of a wrong kind.
    """
    found = BLOCK.search(path.read_text(encoding="utf-8"))
    if found is None:
        return ScriptHeader()
    text = "".join(line[2:] if line.startswith("# ") else line[1:] for line in found["content"].splitlines(True))
    try:
        header = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(f"{path.name}: its header is no TOML: {error}.") from error
    jobs = header.get("tool", {}).get("hf-jobs", {})
    for key, value in jobs.items():
        if key not in HUB_KEYS or not isinstance(value, HUB_KEYS[key]):
            raise InvalidConfig(f"{path.name}: [tool.hf-jobs] has {', '.join(HUB_KEYS)}; got {key} = {value!r}.")
    return ScriptHeader(tuple(header.get("dependencies", ())), jobs)


def parse_timeout(timeout: str | int) -> int:
    """Seconds.

    Raises:
        InvalidConfig: It is no duration.

    Example:
        >>> parse_timeout("1.5h")
        5400
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", str(timeout))
    seconds = int(float(found[1]) * UNITS[found[2] or "s"]) if found else 0
    if seconds < 1:
        raise InvalidConfig(f"a timeout is seconds, or a number and one of s, m, h, d ('90m'), got {timeout!r}.")
    return seconds


def _parser(path: Path) -> JobArguments:
    parser: JobArguments = runpy.run_path(str(path), run_name=f"jobs.{path.stem}")["arguments"]()
    parser.prog = path.name
    return parser


def _folder() -> Path:
    tree = source_tree()
    return tree / "jobs" if tree is not None else PACKAGE / "jobs"
