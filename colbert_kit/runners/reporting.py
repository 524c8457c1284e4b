"""What a script says while it runs: lines for people, and events for whoever launched it."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from colbert_kit.errors import ColbertKitError
from colbert_kit.hub import redacted
from colbert_kit.progress import Progress
from colbert_kit.runners.events import Event, Failure, Metrics, Result, format_event

__all__ = ["Report", "reporting"]

SECONDS_BETWEEN = 1.0


class Report:
    """Writes events to standard output."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def progress(self, progress: Progress) -> None:
        """Say how far it is: of each stage once a second, and its end. For ``on_progress``."""
        since = time.monotonic() - self._last.get(progress.stage, -SECONDS_BETWEEN)
        if since >= SECONDS_BETWEEN or progress.done == progress.total:
            self._last[progress.stage] = time.monotonic()
            _say(progress)

    def metrics(self, step: int, values: Mapping[str, float], *, steps: int | None = None) -> None:
        """Say the figures of a step.

        Args:
            step: Which.
            values: By name.
            steps: Of how many.
        """
        _say(Metrics(step, steps, values))

    def result(self, **values: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Say what came of the job, once it is where it belongs."""
        _say(Result(values))


class _Lines(logging.Handler):
    """What the kit has to say, and the figures that a record brings: ``metrics``, with step, steps and values."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, and an event for its figures."""
        _write(redacted(self.format(record)))
        if (metrics := getattr(record, "metrics", None)) is not None:
            _say(Metrics(**metrics))


@contextmanager
def reporting() -> Iterator[Report]:
    """Report what happens inside; what fails is said in one line and ends the process with code 1.

    Example:
        >>> with reporting() as report:
        ...     report.result(repo_id="me/model")
        ::colbert-kit:: {"event": "result", "values": {"repo_id": "me/model"}}
    """
    report = Report()
    handler, logger = _Lines(), logging.getLogger("colbert_kit")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield report
    except ColbertKitError as error:
        # The user's to fix: no traceback.
        _say(Failure(_one_line(error)))
        raise SystemExit(1) from None
    except Exception as error:
        _say(Failure(f"{type(error).__name__}: {_one_line(error)}"))
        raise
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _one_line(error: BaseException) -> str:
    return redacted(" ".join(str(error).split()))


def _say(event: Event) -> None:
    _write(format_event(event))


def _write(line: str) -> None:
    # At once and whole: several threads may report.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
