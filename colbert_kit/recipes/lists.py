"""Lists to learn a ranking from, scored by the start model and a teacher together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.errors import InvalidData
from colbert_kit.progress import OnProgress
from colbert_kit.scores import PackedEmbeddings, maxsim_pairwise
from colbert_kit.searcher import Searcher
from colbert_kit.training import Teacher, mine_hard_negatives, score_with_teacher

__all__ = ["scored_lists"]

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 5000
"""Scored, and kept if the work is stopped; a text in two such parts is encoded twice."""
PAIRS_AT_ONCE = 1024
"""Packed for MaxSim: 100 MB of documents of 180 tokens at dim 128."""
SMALLEST_SPREAD = 1e-6
"""Scores closer together than this are equal: divided by their spread they would only be rounding."""


def scored_lists(
    start: Searcher,
    pairs: Iterable[Mapping[str, Any]],
    teacher: Teacher,
    folder: Path,
    *,
    num_negatives: int,
    seed: int,
    on_progress: OnProgress | None = None,
) -> Dataset:
    """Lists of documents, each with the target that ``losses.Distillation`` without ``normalize_scores`` takes.

    A list is a query's positive and any ``num_negatives`` of its 50 best by the start model; no judgement is learnt,
    so none is left out for scoring near the positive. Two retrievers that err differently rank better together than
    either does, so a target is the mean of both models' scores, each list's brought to one mean and spread, and then to
    the spread of the start model's own: what it is confident of stays as confident.

    Args:
        start: The start model's index of the corpus.
        pairs: Rows with a query and its positive.
        teacher: What scores, beside the start model.
        folder: Where both models' scores are kept as they come.
        num_negatives: Documents of a list beside the positive.
        seed: Of the choice among the 50.
        on_progress: Called as work is done.

    Returns:
        ``query``, ``documents`` and ``scores``.

    Raises:
        InvalidData: The corpus has too few documents for a list, or a model scores all of each list alike.
    """
    mined = mine_hard_negatives(
        start, pairs, num_negatives=num_negatives, max_relative_score=None, sampling="random", seed=seed,
        on_progress=on_progress,
    )  # fmt: skip
    whole = [row for row in mined if None not in row.values()]
    if not whole:
        raise InvalidData(f"no query has {num_negatives} documents beside its positive; ask for fewer num_negatives.")
    both = [
        score_with_teacher(one, whole, folder / name, rows_per_part=ROWS_AT_ONCE, on_progress=on_progress)
        for name, one in (("start", _as_it_searches(start.model)), ("teacher", teacher))
    ]
    rows = list(_blended(*both))
    if not rows:
        raise InvalidData("the start model or the teacher scores all documents of each list alike: nothing to learn.")
    if len(rows) < len(mined):
        left_out = len(mined) - len(rows)
        logger.warning("%d of %d lists are short or scored alike, and are left out.", left_out, len(mined))
    return Dataset.from_list(rows)


def _as_it_searches(model: MultiVectorEncoder) -> Teacher:
    """The model's own scores, encoded in the dtype that the machine does best, which is three times as fast here."""

    def maxsim(queries: list[str], documents: list[str]) -> list[float]:
        sides = [_once(queries, models.encode_queries, model), _once(documents, models.encode_documents, model)]
        starts = range(0, len(queries), PAIRS_AT_ONCE)
        parts = ([PackedEmbeddings.pack(side[begin : begin + PAIRS_AT_ONCE]) for side in sides] for begin in starts)
        return [score for part in parts for score in maxsim_pairwise(*part).tolist()]

    return maxsim


def _once(
    texts: list[str],
    encode: Callable[[MultiVectorEncoder, list[str]], Iterator[PackedEmbeddings]],
    model: MultiVectorEncoder,
) -> list[NDArray[Any]]:
    """A text's embeddings for each time that it comes."""
    unique = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    known = [one for batch in encode(model, list(unique)) for one in batch]
    return [known[unique[text]] for text in texts]


def _blended(own: Dataset, taught: Dataset) -> Iterator[dict[str, Any]]:
    for row, other in zip(own, taught, strict=True):
        target = _target(row["scores"], other["scores"])
        if target is not None:
            yield {"query": row["query"], "documents": row["documents"], "scores": target.tolist()}


def _target(own: Sequence[float], taught: Sequence[float]) -> NDArray[np.float64] | None:
    """Both scores of a list at one spread, summed, at the spread of ``own`` about 0; None where one says nothing."""
    sides = [np.asarray(one, dtype=np.float64) for one in (own, taught)]
    spreads = [side.std() for side in sides]
    if min(spreads) < SMALLEST_SPREAD:
        return None
    total = sum((side - side.mean()) / spread for side, spread in zip(sides, spreads, strict=True))
    return total * spreads[0] / total.std() if total.std() >= SMALLEST_SPREAD else None
