"""Jobs' logs, read in the background while somebody looks: bounded in lines, in length of a line and in number."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from colbert_kit import runners
from colbert_kit.errors import ColbertKitError

__all__ = ["Watch", "Watches"]

LINES_KEPT = 1000
LONGEST_LINE = 2000
LONGEST_EVENT = 4000
MOST_WATCHED = 32
"""Jobs whose logs are in memory: at 1,000 lines of 2,000 characters, 64 MB at the very most."""
IDLE_SECONDS = 120.0
"""A log at which nobody has looked for so long is read no further; whoever comes back begins anew."""
SECONDS_BETWEEN_SAMPLES = 5.0


class ShortLines(runners.JobLog):
    """A log whose lines are cut, so that none can fill memory or page."""

    def add(self, line: str) -> None:
        """Take up the next line."""
        if len(line) > LONGEST_EVENT or (len(line) > LONGEST_LINE and runners.parse_event(line) is None):
            line = f"{line[:LONGEST_LINE]} … ({len(line):,} characters)"
        super().add(line)


class MeasuresUsage(Protocol):
    """A runner that knows what a job's machine is busy with."""

    def usage(self, job_id: str) -> runners.Usage | None:
        """What it is busy with."""
        ...


class Watch:
    """One job's log, and what its machine was last busy with.

    Args:
        runner: Where it runs.
        job_id: The job.
    """

    def __init__(self, runner: runners.Runner, job_id: str) -> None:
        self.job_id = job_id
        self.log = ShortLines(keep_lines=LINES_KEPT, keep_metrics=5000)
        self.last_look = time.monotonic()
        self.usage: runners.Usage | None = None
        self._follower = runners.Follower(runner, job_id, self.log)
        self._sampled = 0.0
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self._follower.is_over

    @property
    def trouble(self) -> str | None:
        """Why the log could not be read."""
        if not self._follower.is_over:
            return None
        try:
            self._follower.wait(0)
        except TimeoutError:
            return None
        except ColbertKitError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever ended the thread that reads
            return f"the log could not be read on: {type(error).__name__}."
        return None

    def stop(self) -> None:
        """Read no further."""
        self._follower.stop()

    def measure(self, runner: runners.Runner, job: runners.Job) -> None:
        """Ask now and then what the machine of a job at the Hub is busy with, in the background: it takes a second."""
        is_due = time.monotonic() - self._sampled > SECONDS_BETWEEN_SAMPLES
        if isinstance(runner, runners.HfJobsRunner) and job.state == "RUNNING" and is_due:
            self._sampled = time.monotonic()
            threading.Thread(target=self._sample, args=(runner,), name="usage", daemon=True).start()

    def _sample(self, runner: MeasuresUsage) -> None:
        if not self._lock.acquire(blocking=False):
            return
        try:
            self.usage = runner.usage(self.job_id) or self.usage
        except ColbertKitError:
            # It has just ended, or the Hub does not say: nothing that the visitor could do.
            self.usage = None
        finally:
            self._lock.release()


class Watches:
    """The logs that somebody looks at, each read once whoever looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str | None, ...], Watch] = {}

    def get(self, key: tuple[str | None, ...], runner: runners.Runner, job_id: str) -> Watch:
        """The log of a job.

        Args:
            key: Who looks at which job.
            runner: Reads it, where nobody has looked yet.
            job_id: The job.
        """
        now = time.monotonic()
        with self._lock:
            self._forget(now)
            watch = self._known.get(key)
            if watch is None or watch.trouble is not None:
                watch = self._known[key] = Watch(runner, job_id)
            watch.last_look = now
            return watch

    def _forget(self, now: float) -> None:
        """Let go of those at which nobody looks, and where there are too many of the one seen longest ago."""
        by_age = sorted(self._known, key=lambda key: self._known[key].last_look)
        for number, key in enumerate(by_age):
            is_idle = now - self._known[key].last_look > IDLE_SECONDS
            if is_idle or len(by_age) - number >= MOST_WATCHED:
                self._known.pop(key).stop()
