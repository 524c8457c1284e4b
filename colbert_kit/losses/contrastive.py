"""Contrastive losses: the positive among all documents of the batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.losses import (
    CachedMultiVectorMultipleNegativesRankingLoss,
    MultiVectorMultipleNegativesRankingLoss,
)
from torch import Tensor, nn

from colbert_kit.losses.features import Features, checked_features, checked_temperature, without_missing
from colbert_kit.losses.metrics import ScoreMetric, cross_metric, without_vanishing

__all__ = ["CachedContrastive", "Contrastive"]


class _Contrastive(nn.Module):
    """What both share beside sentence-transformers' loss, which comes after it among their bases."""

    model: MultiVectorEncoder
    temperature: float

    def get_config_dict(self) -> dict[str, Any]:
        """What a model card says of the loss."""
        config: dict[str, Any] = super().get_config_dict()  # type: ignore[misc]
        return {"temperature": self.temperature, **config}

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            sentence_features: Of the query, the positive and any negatives: what ``utils.ColBERTCollator`` makes.
            labels: Not used.

        Returns:
            A scalar.

        Raises:
            InvalidInput: A column's role is unknown, or there are fewer than two columns.
        """
        features = checked_features(self, sentence_features, at_least=2)
        with without_missing(self.model):
            loss: Tensor = super().forward(features, labels)
        return loss


class Contrastive(_Contrastive, MultiVectorMultipleNegativesRankingLoss):
    """Cross entropy of each query's positive among the documents of the whole batch.

    sentence-transformers' ``MultiVectorMultipleNegativesRankingLoss`` under the names that PyLate uses. A row may have
    fewer negatives than the others: what is missing takes no part.

    Args:
        model: The model; ``torch.compile(model)`` too.
        temperature: Scores are divided by it. MaxSim grows with the query's tokens, so 1.0, PyLate's default, already
            separates; 0.02 is usual in the literature.
        gather_across_devices: Compare with the documents of all devices. Loss and gradient are those of one device with
            the joined batch; PyLate multiplies the loss by the number of devices.
        score_metric: ``"colbert"``, ``"xtr"``, ``"pylate"`` (PyLate's masks) or a callable.
        mini_batch_size: Texts of a forward pass at most, all with their activations kept; None for all at once.
        score_mini_batch_size: Queries scored at a time; None for all at once.

    Raises:
        InvalidConfig: ``temperature`` is not positive, or there is no such metric.

    Example:
        >>> from colbert_kit import losses, models  # doctest: +SKIP
        >>> loss = losses.Contrastive(models.ColBERT("bert-base-uncased"), temperature=0.02)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: MultiVectorEncoder,
        temperature: float = 1.0,
        gather_across_devices: bool = False,
        *,
        score_metric: ScoreMetric = "colbert",
        mini_batch_size: int | None = None,
        score_mini_batch_size: int | None = None,
    ) -> None:
        super().__init__(
            model,
            scale=1 / checked_temperature(temperature),
            similarity_fct=without_vanishing(cross_metric(score_metric)),
            mini_batch_size=mini_batch_size,
            score_mini_batch_size=score_mini_batch_size,
            gather_across_devices=gather_across_devices,
        )
        self.temperature = temperature


class CachedContrastive(_Contrastive, CachedMultiVectorMultipleNegativesRankingLoss):
    """``Contrastive`` for batches that do not fit in memory: GradCache (Gao et al., 2021).

    Texts are embedded in small batches without gradients, the loss is taken over all of them, and a second pass sends
    its gradients through the model. Loss and gradients are those of ``Contrastive``; PyLate's gradients are larger by
    the batch size, which with Adam is another learning rate.

    Args:
        model: The model; ``torch.compile(model)`` too.
        temperature: As ``Contrastive``.
        mini_batch_size: Texts of a forward pass: what memory is for.
        gather_across_devices: As ``Contrastive``.
        score_metric: As ``Contrastive``.
        score_mini_batch_size: Queries scored at a time; ``mini_batch_size`` where None.
        show_progress_bar: Show a bar inside each step.

    Raises:
        InvalidConfig: ``temperature`` is not positive, or there is no such metric.
    """

    def __init__(
        self,
        model: MultiVectorEncoder,
        temperature: float = 1.0,
        mini_batch_size: int = 32,
        gather_across_devices: bool = False,
        *,
        score_metric: ScoreMetric = "colbert",
        score_mini_batch_size: int | None = None,
        show_progress_bar: bool = False,
    ) -> None:
        super().__init__(
            model,
            scale=1 / checked_temperature(temperature),
            similarity_fct=without_vanishing(cross_metric(score_metric)),
            mini_batch_size=mini_batch_size,
            score_mini_batch_size=score_mini_batch_size,
            gather_across_devices=gather_across_devices,
            show_progress_bar=show_progress_bar,
        )
        self.temperature = temperature
