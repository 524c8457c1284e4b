"""Late-interaction (ColBERT) retrieval: index, search, rerank, explain.

Names are imported when they are first used, so that ``import colbert_kit`` costs nothing.

    from colbert_kit import Searcher, models

    searcher = Searcher.build("my-index", models.load_demo(), [{"id": "1", "text": "ColBERT keeps a vector a token."}])
    print(searcher.search("token vectors", k=5))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colbert_kit import (
        data,
        documents,
        errors,
        evaluation,
        indexes,
        losses,
        models,
        progress,
        rank,
        recipes,
        retrieve,
        runners,
        scores,
        training,
        utils,
    )
    from colbert_kit.searcher import Hit, Searcher, rerank_texts

__version__ = "0.1.0"

__all__ = [
    "Hit",
    "Searcher",
    "data",
    "documents",
    "errors",
    "evaluation",
    "indexes",
    "losses",
    "models",
    "progress",
    "rank",
    "recipes",
    "rerank_texts",
    "retrieve",
    "runners",
    "scores",
    "training",
    "utils",
]

# What lives deeper than a room of its own name.
_DEEPER = dict.fromkeys(["Hit", "Searcher", "rerank_texts"], "colbert_kit.searcher")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the face holds
    if name in _DEEPER:
        return getattr(importlib.import_module(_DEEPER[name]), name)
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
