"""A job followed in the background: its last lines and its figures, for whoever looks now and then."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from colbert_kit.progress import Progress
from colbert_kit.runners.events import Failure, Metrics, Result, parse_event
from colbert_kit.runners.job import Job
from colbert_kit.runners.runner import Runner

__all__ = ["Follower", "JobLog", "follow"]


class JobLog:
    """What a job has said so far: the last lines in a ring, and what its events say. Many threads may look.

    Args:
        keep_lines: How many lines are kept.
        keep_metrics: How many steps' figures are kept.
    """

    def __init__(self, *, keep_lines: int = 5000, keep_metrics: int = 10_000) -> None:
        self._lock = threading.Lock()
        self._lines: deque[str] = deque(maxlen=keep_lines)
        self._metrics: deque[Metrics] = deque(maxlen=keep_metrics)
        self._progress: Progress | None = None
        self._result: Result | None = None
        self._failure: Failure | None = None
        self._num_lines = 0

    def add(self, line: str) -> None:
        """Take up the next line; one that is an event is no line for people, and is kept as what it says."""
        event = parse_event(line)
        with self._lock:
            self._num_lines += 1
            match event:
                case Metrics():
                    self._metrics.append(event)
                case Progress():
                    self._progress = event
                case Result():
                    self._result = event
                case Failure():
                    self._failure = event
                    self._lines.append(event.message)
                case None:
                    self._lines.append(line)

    @property
    def num_lines(self) -> int:
        """All that came, events too; ``lines`` may hold fewer."""
        with self._lock:
            return self._num_lines

    def lines(self, tail: int | None = None) -> list[str]:
        """The last lines for people.

        Args:
            tail: So many at most.
        """
        with self._lock:
            kept = list(self._lines)
        return kept if tail is None else kept[max(0, len(kept) - tail) :]

    def metrics(self) -> list[Metrics]:
        """The figures, in the order they came."""
        with self._lock:
            return list(self._metrics)

    @property
    def progress(self) -> Progress | None:
        """How far the job is."""
        with self._lock:
            return self._progress

    @property
    def result(self) -> Mapping[str, Any] | None:
        """What came of the job; None before it says so."""
        with self._lock:
            return self._result.values if self._result else None

    @property
    def failure(self) -> str | None:
        """Why the job failed, in its own words; None where it has not said so."""
        with self._lock:
            return self._failure.message if self._failure else None


class Follower:
    """A thread that reads a job's log into memory until the job has ended.

    Args:
        runner: Where the job runs.
        job_id: The job.
        log: Where its lines go.
    """

    def __init__(self, runner: Runner, job_id: str, log: JobLog) -> None:
        self.log = log
        self._runner, self._job_id = runner, job_id
        self._is_stopped = threading.Event()
        self._job: Job | None = None
        self._error: Exception | None = None
        # Not waited for at exit: it may sit in a read for as long as the job is silent.
        self._thread = threading.Thread(target=self._run, name=f"follow-{job_id}", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to come."""
        return not self._thread.is_alive()

    def wait(self, timeout_seconds: float | None = None) -> Job:
        """Wait until the job has ended and its log is read.

        Args:
            timeout_seconds: At most so long.

        Returns:
            The job in its final state.

        Raises:
            TimeoutError: It has not ended.
            ColbertKitError: It could not be followed.
        """
        self._thread.join(timeout_seconds)
        if self._error is not None:
            raise self._error
        if self._job is None:
            raise TimeoutError(f"job {self._job_id} has not ended, or is not followed any more.")
        return self._job

    def stop(self) -> None:
        """Follow no longer; the job goes on."""
        self._is_stopped.set()

    def _run(self) -> None:
        try:
            for line in self._runner.stream_logs(self._job_id):
                if self._is_stopped.is_set():
                    return
                self.log.add(line)
            self._job = self._runner.inspect(self._job_id)
        except Exception as error:  # noqa: BLE001 - raised again by wait, in the thread of whoever asks
            self._error = error


def follow(runner: Runner, job_id: str, *, keep_lines: int = 5000) -> Follower:
    """Follow a job in the background; after a restart of this process, from its first line again.

    Args:
        runner: Where the job runs.
        job_id: The job.
        keep_lines: How many of its last lines are kept.

    Example:
        >>> follower = follow(runner, job.id)  # doctest: +SKIP
        >>> follower.log.lines(tail=20), follower.log.metrics()  # doctest: +SKIP
        >>> follower.wait().state  # doctest: +SKIP
        'COMPLETED'
    """
    return Follower(runner, job_id, JobLog(keep_lines=keep_lines))
