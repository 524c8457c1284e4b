"""The folder of a job on this machine: what it is, how it stands, what it has said.

``job.json`` (id, created, spec) is written once, before the job begins; ``state.json`` and ``log.txt`` are its
supervisor's. The supervisor holds a lock on ``lock`` as long as it lives, whoever started it: where nobody holds it and
no final state is written, the supervisor was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from colbert_kit.errors import InvalidFolder
from colbert_kit.runners.job import FINAL_STATES, Job
from colbert_kit.runners.spec import JobSpec
from colbert_kit.runners.supervisor import end_group, group_identity, now, write_json

__all__ = ["JobFolder"]

ABANDONED = "The process that watched over the job was killed, or the machine was restarted."


class JobFolder:
    """One job's files.

    Args:
        path: Where they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log, self.state, self.cancel = path / "log.txt", path / "state.json", path / "cancel"
        self.work = path / "work"
        self._about, self._lock = path / "job.json", path / "lock"

    def exists(self) -> bool:
        """Whether a job is described here."""
        return self._about.exists()

    @contextlib.contextmanager
    def create(self, job_id: str, spec: JobSpec) -> Iterator[int]:
        """Describe a job that is about to begin; inside, it is watched by this process.

        Yields:
            The descriptor of the lock, for the supervisor to inherit.
        """
        # The log may say what nobody else on this machine should read.
        self.path.mkdir(parents=True, mode=0o700)
        self.work.mkdir()
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # From before it can be seen until its supervisor ends, so that nobody takes it for abandoned in between.
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.log.touch(mode=0o600)
            write_json(self._about, {"id": job_id, "created": now(), "spec": json.loads(spec.to_json())})
            yield lock
        finally:
            os.close(lock)

    def spec(self) -> JobSpec:
        """What the job is made of.

        Raises:
            InvalidFolder: The file is damaged.
            InvalidConfig: The job is of a later version of the kit.
        """
        return JobSpec.from_json(json.dumps(self._read(self._about).get("spec")))

    def job(self) -> Job:
        """The job as it is now.

        Raises:
            InvalidFolder: The files are damaged.
            InvalidConfig: The job is of a later version of the kit.
        """
        about = self._read(self._about)
        labels = self.spec().all_labels
        state = self._read(self.state)
        if state.get("state") not in FINAL_STATES and not self._is_watched():
            # Again: it may have ended between the two looks.
            state = self._read(self.state)
            if state.get("state") not in FINAL_STATES:
                state = self._abandon(state)
        try:
            return Job(
                id=about["id"],
                state=state.get("state", "SCHEDULING"),
                message=state.get("message"),
                labels=labels,
                created=datetime.fromisoformat(about["created"]),
                started=_time(state.get("started")),
                finished=_time(state.get("finished")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidFolder(f"{self._about} is damaged: {error}.") from error

    def _is_watched(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(self._lock, os.O_RDWR)
            try:
                # Shared: two who look at once must not take each other for the supervisor.
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(lock)
        return False

    def _abandon(self, state: dict[str, Any]) -> dict[str, Any]:
        """End what the killed supervisor has left running, and write down that nobody knows how it ended."""
        group = state.get("group")
        if group is not None and group_identity(group) == state.get("group_identity") is not None:
            end_group(group)
        times = {"started": state.get("started"), "finished": now()}
        state = {"state": "ERROR", "message": ABANDONED, "exit_code": None, **times}
        write_json(self.state, state)
        return state

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise InvalidFolder(f"{path} is damaged: {error}.") from error
        return found


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
