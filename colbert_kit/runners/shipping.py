"""How a script and this kit reach a job: as files of a repository, named by commit and sha256."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_url

from colbert_kit.errors import InvalidConfig
from colbert_kit.hub import translated
from colbert_kit.runners.scripts import source_tree
from colbert_kit.runners.spec import JobSpec

__all__ = ["build_wheel", "ship"]

WHEEL_SECONDS = 600
IN_A_WHEEL = ("colbert_kit", "jobs", "spaces", "pyproject.toml", "setup.py", "README.md", "LICENSE")
BUILD = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1])"
EPOCH = "315532800"
"""1980, the earliest that a zip file knows: equal sources make equal wheels, which are not uploaded twice."""

CARD = """---
viewer: false
tags: [colbert-kit]
---

# Scripts and wheels that colbert-kit's jobs run

A job names them by commit and sha256. None is needed any more when no job runs.
"""


def ship(api: HfApi, spec: JobSpec, repo_id: str) -> JobSpec:
    """Put a script of this machine, and a wheel of this kit unless the spec names one, into a dataset repository.

    Files that are there already are not uploaded again.

    Args:
        api: The client.
        spec: A job whose script is a file here.
        repo_id: The repository; made, and private, if there is none.

    Returns:
        The same job with addresses and sha256.

    Raises:
        InvalidConfig: The wheel cannot be built.
        NotAllowed: The token is missing, or may not write there.
        HubUnreachable: The Hub cannot be reached.
    """
    script = Path(str(spec.script))
    with tempfile.TemporaryDirectory(prefix="colbert-kit-ship-") as folder:
        files = {script.name: script.read_bytes()}
        if spec.kit is None:
            wheel = build_wheel(Path(folder))
            files[wheel.name] = wheel.read_bytes()
    contents = {"README.md": CARD.encode(), **files}
    with translated(repo_id):
        api.create_repo(repo_id, repo_type="dataset", private=True, exist_ok=True)
        # Not `upload_folder`: one commit has them all, and its id is what the job names.
        commit = api.create_commit(
            repo_id,
            [CommitOperationAdd(name, content) for name, content in contents.items()],
            commit_message=f"What a job of kind {spec.kind} runs",
            repo_type="dataset",
        )
    named: dict[str, Any] = {}
    for field, (name, content) in zip(("script", "kit"), files.items(), strict=False):
        named[field] = hf_hub_url(repo_id, name, repo_type="dataset", revision=commit.oid, endpoint=api.endpoint)
        named[f"{field}_sha256"] = hashlib.sha256(content).hexdigest()
    return dataclasses.replace(spec, **named)


def build_wheel(folder: Path) -> Path:
    """Make a wheel of this very kit: from its checkout, or from what is installed.

    From a checkout it has the sources of the search kernel alone, which is compiled where it is first used.

    Args:
        folder: An empty folder.

    Raises:
        InvalidConfig: The kit is neither installed nor a checkout, or building fails.
    """
    tree = source_tree()
    if tree is None:
        return _packed_again(folder)
    # In a copy, so that nothing is left in the checkout.
    source = folder / "source"
    for name in IN_A_WHEEL:
        if (tree / name).is_dir():
            shutil.copytree(tree / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(tree / name, source / name)
    # Without a compiler there is no library in it that another machine's C library might not load.
    environment = {**os.environ, "CC": "", "PATH": os.devnull, "SOURCE_DATE_EPOCH": EPOCH}
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        cwd=source, env=environment, capture_output=True, text=True, check=False, timeout=WHEEL_SECONDS,
    )  # fmt: skip
    wheels = list(folder.glob("*.whl"))
    if built.returncode or len(wheels) != 1:
        said = (built.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise InvalidConfig(
            f'the kit\'s wheel cannot be built: {said}. It needs setuptools 77: pip install "setuptools>=77"'
        )
    return wheels[0]


def _packed_again(folder: Path) -> Path:
    """The wheel that was installed, from its files."""
    try:
        kit = importlib.metadata.distribution("colbert-kit")
    except importlib.metadata.PackageNotFoundError:
        raise InvalidConfig("this kit is neither a checkout nor installed, so no wheel can be made of it.") from None
    lines = (kit.read_text("WHEEL") or "").splitlines()
    tag = next((line.partition(":")[2].strip() for line in lines if line.startswith("Tag:")), "py3-none-any")
    path = folder / f"colbert_kit-{kit.version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(kit.files or ()):
            # What installing has added stands outside of the package or is compiled.
            if (
                ".." not in file.parts
                and "__pycache__" not in file.parts
                and file.name not in ("INSTALLER", "REQUESTED")
            ):
                entry = zipfile.ZipInfo(str(file), date_time=(1980, 1, 1, 0, 0, 0))
                archive.writestr(entry, Path(str(file.locate())).read_bytes(), zipfile.ZIP_DEFLATED)
    return path
