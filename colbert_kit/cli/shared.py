"""What several commands have: options, a model, and what is told meanwhile."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

    from colbert_kit.progress import OnProgress

__all__ = ["AsJson", "K", "Model", "load_model", "told"]

Model = Annotated[
    str | None, typer.Option("--model", "-m", help="A folder or Hub repository; the demo encoder if left out.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]
K = Annotated[int, typer.Option("-k", help="Hits at most.")]


@contextmanager
def told() -> Iterator[OnProgress]:
    """Progress, and what the kit has to say while it works: a line each on stderr."""
    from colbert_kit import progress

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("colbert_kit")
    before = logger.level
    logger.addHandler(handler)
    # Of several processes that train together the first one speaks.
    logger.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING)
    try:
        with progress.terminal_progress() as on_progress:
            yield on_progress
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def load_model(model: str | None) -> MultiVectorEncoder:
    """The model that an option names; the demo encoder where it was left out."""
    from colbert_kit import models

    with models.without_library_bars():
        return models.load_demo() if model is None else models.ColBERT(model)
