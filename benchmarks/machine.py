"""What every table says first: the machine and the versions."""

from __future__ import annotations

import threading
from typing import Any

import psutil

from colbert_kit import machine

__all__ = ["MemoryWatch", "demo_texts", "describe", "resident"]


def describe() -> str:
    """One line: processor, cores, instruction sets that matter here, versions."""
    found = machine.describe()
    versions = ", ".join(f"{name} {found[name]}" for name in machine.PACKAGES)
    return f"{found['processor']}, {found['cores']} cores, {found['instructions']}; {versions}"


def demo_texts(number: int) -> list[str]:
    """The first ``number`` abstracts of SciFact."""
    from itertools import islice

    from colbert_kit import data

    return [document["text"] for document in islice(data.read_demo_corpus(), number)]


class MemoryWatch:
    """The most memory that this process had at a time, in GiB above what it had at the start.

    ``peak`` counts pages of mapped files too, which the system takes back when it needs them; ``own`` does not.
    """

    def __init__(self, every_seconds: float = 0.02) -> None:
        self.peak = self.own = 0.0
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._start = resident()
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:  # noqa: ANN401
        self._stop.set()
        self._thread.join()

    def restart(self) -> None:
        """Forget the most so far; what is above the start stays above the same start."""
        self.peak = self.own = 0.0

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            peak, own = (now - before for now, before in zip(resident(), self._start, strict=True))
            self.peak, self.own = max(self.peak, peak), max(self.own, own)


def resident(process: psutil.Process | None = None) -> tuple[float, float]:
    """GiB that a process, this one where None, has resident: all, and without pages of files."""
    memory = (process or psutil.Process()).memory_info()
    return memory.rss / 2**30, (memory.rss - memory.shared) / 2**30
