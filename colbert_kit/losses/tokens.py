"""A loss that learns token embeddings from larger models' token embeddings."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from colbert_kit.errors import InvalidInput
from colbert_kit.losses.features import Features, checked_features, without_missing
from colbert_kit.losses.teacher import WithTeachers, unit_mean

__all__ = ["TokenDistillation"]

SCALE = 100.0
"""Similarities are matched to about 0.1, so their squared difference to about 0.01: brought to about 1."""


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
        keep: A folder in which the teachers' embeddings are kept, 2 bytes a dimension of each token, so that a text is
            encoded once; None encodes each batch anew.

    Raises:
        InvalidConfig: There is no teacher, a weight is not positive, or a teacher has none of a student's tokens.

    Example:
        >>> teacher = models.ColBERT("lightonai/GTE-ModernColBERT-v1")  # doctest: +SKIP
        >>> loss = losses.TokenDistillation(models.ColBERT("jhu-clsp/ettin-encoder-17m"), [teacher])  # doctest: +SKIP
    """

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
        inputs = [(one["input_ids"], one["attention_mask"]) for one in features]
        with without_missing(self.model):
            outputs = [self.model(one) for one in features]
        masks = [one["attention_mask"].bool() for one in outputs]
        student = [one["token_embeddings"][mask].float() for one, mask in zip(outputs, masks, strict=True)]
        # (query tokens of the batch, document tokens of the batch)
        similarities = student[0] @ torch.cat(student[1:]).T
        targets = torch.zeros_like(similarities)
        for weight, teacher in zip(self.weights, self._teachers, strict=True):
            known = [
                _with_context(teacher(*one), one[1], self.context)[mask]
                for one, mask in zip(inputs, masks, strict=True)
            ]
            targets += weight * (known[0] @ torch.cat(known[1:]).T)
        if not similarities.numel():
            raise InvalidInput("TokenDistillation: the batch has no token to be scored.")
        loss: Tensor = SCALE * (similarities - targets).square().mean()
        return loss


def _with_context(embeddings: Tensor, attention_mask: Tensor, context: float) -> Tensor:
    """Unit token embeddings ``(texts, tokens, dim)`` with a share of their text's mean, of unit length again."""
    if context == 0:
        return embeddings
    return nn.functional.normalize(embeddings + context * unit_mean(embeddings, attention_mask)[:, None], dim=-1)
