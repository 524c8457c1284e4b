"""A loss that learns a teacher's ranking of all documents of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from sentence_transformers.multi_vector_encoder.scoring import colbert_scores
from torch import Tensor

from colbert_kit.errors import InvalidInput
from colbert_kit.losses.features import Features, checked_features, without_missing
from colbert_kit.losses.teacher import WithTeachers, unit_mean

__all__ = ["InBatchDistillation"]

SCALE = 1000.0
"""Margins are matched to about 0.03, so their squared difference to about 0.001: brought to about 1."""


class InBatchDistillation(WithTeachers):
    """Squared difference of the student's margins and the teachers', between any two documents of a batch.

    Each query is scored with all documents of the batch by MaxSim, in the mean over its tokens, by student and
    teachers. Over all pairs of documents the mean squared difference of margins (MarginMSE; Hofstätter et al., 2020) is
    twice the variance of student minus teacher, which is what is computed. No judgement is needed, the student may be
    narrower, and unlike ``TokenDistillation`` it learns only about the tokens that decide.

    Args:
        model: The student; ``torch.compile(model)`` too.
        teachers: Multi-vector models of the student's tokenizer; they are not trained, nor saved.
        weights: Of the teachers; alike where None.
        context: So much of the cosine of the texts' means is added to a teacher's MaxSim, for encoders that were
            trained to be pooled (``colbert_kit/demo/README.md``); 0 leaves MaxSim alone.
        keep: As ``TokenDistillation``.

    Raises:
        InvalidConfig: There is no teacher, a weight is not positive, or a teacher has none of a student's tokens.

    Example:
        >>> teacher = models.ColBERT("lightonai/GTE-ModernColBERT-v1")  # doctest: +SKIP
        >>> loss = losses.InBatchDistillation(models.ColBERT("jhu-clsp/ettin-encoder-17m"), [teacher])  # doctest: +SKIP
    """

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            sentence_features: Of the queries and their documents: what ``utils.ColBERTCollator`` makes.
            labels: Not used.

        Returns:
            A scalar.

        Raises:
            InvalidInput: A column's role is unknown, or there are fewer than two documents in the batch.
        """
        features = checked_features(self, sentence_features, at_least=2)
        inputs = [(one["input_ids"], one["attention_mask"]) for one in features]
        with without_missing(self.model):
            outputs = [self.model(one) for one in features]
        masks = [one["attention_mask"].bool() for one in outputs]
        # Rows may have fewer documents than others; what is not there has no token.
        present = [mask.any(dim=1) for mask in masks]
        if sum(map(int, map(torch.sum, present[1:]))) < 2:
            raise InvalidInput("InBatchDistillation compares documents within a batch, which holds fewer than two.")
        student = [one["token_embeddings"].float() for one in outputs]
        differences = _mean_maxsim(student, masks, present)
        for weight, teacher in zip(self.weights, self._teachers, strict=True):
            known = [teacher(*one) for one in inputs]
            scores = _mean_maxsim(known, masks, present)
            if self.context:
                queries, *documents = (unit_mean(one, mask) for one, (_, mask) in zip(known, inputs, strict=True))
                cosines = queries @ torch.cat([one[there] for one, there in zip(documents, present[1:], strict=True)]).T
                scores = (scores + self.context * cosines) / (1 + self.context)
            differences = differences - weight * scores
        loss: Tensor = SCALE * differences.var(dim=1, correction=0).mean()
        return loss


def _mean_maxsim(embeddings: Sequence[Tensor], masks: Sequence[Tensor], present: Sequence[Tensor]) -> Tensor:
    """MaxSim in the mean over query tokens, ``(queries, documents of all columns that are present)``."""
    queries, *documents = zip(embeddings, masks, present, strict=True)
    scores = [
        colbert_scores(queries[0], one[there][None], queries[1], mask[there][None])
        for one, mask, there in documents
        if there.any()
    ]
    return torch.cat(scores, dim=1) / queries[1].sum(dim=1, keepdim=True).clamp_min(1)
