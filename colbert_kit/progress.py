"""Progress of long work: events for whoever shows them, a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["OnProgress", "Progress", "terminal_progress"]

SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True)
class Progress:
    """How far a piece of long work is.

    Args:
        stage: What is being done, ``"encoding"`` for instance.
        done: Units done.
        total: Units in all; None where nobody knows yet.
    """

    stage: str
    done: int
    total: int | None


OnProgress = Callable[[Progress], None]
"""What a long call tells how far it is."""


@contextmanager
def terminal_progress() -> Iterator[OnProgress]:
    """Show progress on stderr: a bar in a terminal, otherwise a line every ten seconds.

    Example:
        >>> with terminal_progress() as on_progress:
        ...     on_progress(Progress("encoding", 1, 1))
    """
    if not sys.stderr.isatty():
        yield _line_printer()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        tasks = {}

        def show(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bar.add_task(progress.stage)
            bar.update(tasks[progress.stage], completed=progress.done, total=progress.total)

        yield show


def _line_printer() -> OnProgress:
    last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        if progress.done == progress.total or time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            of_total = f"/{progress.total}" if progress.total is not None else ""
            sys.stderr.write(f"{progress.stage}: {progress.done}{of_total}\n")

    return show
