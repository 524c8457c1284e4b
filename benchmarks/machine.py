"""What every table says first: the machine and the versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

__all__ = ["demo_texts", "describe"]

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
