"""Work that goes on when the page is closed: jobs of this machine, launched and looked at. No Gradio, no torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import colbert_kit
from colbert_kit import runners
from colbert_kit.errors import ColbertKitError, InvalidInput
from colbert_kit.progress import Progress

__all__ = ["JobView", "LocalJobs"]

TIMEOUT_SECONDS = 24 * 3600
SECONDS_NOW = 180
LINES_LOOKED_AT = 200
LINES_SHOWN = 30
LONGEST_PLAN = 100_000
"""Bytes; Linux takes 128 KiB an argument."""


@dataclass(frozen=True)
class JobView:
    """A job as it stands.

    Args:
        id: Its id.
        state: As ``runners.STATES``.
        what: What it does, its label ``what``.
        progress: How far it is.
        result: What came of it.
        message: Why it failed.
        lines: What it said last, for people.
    """

    id: str
    state: str
    what: str
    progress: Progress | None
    result: Mapping[str, Any]
    message: str
    lines: tuple[str, ...]

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in runners.FINAL_STATES


class LocalJobs:
    """The jobs of this machine.

    Args:
        runner: Where they run; the same folder as ``colbert-kit jobs --local`` where None.
    """

    def __init__(self, runner: runners.LocalRunner | None = None) -> None:
        self.runner = runner or runners.LocalRunner()

    def launch(self, kind: str, what: str, module: str, plan: Mapping[str, Any], token: str | None = None) -> str:
        """Start a job, or find the one of the same plan that has not ended.

        Args:
            kind: What it is found again by.
            what: A word on what it does.
            module: Of this kit; it is run with ``what`` and the plan.
            plan: What to do, JSON values.
            token: An access token that it may act with.

        Returns:
            Its id.

        Raises:
            InvalidInput: The plan is too long.
        """
        text = json.dumps(plan, sort_keys=True)
        if len(text) > LONGEST_PLAN:
            raise InvalidInput("that is too much at once; give fewer files or ids, and the rest afterwards.")
        secrets = {} if token is None else {"HF_TOKEN": token}
        spec = runners.JobSpec(
            kind=kind,
            command=(sys.executable, "-m", module),
            arguments=(what, text),
            timeout_seconds=TIMEOUT_SECONDS,
            environment=environment_here(),
            secrets=tuple(secrets),
            labels={"what": what, **_place_of(plan)},
        )
        return self.runner.launch(spec, secrets=secrets).id

    def run_now(self, module: str, what: str, plan: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do something that takes seconds in a process that may import torch, so that this one need not.

        Args:
            module: As ``launch``.
            what: As ``launch``.
            plan: As ``launch``.

        Returns:
            The result that it reports.

        Raises:
            ColbertKitError: It failed, or took too long.
        """
        command = [sys.executable, "-m", module, what, json.dumps(plan)]
        environment = {**os.environ, **environment_here()}
        try:
            run = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=SECONDS_NOW, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ColbertKitError("that took too long; try again when the machine has less to do.") from error
        log = runners.JobLog()
        for line in run.stdout.splitlines():
            log.add(line)
        if run.returncode or log.result is None:
            raise ColbertKitError(log.failure or "that could not be done, and nothing says why.")
        return log.result

    def look(self, job_id: str) -> JobView:
        """A job as it stands.

        Raises:
            JobNotFound: There is none of this id.
        """
        job = self.runner.inspect(job_id)
        log = runners.JobLog()
        for line in self.runner.logs(job_id, tail=LINES_LOOKED_AT):
            log.add(line)
        failure = log.failure or job.message or ""
        return JobView(
            job_id,
            job.state,
            job.labels.get("what", job.kind or ""),
            log.progress,
            log.result or {},
            failure if job.state == "ERROR" else "",
            tuple(log.lines(LINES_SHOWN)),
        )

    def unfinished(self, kind: str) -> str | None:
        """The id of the newest job of a kind that has not ended."""
        found = self.runner.list_jobs(labels={"kind": kind}, states=("SCHEDULING", "RUNNING"))
        return found[0].id if found else None

    def cancel(self, job_id: str) -> None:
        """End a job, unless it has ended.

        Raises:
            JobNotFound: There is none of this id.
        """
        self.runner.cancel(job_id)


def _place_of(plan: Mapping[str, Any]) -> dict[str, str]:
    """Of what folder a job is, for a list of jobs; a label has letters, digits and hyphens."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(plan.get("folder", "")).name)[:60]
    return {"of": name} if name else {}


def environment_here() -> dict[str, str]:
    """Variables with which another process imports this kit, which need not be installed."""
    root = str(Path(colbert_kit.__file__).parent.parent)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
