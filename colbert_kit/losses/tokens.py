"""A loss that learns token embeddings from larger models' token embeddings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor, nn

from colbert_kit import models
from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.losses.features import Features, checked_features, without_missing
from colbert_kit.losses.kept import KeptEmbeddings

__all__ = ["TokenDistillation"]

SCALE = 100.0
"""Similarities are matched to about 0.1, so their squared difference to about 0.01: brought to about 1."""


class TokenDistillation(nn.Module):
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

    def __init__(
        self,
        model: MultiVectorEncoder,
        teachers: Sequence[MultiVectorEncoder],
        weights: Sequence[float] | None = None,
        *,
        context: float = 0.0,
        keep: str | Path | None = None,
    ) -> None:
        super().__init__()
        weights = [1.0] * len(teachers) if weights is None else list(weights)
        if not teachers or len(weights) != len(teachers) or not all(weight > 0 for weight in weights):
            raise InvalidConfig(
                f"TokenDistillation needs a teacher or more, each with a positive weight, got {len(teachers)} "
                f"teachers and the weights {weights}."
            )
        if not 0 <= context < math.inf:
            raise InvalidConfig(f"context must be 0 or more, got {context!r}.")
        self.model = model
        self.context = float(context)
        self.weights = [weight / sum(weights) for weight in weights]
        # Not a module's own, or they would be counted, moved and saved with the student.
        self._teachers = [_Teacher(model, one, keep) for one in teachers]

    def get_config_dict(self) -> dict[str, Any]:
        """What a model card says of the loss."""
        return {
            "teachers": [one.name for one in self._teachers],
            "weights": self.weights,
            "context": self.context,
        }

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
    mean = (embeddings * attention_mask[..., None]).sum(dim=1, keepdim=True)
    return nn.functional.normalize(embeddings + context * nn.functional.normalize(mean, dim=-1), dim=-1)


class _Teacher:
    """A teacher's own token embeddings of the student's tokens."""

    def __init__(self, student: MultiVectorEncoder, teacher: MultiVectorEncoder, keep: str | Path | None) -> None:
        self.model = teacher.eval().requires_grad_(False)
        self.name = str(getattr(teacher[0].config, "name_or_path", "") or "teacher").rpartition("/")[2]
        self._ids = _numbers(student.tokenizer, teacher.tokenizer, self.name)
        self._kept = None
        if keep is not None:
            identity = models.fingerprint(teacher)
            dim = teacher.get_embedding_dimension()
            self._kept = KeptEmbeddings(Path(keep) / identity[:16], identity, int(dim or 0))

    @torch.no_grad()
    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit length, float32, ``(texts, tokens, dim)``; anything where the mask is 0."""
        if self._kept is None:
            return self._encode(input_ids, attention_mask)
        masks = attention_mask.bool()
        keys = [row[mask].cpu().numpy().tobytes() for row, mask in zip(input_ids, masks, strict=True)]
        found = [self._kept.get(key) for key in keys]
        if new := [row for row, one in enumerate(found) if one is None]:
            encoded = self._encode(input_ids[new], attention_mask[new])
            mine = [one[mask].cpu().numpy() for one, mask in zip(encoded, masks[new], strict=True)]
            self._kept.put([keys[row] for row in new], mine)
            for row, one in zip(new, mine, strict=True):
                found[row] = one.astype(np.float16)
        kept = [one for one in found if one is not None]
        embeddings = torch.zeros(*input_ids.shape, kept[0].shape[1])
        for row, one in enumerate(kept):
            embeddings[row, masks[row].cpu()] = torch.from_numpy(one).float()
        return embeddings.to(input_ids.device)

    def _encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        if self.model.device != input_ids.device:
            self.model.to(input_ids.device)
        ids = self._ids.to(input_ids.device)[input_ids]
        output = self.model({"input_ids": ids, "attention_mask": attention_mask}, task="document")
        return nn.functional.normalize(output["token_embeddings"].float(), dim=-1)


def _numbers(student: Any, teacher: Any, name: str) -> Tensor:  # noqa: ANN401 - tokenizers
    """The teacher's number of each of the student's tokens, ``(vocabulary,)``; its own unknown where it has none.

    Raises:
        InvalidConfig: A token of the student's is none of the teacher's.
    """
    theirs = teacher.get_vocab()
    special = {
        getattr(student, role): getattr(teacher, role)
        for role in ("cls_token", "sep_token", "pad_token", "unk_token", "mask_token")
        if getattr(student, role, None) is not None and getattr(teacher, role, None) is not None
    }
    mine = student.get_vocab()
    numbers = torch.full((max(mine.values()) + 1,), int(teacher.pad_token_id or 0))
    missing = []
    for token, number in mine.items():
        found = theirs.get(special.get(token, token))
        if found is None:
            missing.append(token)
        else:
            numbers[number] = found
    if missing:
        raise InvalidConfig(
            f"the teacher {name} lacks {len(missing)} of the student's tokens, {missing[0]!r} is one. Both need the "
            'same tokenizer, and a student without markers of its own (query_prefix="", document_prefix="").'
        )
    return numbers
