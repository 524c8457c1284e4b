"""Losses that learn from a teacher's scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.losses import MultiVectorDistillKLDivLoss, MultiVectorMarginMSELoss
from torch import Tensor

from colbert_kit.errors import InvalidInput
from colbert_kit.losses.features import Features, checked_features, checked_temperature, without_missing
from colbert_kit.losses.metrics import ScoreMetric, Scores, own_metric, pairwise_metric

__all__ = ["Distillation", "MarginMSE"]

SMALLEST_SPAN = 1e-6
"""Scores of a query that differ by less are taken as equal: divided by their difference they would only be rounding."""


class Distillation(MultiVectorDistillKLDivLoss):
    """KL divergence of the student's distribution over a query's documents from the teacher's.

    sentence-transformers' ``MultiVectorDistillKLDivLoss``, with the student's scores brought to [0, 1] first as PyLate
    does; the teacher's are taken as they are.

    Args:
        model: The model; ``torch.compile(model)`` too.
        normalize_scores: Bring each query's scores to [0, 1]. Equal scores become 0 and give no gradient.
        temperature: Both sides' scores are divided by it; the loss is multiplied by its square (Hinton et al., 2015).
        student_temperature: For the student's alone.
        teacher_temperature: For the teacher's alone.
        score_metric: As ``Contrastive``.
        mini_batch_size: Texts of a forward pass at most, all with their activations kept; None for all at once.

    Raises:
        InvalidConfig: A temperature is not positive, or there is no such metric.

    Example:
        >>> from colbert_kit import losses, models  # doctest: +SKIP
        >>> loss = losses.Distillation(models.ColBERT("bert-base-uncased"))  # doctest: +SKIP
    """

    def __init__(
        self,
        model: MultiVectorEncoder,
        normalize_scores: bool = True,
        temperature: float = 1.0,
        *,
        student_temperature: float | None = None,
        teacher_temperature: float | None = None,
        score_metric: ScoreMetric = "colbert",
        mini_batch_size: int | None = None,
    ) -> None:
        for name, value in (("student_temperature", student_temperature), ("teacher_temperature", teacher_temperature)):
            if value is not None:
                checked_temperature(value, name)
        metric = own_metric(score_metric)
        super().__init__(
            model,
            similarity_fct=MinMax(metric) if normalize_scores else metric,
            temperature=checked_temperature(temperature),
            student_temperature=student_temperature,
            teacher_temperature=teacher_temperature,
            mini_batch_size=mini_batch_size,
        )
        self.normalize_scores = normalize_scores

    def get_config_dict(self) -> dict[str, Any]:
        """What a model card says of the loss."""
        return {"normalize_scores": self.normalize_scores, **super().get_config_dict()}

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            sentence_features: Of the query and its documents: what ``utils.ColBERTCollator`` makes.
            labels: The teacher's scores, ``(queries, documents)``.

        Returns:
            A scalar.

        Raises:
            InvalidInput: A column's role is unknown, there are fewer than two documents a query, or other than one
                score a document.
        """
        features = checked_features(self, sentence_features, at_least=3)
        labels = _checked_labels(self, labels, [(len(features) - 1,)])
        with without_missing(self.model):
            loss: Tensor = super().forward(features, labels)
        return loss


class MarginMSE(MultiVectorMarginMSELoss):
    """Squared difference of the student's margins, positive minus negative, and the teacher's.

    sentence-transformers' ``MultiVectorMarginMSELoss`` (Hofstätter et al., 2020).

    Args:
        model: The model; ``torch.compile(model)`` too.
        score_metric: As ``Contrastive``.
        mini_batch_size: Texts of a forward pass at most, all with their activations kept; None for all at once.

    Raises:
        InvalidConfig: There is no such metric.
    """

    def __init__(
        self, model: MultiVectorEncoder, *, score_metric: ScoreMetric = "colbert", mini_batch_size: int | None = None
    ) -> None:
        super().__init__(model, similarity_fct=pairwise_metric(score_metric), mini_batch_size=mini_batch_size)

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            sentence_features: Of the query, the positive and the negatives: what ``utils.ColBERTCollator`` makes.
            labels: The teacher's scores of positive and negatives, ``(queries, 1 + negatives)``, or its margins,
                ``(queries, negatives)`` or with one negative ``(queries,)``.

        Returns:
            A scalar.

        Raises:
            InvalidInput: A column's role is unknown, there is no negative, or the scores are of another shape.
        """
        features = checked_features(self, sentence_features, at_least=3)
        negatives = len(features) - 2
        labels = _checked_labels(self, labels, [(negatives + 1,), (negatives,), *([()] if negatives == 1 else [])])
        with without_missing(self.model):
            loss: Tensor = super().forward(features, labels)
        return loss


class MinMax:
    """A metric whose scores are brought to [0, 1] for each query; in float32, where half precision would divide by 0.

    Args:
        metric: Scores of each query with its own documents.
    """

    def __init__(self, metric: Scores) -> None:
        self.metric = metric

    def get_config_dict(self) -> dict[str, Any]:
        """What a model card says of it."""
        return {"metric": getattr(self.metric, "__name__", type(self.metric).__name__)}

    def __call__(
        self,
        queries_embeddings: Tensor,
        documents_embeddings: Tensor,
        queries_mask: Tensor | None = None,
        documents_mask: Tensor | None = None,
    ) -> Tensor:
        """``(queries, documents)``; documents without a token get 0 and do not move the others."""
        scores = self.metric(
            queries_embeddings, documents_embeddings, queries_mask=queries_mask, documents_mask=documents_mask
        ).float()
        empty = torch.zeros_like(scores, dtype=torch.bool)
        if documents_mask is not None:
            empty = ~documents_mask.bool().any(dim=-1)
        low = scores.masked_fill(empty, torch.inf).amin(dim=-1, keepdim=True)
        span = scores.masked_fill(empty, -torch.inf).amax(dim=-1, keepdim=True) - low
        useless = empty | ~(span > SMALLEST_SPAN)
        # Both are replaced before the division, so that no infinity reaches its gradient.
        low, span = low.masked_fill(~torch.isfinite(low), 0.0), span.masked_fill(~(span > SMALLEST_SPAN), 1.0)
        return ((scores - low) / span).masked_fill(useless, 0.0)


def _checked_labels(loss: torch.nn.Module, labels: Tensor | None, allowed: list[tuple[int, ...]]) -> Tensor:
    name = type(loss).__name__
    if labels is None:
        raise InvalidInput(f"{name} needs the teacher's scores: a column 'scores' with one number a document.")
    if tuple(labels.shape[1:]) not in allowed:
        shapes = " or ".join(str(("queries", *shape)).replace("'", "") for shape in allowed)
        raise InvalidInput(f"{name} needs teacher scores of shape {shapes}, got {tuple(labels.shape)}.")
    if not torch.is_floating_point(labels):
        labels = labels.float()
    return labels
