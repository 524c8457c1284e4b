"""Jobs: each one really runs its command, in a process group of its own and a folder of its own."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.hubserver.accounts import Account, new_id
from tests.hubserver.commands import CannotStart, local_command
from tests.hubserver.hardware import HARDWARE
from tests.hubserver.messages import timestamp
from tests.hubserver.process_group import ProcessGroup

__all__ = ["Job", "JobSettings", "Jobs"]

FINAL_STAGES = ("COMPLETED", "ERROR", "CANCELED", "DELETED")
DEFAULT_TIMEOUT_SECONDS = 30 * 60
KEEP_ALIVE_SECONDS = 30
# What a job inherits from the server's own environment. No token and no setting of a Hub is among it.
INHERITED = (
    "PATH",
    "PYTHONPATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "TMPDIR",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)


@dataclass(kw_only=True)
class JobSettings:
    """How jobs run here."""

    # How long a job waits before it runs.
    scheduling_seconds: float = 0.05
    # How long a finished job is still said to run; on the Hub 1.3 seconds.
    stage_lag_seconds: float = 0.0
    # Between SIGTERM and SIGKILL.
    grace_seconds: float = 2.0
    # The program for `uv run`; without one, this Python is used with the packages that it has.
    uv: str | None = None
    # Set for all jobs, before what each one asks for.
    environment: dict[str, str] = field(default_factory=dict)


class Job:
    """One run of a command. Secrets are given to the process, and to nobody else."""

    def __init__(
        self, owner: Account, user: Account, spec: dict[str, Any], settings: JobSettings, endpoint: str
    ) -> None:
        self.id = new_id()
        self.owner, self.user, self.spec = owner, user, spec
        self.labels: dict[str, str] | None = spec.get("labels")
        self.stage = "SCHEDULING"
        self.message: str | None = None
        self._times = {"createdAt": datetime.now(UTC)}
        self.lines: list[dict[str, str]] = []
        self._settings, self._endpoint = settings, endpoint
        self._changed = threading.Condition()
        self._canceled = threading.Event()
        self._process: ProcessGroup | None = None
        # No line comes any more; the stage may say so a little later.
        self._is_silent = False
        self.thread = threading.Thread(target=self._run, name=f"job-{self.id}")

    @property
    def is_final(self) -> bool:
        return self.stage in FINAL_STAGES

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        process = self._process
        return process.pid if process else None

    def wait(self, timeout: float = 30.0) -> str:
        """The final stage, once it is reached."""
        self.thread.join(timeout)
        if not self.is_final:
            raise TimeoutError(f"job {self.id} is still {self.stage} after {timeout} seconds")
        return self.stage

    def cancel(self) -> None:
        """End it, unless it has ended."""
        if not self.is_final:
            self._canceled.set()

    def log(self, line: str) -> None:
        with self._changed:
            self.lines.append({"timestamp": timestamp(), "data": line})
            self._changed.notify_all()

    def follow(self, stopping: threading.Event, tail: int | None = None) -> Iterator[dict[str, str] | None]:
        """The lines so far and as they come, until the job ends; None when there was none for a while."""
        position = max(0, len(self.lines) - tail) if tail is not None else 0
        silent_since = time.monotonic()
        while not stopping.is_set():
            with self._changed:
                if position == len(self.lines) and not self._is_silent:
                    self._changed.wait(0.1)
                fresh, is_over = self.lines[position:], self._is_silent
            position += len(fresh)
            yield from fresh
            if is_over and not fresh:
                return
            if fresh:
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > KEEP_ALIVE_SECONDS:
                silent_since = time.monotonic()
                yield None

    def json(self) -> dict[str, Any]:
        """The job as everyone who may read it sees it: of its secrets, the names."""
        shown = ("dockerImage", "spaceId", "command", "arguments", "environment", "flavor", "volumes", "network")
        found = {key: self.spec[key] for key in shown if key in self.spec}
        found |= {"labels": self.labels} if self.labels else {}
        return {
            "id": self.id,
            **{key: timestamp(moment) for key, moment in self._times.items()},
            **found,
            "secrets": dict.fromkeys(self.spec.get("secrets") or {}),
            "timeout": self.timeout_seconds,
            "retry": self.spec.get("attempts", 1) - 1,
            "status": {"stage": self.stage, "message": self.message},
            "durations": self._durations(),
            "owner": {"id": self.owner.id, "name": self.owner.name, "type": self.owner.type},
            "initiator": {"type": "user", "id": self.user.id, "name": self.user.name},
        }

    @property
    def timeout_seconds(self) -> int:
        return self.spec.get("timeoutSeconds") or DEFAULT_TIMEOUT_SECONDS

    def _durations(self) -> dict[str, int | None]:
        created, started, finished = (self._times.get(key) for key in ("createdAt", "startedAt", "finishedAt"))
        end = finished or datetime.now(UTC)

        def seconds(start: datetime | None, stop: datetime) -> int | None:
            return int((stop - start).total_seconds()) if start else None

        return {
            "schedulingSecs": seconds(created, started or end),
            "runningSecs": seconds(started, end),
            "totalSecs": seconds(created, end),
        }

    def _enter(self, stage: str, message: str | None = None) -> None:
        with self._changed:
            self._times["startedAt" if stage == "RUNNING" else "finishedAt"] = datetime.now(UTC)
            self.stage, self.message = stage, message
            self._is_silent = self._is_silent or self.is_final
            self._changed.notify_all()

    def _run(self) -> None:
        if self._canceled.wait(self._settings.scheduling_seconds):
            self._enter("CANCELED")
            return
        self._enter("RUNNING")
        self.log(f"===== Job started at {self._times['startedAt']:%Y-%m-%d %H:%M:%S} =====")
        with tempfile.TemporaryDirectory(prefix="job-", ignore_cleanup_errors=True) as folder:
            stage, message = self._execute(Path(folder))
        if self._settings.stage_lag_seconds:
            self._is_silent = True
            self._canceled.wait(self._settings.stage_lag_seconds)
        self._enter(stage, message)

    def _execute(self, folder: Path) -> tuple[str, str | None]:
        """Run the command to its end, or to the end that a timeout or a cancel makes; the stage, and why."""
        environment, grace_seconds = self._environment(folder), self._settings.grace_seconds
        command = [*self.spec["command"], *self.spec.get("arguments", [])]
        for volume in self.spec.get("volumes") or []:
            self.log(f"hubserver: {volume.get('mountPath')} is not mounted here")
        try:
            local = local_command(command, folder, environment, self.log, self._settings.uv)
            self._process = process = ProcessGroup(local, folder, environment, self.log)
        except (CannotStart, OSError) as error:
            self.log(str(error))
            return "ERROR", "Job failed with exit code: 127. Reason: Error"
        deadline = time.monotonic() + self.timeout_seconds
        is_over = False
        while not is_over and not self._canceled.is_set() and time.monotonic() < deadline:
            is_over = process.ends_within(min(0.1, deadline - time.monotonic()))
        if not is_over:
            process.terminate(grace_seconds)
        code = process.finish(grace_seconds)
        self._process = None
        if self._canceled.is_set():
            return "CANCELED", None
        if not is_over:
            return "ERROR", "Job timeout"
        return ("ERROR", f"Job failed with exit code: {code}. Reason: Error") if code else ("COMPLETED", None)

    def _environment(self, folder: Path) -> dict[str, str]:
        machine = HARDWARE[self.spec["flavor"]]
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        inherited["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)])
        return {
            **inherited,
            "HOME": str(folder),
            "HF_HOME": str(folder / ".cache" / "huggingface"),
            "HF_ENDPOINT": self._endpoint,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "JOB_ID": self.id,
            "ACCELERATOR": machine["name"] if machine["accelerator"] else "none",
            "CPU_CORES": machine["cpu"].split()[0],
            "MEMORY": f"{machine['ram'].split()[0]}Gi",
            **self._settings.environment,
            **self.spec.get("environment", {}),
            **(self.spec.get("secrets") or {}),
        }


class Jobs:
    """All jobs, in the order of their creation."""

    def __init__(self, settings: JobSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def __getitem__(self, job_id: str) -> Job:
        return self._jobs[job_id]

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def all(self) -> list[Job]:
        with self._lock:
            return list(self._jobs.values())

    def start(self, owner: Account, user: Account, spec: dict[str, Any], endpoint: str) -> Job:
        job = Job(owner, user, spec, self.settings, endpoint)
        with self._lock:
            self._jobs[job.id] = job
        job.thread.start()
        return job

    def stop(self) -> None:
        """End all that run."""
        for job in self.all():
            job.cancel()
        for job in self.all():
            job.thread.join()
