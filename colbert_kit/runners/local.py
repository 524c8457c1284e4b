"""``LocalRunner``: jobs as processes of this machine, which outlive whoever launched them."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import secrets as randomness
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from colbert_kit.errors import InvalidConfig, InvalidFolder, JobNotFound
from colbert_kit.hub import TOKEN_PATTERN
from colbert_kit.runners import supervisor
from colbert_kit.runners.commands import command_here
from colbert_kit.runners.job import Job
from colbert_kit.runners.job_folder import JobFolder
from colbert_kit.runners.runner import find_twin, secret_values
from colbert_kit.runners.scripts import source_tree
from colbert_kit.runners.spec import JobSpec

__all__ = ["LocalRunner"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")
"""Variables of this process that a job does not inherit: what it may do is for its launch to say."""


class LocalRunner:
    """Runs jobs here, each in a process group and a folder of its own.

    A job goes on when this process ends, even by ``kill -9``; another one finds it again by the folder. Linux.

    Args:
        folder: Where jobs are kept: state, log, and what they write (``work``); in the kit's cache folder where None.
        grace_seconds: Between asking a job to end and killing it.

    Example:
        >>> runner = LocalRunner("jobs")  # doctest: +SKIP
        >>> job = runner.launch(JobSpec(kind="hello", command=("echo", "hello"), timeout_seconds=60))  # doctest: +SKIP
        >>> list(runner.stream_logs(job.id))  # doctest: +SKIP
        ['hello']
    """

    is_elsewhere = False

    def __init__(self, folder: str | Path | None = None, *, grace_seconds: float = 10.0) -> None:
        if folder is None:
            from colbert_kit.machine import cache_folder

            folder = cache_folder() / "jobs"
        self.folder = Path(folder)
        self.grace_seconds = grace_seconds
        self._launching = threading.Lock()

    def cost_ceiling(self, spec: JobSpec) -> float:
        """Nothing."""
        return 0.0

    def launch(self, spec: JobSpec, *, secrets: Mapping[str, str] | None = None, confirm_usd: float = 0.0) -> Job:
        """Start a job, unless an equal one has not ended yet, which is then given back.

        The job has this process's environment without its access tokens, then the spec's, then the secrets.

        Args:
            spec: The job; its image, flavor and dependencies say nothing here.
            secrets: Values by the names that the spec has. They reach the job's environment alone; in its log they are
                replaced by ``***``.
            confirm_usd: Nothing to confirm here.

        Raises:
            InvalidConfig: The spec needs what is not here: volumes, another kit, a script that is missing.
            InvalidInput: A secret has no value.
        """
        if spec.volumes:
            raise InvalidConfig("volumes are mounted at the Hub only; give the script a folder of this machine.")
        command, values = command_here(spec), secret_values(spec, secrets or {})
        with self._launching:
            return find_twin(self, spec) or self._start(spec, command, values)

    def _start(self, spec: JobSpec, command: list[str], values: dict[str, str]) -> Job:
        job_id = randomness.token_hex(12)
        folder = JobFolder((self.folder / job_id).resolve())
        with folder.create(job_id, spec) as lock:
            plan = {
                "command": command,
                "folder": str(folder.work),
                "log": str(folder.log),
                "state": str(folder.state),
                "cancel": str(folder.cancel),
                "lock": lock,
                "timeout_seconds": spec.timeout_seconds,
                "grace_seconds": self.grace_seconds,
                "secrets": values,
                "mask": [TOKEN_PATTERN],
            }
            subprocess.run(
                [sys.executable, supervisor.__file__],
                input=json.dumps(plan).encode(),
                env=self._environment(job_id, spec),
                pass_fds=[lock],
                start_new_session=True,
                check=True,
            )
        return folder.job()

    def inspect(self, job_id: str) -> Job:
        """Look at a job.

        Raises:
            JobNotFound: There is none of this id.
        """
        return self._find(job_id).job()

    def spec_of(self, job_id: str, *, timeout_seconds: int | None = None) -> JobSpec:
        """What a job was made of, to launch it again.

        Args:
            job_id: The job.
            timeout_seconds: How long the new one may run; as long as the first where None.

        Raises:
            JobNotFound: There is none of this id.
            InvalidConfig: The job is of a later version of the kit.
        """
        spec = self._find(job_id).spec()
        return spec if timeout_seconds is None else dataclasses.replace(spec, timeout_seconds=timeout_seconds)

    def list_jobs(self, *, labels: Mapping[str, str] | None = None, states: Iterable[str] = ()) -> list[Job]:
        """The jobs of the folder, the newest first.

        Args:
            labels: All of them must be the job's.
            states: One of them must be the job's; any where empty.
        """
        found = [job for path in self.folder.glob("*") if (job := _listed(JobFolder(path))) is not None]
        wanted, allowed = set((labels or {}).items()), set(states)
        kept = [job for job in found if wanted <= set(job.labels.items()) and (not allowed or job.state in allowed)]
        return sorted(kept, key=lambda job: str(job.created), reverse=True)

    def logs(self, job_id: str, *, tail: int | None = None) -> list[str]:
        """What a job has said until now.

        Args:
            job_id: The job.
            tail: The last lines only, so many.

        Raises:
            JobNotFound: There is none of this id.
        """
        return list(deque(_lines(self._find(job_id), until_end=False), maxlen=tail))

    def stream_logs(self, job_id: str) -> Iterator[str]:
        """What a job says, from its first line until it has ended.

        Raises:
            JobNotFound: There is none of this id.
        """
        return _lines(self._find(job_id), until_end=True)

    def cancel(self, job_id: str) -> Job:
        """End a job and all that it started, unless it has ended; waits until it has.

        Raises:
            JobNotFound: There is none of this id.
        """
        folder = self._find(job_id)
        folder.cancel.touch()
        while not (job := folder.job()).is_final:
            time.sleep(POLL_SECONDS)
        return job

    def _find(self, job_id: str) -> JobFolder:
        folder = JobFolder(self.folder / job_id)
        if Path(job_id).name != job_id or not folder.exists():
            raise JobNotFound(f"there is no job {job_id!r} in {self.folder}; colbert-kit jobs list --local names all.")
        return folder

    def _environment(self, job_id: str, spec: JobSpec) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in TOKENS}
        if spec.script is not None and (tree := source_tree()) is not None:
            # A script's kit is this one, which need not be installed.
            inherited["PYTHONPATH"] = os.pathsep.join(filter(None, [str(tree), inherited.get("PYTHONPATH")]))
        if "HF_TOKEN" not in spec.secrets:
            # Nor is what `hf auth login` has stored the job's, unless it is given.
            inherited["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"
        return {**inherited, "PYTHONUNBUFFERED": "1", "JOB_ID": job_id, **spec.environment}


def _listed(folder: JobFolder) -> Job | None:
    try:
        return folder.job() if folder.exists() else None
    except (InvalidFolder, InvalidConfig) as error:
        # One that is damaged, or of a later version, must not hide the others.
        logger.warning("%s is not listed: %s", folder.path, error)
        return None


def _lines(folder: JobFolder, *, until_end: bool) -> Iterator[str]:
    rest = b""
    with folder.log.open("rb") as file:
        while True:
            # Before the reading: what is read after the end is all.
            is_over = not until_end or folder.job().is_final
            while data := file.read(1 << 16):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace").rstrip("\r")
            if is_over:
                break
            time.sleep(POLL_SECONDS)
    if rest:
        yield rest.decode(errors="replace")
