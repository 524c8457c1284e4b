"""A loss that learns token embeddings from larger models' token embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor, nn

from colbert_kit.errors import InvalidInput
from colbert_kit.losses.features import Features, checked_features, without_missing
from colbert_kit.losses.pooled import PooledTeacher
from colbert_kit.losses.teacher import WithTeachers, unit_mean

__all__ = ["TokenDistillation"]

SCALE = 100.0
"""Similarities are matched to about 0.1, so their squared difference to about 0.01: brought to about 1."""

SPECIAL, ACROSS = 1.0, 0.1
"""Beside 1 for other tokens: of a special token with a special token, and of a special token with another. After 240
steps at 0.3 special tokens had come within 0.05 of their similarities, others within 0.017, so 1 (one trial)."""


class TokenDistillation(WithTeachers):
    """Squared difference of the student's token similarities and the teachers', a query token with a document token.

    All query tokens of a batch meet all its document tokens, as MaxSim lets them, so that every text teaches with every
    other one and no judgement is needed. What is matched are similarities, not embeddings: the student may be narrower,
    and turn as it likes. Of several teachers the weighted mean is matched, which is the similarity of their joined
    embeddings. They must cut texts into the same tokens, as models of one tokenizer do, whatever the tokens' numbers.

    Args:
        model: The student; ``torch.compile(model)`` too.
        teachers: Multi-vector models; they are not trained, nor saved.
        weights: Of the teachers; alike where None.
        context: To each token embedding of a teacher so much of its text's mean is added, both of unit length, before
            they are compared: the student's tokens then say what their text is about as well. Encoders that were
            trained to be pooled gain by it (``colbert_kit/demo/README.md``); 0 leaves tokens as they are.
        pooled: A dense teacher beside them. A text's [CLS] and [SEP] learn to be as similar to another text's as its
            pooled vectors are, and unlike all other tokens; these learn from the teachers, the start model for one.
        keep: A folder in which the teachers' embeddings are kept, 2 bytes a dimension of each token, so that a text is
            encoded once; None encodes each batch anew.

    Raises:
        InvalidConfig: There is no teacher, a weight is not positive, a teacher has none of a student's tokens, or there
            is a pooled teacher, and the student's texts have neither [CLS] nor [SEP].

    Example:
        >>> teacher = models.ColBERT("lightonai/GTE-ModernColBERT-v1")  # doctest: +SKIP
        >>> loss = losses.TokenDistillation(models.ColBERT("jhu-clsp/ettin-encoder-17m"), [teacher])  # doctest: +SKIP
    """

    def __init__(
        self,
        model: MultiVectorEncoder,
        teachers: Sequence[MultiVectorEncoder],
        weights: Sequence[float] | None = None,
        *,
        context: float = 0.0,
        pooled: PooledTeacher | None = None,
        keep: str | Path | None = None,
    ) -> None:
        super().__init__(model, teachers, weights, context=context, keep=keep)
        if pooled is not None:
            pooled.special(model, torch.zeros(1))
        self.pooled = pooled

    def get_config_dict(self) -> dict[str, Any]:
        """What a model card says of the loss."""
        return super().get_config_dict() | ({} if self.pooled is None else {"pooled": self.pooled.name})

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            sentence_features: Of the queries and their documents: what ``utils.ColBERTCollator`` makes.
            labels: Not used.

        Returns:
            A scalar.

        Raises:
            InvalidInput: A column's role is unknown, or there is no document.
        """
        features = checked_features(self, sentence_features, at_least=2)
        inputs = [dict(one) for one in features]
        with without_missing(self.model):
            outputs = [self.model(one) for one in features]
        masks = [one["attention_mask"].bool() for one in outputs]
        student = [one["token_embeddings"][mask].float() for one, mask in zip(outputs, masks, strict=True)]
        # (query tokens of the batch, document tokens of the batch)
        similarities = student[0] @ torch.cat(student[1:]).T
        if not similarities.numel():
            raise InvalidInput("TokenDistillation: the batch has no token to be scored.")
        errors = (similarities - self._targets(inputs, masks)).square()
        if self.pooled is None:
            loss: Tensor = SCALE * errors.mean()
            return loss
        return self._with_pooled(self.pooled, similarities, errors, inputs, masks)

    def _with_pooled(
        self, pooled: PooledTeacher, similarities: Tensor, errors: Tensor, inputs: list[Features], masks: list[Tensor]
    ) -> Tensor:
        """The loss where special tokens have another target; ``errors`` are of all tokens to the teachers."""
        pairs = list(zip(inputs, masks, strict=True))
        special = [pooled.special(self.model, one["input_ids"])[mask] for one, mask in pairs]
        rows, columns = special[0][:, None], torch.cat(special[1:])[None]
        # For each token the pooled vector of its text.
        vectors = [pooled(self.model, one).repeat_interleave(mask.sum(dim=1), dim=0) for one, mask in pairs]
        of_vectors = (similarities - vectors[0] @ torch.cat(vectors[1:]).T).square()
        parts = (
            (errors, ~rows & ~columns, 1.0),
            (of_vectors, rows & columns, SPECIAL),
            (similarities.square(), rows ^ columns, ACROSS),
        )
        means = [weight * values[part].sum() / part.sum().clamp(min=1) for values, part, weight in parts]
        return SCALE * torch.stack(means).sum()

    def _targets(self, inputs: list[Features], masks: list[Tensor]) -> Tensor:
        """The teachers' similarities of the same tokens."""
        total = torch.tensor(0.0)
        for weight, teacher in zip(self.weights, self._teachers, strict=True):
            known = []
            for one, mask in zip(inputs, masks, strict=True):
                own = teacher(one["input_ids"], one["attention_mask"])
                known.append(_with_context(own, one["attention_mask"], self.context)[mask])
            total = total.to(known[0].device) + weight * (known[0] @ torch.cat(known[1:]).T)
        return total


def _with_context(embeddings: Tensor, attention_mask: Tensor, context: float) -> Tensor:
    """Unit token embeddings ``(texts, tokens, dim)`` with a share of their text's mean, of unit length again."""
    if context == 0:
        return embeddings
    return nn.functional.normalize(embeddings + context * unit_mean(embeddings, attention_mask)[:, None], dim=-1)
