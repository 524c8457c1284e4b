"""Score metrics: how a loss turns token embeddings into scores, by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import torch
from sentence_transformers.multi_vector_encoder.scoring import (
    XTRKDScores,
    XTRScores,
    colbert_kd_scores,
    colbert_scores,
    colbert_scores_pairwise,
    xtr_scores_pairwise,
)
from sentence_transformers.util.misc import similarity_fct_name
from torch import Tensor

from colbert_kit.errors import InvalidConfig
from colbert_kit.losses.fused import fused_kernel, fused_own_scores, fused_scores, fused_scores_pairwise

__all__ = ["ScoreMetric", "cross_metric", "own_metric", "pairwise_metric", "without_vanishing"]

SMALLEST_SLOPE = 1e-12
"""Of a loss by a score. Three batches of 32 pairs at temperature 0.02 through MiniLM, backwards, in float32 on two
cores of a Xeon: 17.6, 7.2 and 4.9 s with all slopes; 1.4, 1.2 and 1.5 s without the smaller ones."""

Scores = Callable[..., Tensor]
ScoreMetric = Literal["colbert", "xtr", "pylate", "fused"] | Scores
"""``"colbert"``: MaxSim. ``"xtr"``: MaxSim over the 256 best document tokens of the batch (Lee et al., 2023).
``"pylate"``: MaxSim as PyLate 1.6 trains on it: padded and skipped document tokens count as similarity 0, and every
document is padded, so that no query token gains less than 0. ``"fused"``: MaxSim by Triton kernels, on CUDA only. Or a
callable with sentence-transformers' signature."""


def cross_metric(metric: ScoreMetric) -> Scores:
    """Scores of each query with all documents of the batch, ``(queries, groups * documents)``, query-major.

    Raises:
        InvalidConfig: There is no such metric.
    """
    return _by_name(
        metric, {"colbert": colbert_scores, "xtr": XTRScores(), "pylate": pylate_scores, "fused": fused_scores}
    )


def own_metric(metric: ScoreMetric) -> Scores:
    """Scores of each query with its own documents, ``(queries, documents)``.

    Raises:
        InvalidConfig: There is no such metric.
    """
    return _by_name(
        metric,
        {"colbert": colbert_kd_scores, "xtr": XTRKDScores(), "pylate": pylate_own_scores, "fused": fused_own_scores},
    )


def pairwise_metric(metric: ScoreMetric) -> Scores:
    """Scores of query ``i`` with document ``i``, ``(queries,)``.

    Raises:
        InvalidConfig: There is no such metric.
    """
    return _by_name(
        metric,
        {
            "colbert": colbert_scores_pairwise,
            "xtr": xtr_scores_pairwise,
            "pylate": pylate_scores_pairwise,
            "fused": fused_scores_pairwise,
        },
    )


def pylate_scores(
    queries_embeddings: Tensor,
    documents_embeddings: Tensor,
    queries_mask: Tensor | None = None,
    documents_mask: Tensor | None = None,
) -> Tensor:
    """``(queries, groups * documents)`` of ``(queries, q, dim)`` and ``(groups, documents, d, dim)``."""
    groups, number, width, dim = documents_embeddings.shape
    documents = documents_embeddings.reshape(groups * number, width, dim)
    mask = None if documents_mask is None else documents_mask.reshape(groups * number, width)
    similarities = torch.einsum("qsh,dth->qdst", queries_embeddings, documents)
    return _floored(
        similarities,
        None if queries_mask is None else queries_mask[:, None],
        None if mask is None else mask[None, :, None],
    )


def pylate_own_scores(
    queries_embeddings: Tensor,
    documents_embeddings: Tensor,
    queries_mask: Tensor | None = None,
    documents_mask: Tensor | None = None,
) -> Tensor:
    """``(queries, documents)`` of ``(queries, q, dim)`` and ``(queries, documents, d, dim)``."""
    similarities = torch.einsum("qsh,qnth->qnst", queries_embeddings, documents_embeddings)
    return _floored(
        similarities,
        None if queries_mask is None else queries_mask[:, None],
        None if documents_mask is None else documents_mask[:, :, None],
    )


def pylate_scores_pairwise(
    queries_embeddings: Tensor,
    documents_embeddings: Tensor,
    queries_mask: Tensor | None = None,
    documents_mask: Tensor | None = None,
) -> Tensor:
    """``(queries,)`` of ``(queries, q, dim)`` and ``(queries, d, dim)``."""
    mask = None if documents_mask is None else documents_mask[:, None]
    return pylate_own_scores(queries_embeddings, documents_embeddings[:, None], queries_mask, mask)[:, 0]


def _floored(similarities: Tensor, queries_mask: Tensor | None, documents_mask: Tensor | None) -> Tensor:
    """Sum over query tokens of the largest similarity, of which one is always 0."""
    if documents_mask is not None:
        similarities = similarities * documents_mask.to(similarities.dtype)
    best = similarities.max(dim=-1).values.float().clamp_min(0)
    if queries_mask is not None:
        best = best * queries_mask
    return best.sum(dim=-1)


def without_vanishing(metric: Scores) -> Scores:
    """The metric, whose gradient on a CPU is 0 where it is less than ``SMALLEST_SLOPE``.

    At a low temperature most documents have a probability of nearly nothing. Sent back through the encoder it becomes
    numbers too small for float32's usual form, with which processors are far slower. Cards name the metric itself.

    Args:
        metric: Scores.
    """

    @functools.wraps(metric)
    def scored(*arguments: Any, **options: Any) -> Tensor:  # noqa: ANN401 - the metric's own
        scores = metric(*arguments, **options)
        if scores.requires_grad and scores.device.type == "cpu":
            scores.register_hook(_without_small)  # type: ignore[no-untyped-call]
        return scores

    scored.__name__ = similarity_fct_name(metric)
    return scored


def _without_small(slopes: Tensor) -> Tensor:
    return slopes.masked_fill(slopes.abs() < SMALLEST_SLOPE, 0)


def _by_name(metric: ScoreMetric, known: dict[str, Scores]) -> Scores:
    if callable(metric):
        return metric
    if metric not in known:
        raise InvalidConfig(f"score_metric must be one of {', '.join(known)}, or a callable, got {metric!r}.")
    if metric == "fused":
        fused_kernel()
    return known[metric]
