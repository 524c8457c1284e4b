"""MaxSim by the Triton kernels of ``late-interaction-kernels``: the same scores without the four-dimensional tensor.

Written to its documented interface (0.4.5); it has not run on a GPU here. Its makers measure little gain in time end to
end and five to ten times the in-batch negatives in the same memory.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from colbert_kit.errors import InvalidConfig

__all__ = ["fused_kernel", "fused_own_scores", "fused_scores", "fused_scores_pairwise"]

NO_TOKENS = -1e9
"""Score of a document of which every token is masked, as sentence-transformers gives it."""


def fused_kernel() -> Callable[..., Tensor]:
    """The kernel, where it can run.

    Raises:
        InvalidConfig: There is no CUDA device, or the library is not installed.
    """
    if not torch.cuda.is_available():
        raise InvalidConfig('score_metric "fused" needs a CUDA device, and there is none; use "colbert".')
    try:
        from late_interaction_kernels import maxsim
    except ImportError as error:
        raise InvalidConfig(
            'score_metric "fused" needs: pip install late-interaction-kernels. Or use "colbert".'
        ) from error
    kernel: Callable[..., Tensor] = maxsim
    return kernel


def fused_scores(
    queries_embeddings: Tensor,
    documents_embeddings: Tensor,
    queries_mask: Tensor | None = None,
    documents_mask: Tensor | None = None,
) -> Tensor:
    """``(queries, groups * documents)`` of ``(queries, q, dim)`` and ``(groups, documents, d, dim)``."""
    groups, number, width, dim = documents_embeddings.shape
    documents = documents_embeddings.reshape(groups * number, width, dim)
    mask = None if documents_mask is None else documents_mask.reshape(groups * number, width)
    return _finite(fused_kernel()(queries_embeddings, documents, _bool(queries_mask), _bool(mask)))


def fused_own_scores(
    queries_embeddings: Tensor,
    documents_embeddings: Tensor,
    queries_mask: Tensor | None = None,
    documents_mask: Tensor | None = None,
) -> Tensor:
    """``(queries, documents)`` of ``(queries, q, dim)`` and ``(queries, documents, d, dim)``."""
    return _finite(fused_kernel()(queries_embeddings, documents_embeddings, _bool(queries_mask), _bool(documents_mask)))


def fused_scores_pairwise(
    queries_embeddings: Tensor,
    documents_embeddings: Tensor,
    queries_mask: Tensor | None = None,
    documents_mask: Tensor | None = None,
) -> Tensor:
    """``(queries,)`` of ``(queries, q, dim)`` and ``(queries, d, dim)``."""
    mask = None if documents_mask is None else documents_mask[:, None]
    return fused_own_scores(queries_embeddings, documents_embeddings[:, None], queries_mask, mask)[:, 0]


def _bool(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.bool()


def _finite(scores: Tensor) -> Tensor:
    return scores.masked_fill(torch.isneginf(scores), NO_TOKENS)
