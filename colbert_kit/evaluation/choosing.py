"""Which of many measured settings to take, when several differ by no more than chance."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from colbert_kit.evaluation.index_points import IndexPoint
from colbert_kit.evaluation.index_timing import Setting
from colbert_kit.evaluation.limits import Limits, describe

__all__ = ["ENOUGH_QUERIES", "Candidate", "halves", "nothing_fits", "preferred"]

ENOUGH_QUERIES = 100
"""Queries from which half of them are kept back: the best of many settings on the queries that chose it looks better
than it is, and with fewer than 50 a half says too little of either."""

SEED = 42


@dataclass(frozen=True)
class Candidate:
    """A setting and what was measured of it."""

    setting: Setting
    point: IndexPoint


def halves(queries: Mapping[str, str], exact: Mapping[str, float]) -> tuple[dict[str, str], dict[str, str]]:
    """Queries to choose by and others to report; all of them twice where there are too few.

    Args:
        queries: Texts by query id.
        exact: Quality of the exact ranking by query id. Of two queries that are next to each other in it one goes to
            each half, at random, so that a limit on quality is as hard to meet with either.
    """
    if len(queries) < ENOUGH_QUERIES:
        return dict(queries), dict(queries)
    generator = random.Random(SEED)
    names = sorted(queries)
    generator.shuffle(names)
    names.sort(key=lambda name: exact.get(name, 0.0))
    chosen: set[str] = set()
    for start in range(0, len(names) - 1, 2):
        chosen.add(generator.choice(names[start : start + 2]))
    parts = ({name: text for name, text in queries.items() if (name in chosen) is half} for half in (True, False))
    return next(parts), next(parts)


def preferred(candidates: Sequence[Candidate], limits: Limits) -> Candidate:
    """The best of candidates that all meet the limits.

    Where quality is limited and latency is not, the fastest. Else the fastest among those that are within one standard
    error of the best in quality, and among these in recall (the one-standard-error rule; Breiman et al.,
    "Classification and Regression Trees", 1984, section 3.4.3).
    """
    if limits.min_quality is None or limits.max_latency_seconds is not None:
        candidates = _as_good(candidates, lambda point: point.qualities)
        candidates = _as_good(candidates, lambda point: point.recalls)
    return min(candidates, key=lambda one: one.point.search.p95_seconds)


def nothing_fits(candidates: Sequence[Candidate], limits: Limits, text_bytes: float) -> str:
    """What to say where no candidate meets the limits: the nearest one, and what would help.

    Args:
        candidates: All that were tried.
        limits: The limits.
        text_bytes: Bytes of a document that its text and metadata take.
    """
    nearest = min((one.point for one in candidates), key=limits.excess)
    tried = "nothing" if len(candidates) == 1 else f"none of the {len(candidates)} settings"
    hint = f"Of these, {text_bytes:,.0f} are text and metadata."
    if limits.max_bytes_per_document is None:
        hint = "Where bytes are limited too, other bits and pooling are tried."
    return f"{tried} tried has {limits.spell(nearest)}. The nearest is {describe(nearest)}. {hint}"


def _as_good(candidates: Sequence[Candidate], values: Callable[[IndexPoint], Mapping[str, float]]) -> list[Candidate]:
    """Those whose mean is within one standard error of the best, query by query."""
    arrays = [np.array(list(values(one.point).values())) for one in candidates]
    if not len(arrays[0]):
        return list(candidates)
    best = max(arrays, key=lambda array: float(array.mean()))
    return [one for one, array in zip(candidates, arrays, strict=True) if _is_near(best - array)]


def _is_near(differences: np.ndarray) -> bool:
    error = differences.std(ddof=1) / math.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return bool(differences.mean() <= error)
