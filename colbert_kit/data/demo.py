"""The demo corpus that ships with the package: SciFact's 5,183 abstracts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colbert_kit.data.corpus import read_corpus

__all__ = ["DEMO_CORPUS_SIZE", "read_demo_corpus"]

DEMO_CORPUS_SIZE = 5183
"""Documents of the demo corpus."""


def read_demo_corpus() -> Iterator[dict[str, Any]]:
    """Read SciFact's abstracts: ``{"id", "text", "title"}``.

    Allen Institute for AI, SciFact (Wadden et al., EMNLP 2020, https://aclanthology.org/2020.emnlp-main.609);
    abstracts under ODC-By 1.0.
    """
    return read_corpus(Path(__file__).parent.parent / "demo" / "scifact.jsonl.gz")
