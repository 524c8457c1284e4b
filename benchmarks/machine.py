"""What every table says first: the machine and the versions."""

from __future__ import annotations

import os
import platform
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

__all__ = ["MemoryWatch", "demo_texts", "describe"]

PACKAGES = ("torch", "sentence-transformers", "transformers", "numpy")


def describe() -> str:
    """One line: processor, cores, instruction sets that matter here, versions."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), "")
    sets = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {name}" in info]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{model or platform.processor()}, {os.cpu_count()} cores, {' '.join(sets)}; {versions}"


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
        self._start = _resident()
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
            peak, own = (now - before for now, before in zip(_resident(), self._start, strict=True))
            self.peak, self.own = max(self.peak, peak), max(self.own, own)


def _resident() -> tuple[float, float]:
    """GiB resident: all, and without pages of files."""
    memory = psutil.Process().memory_info()
    return memory.rss / 2**30, (memory.rss - memory.shared) / 2**30
