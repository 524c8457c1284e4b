"""A loss's teachers: larger models of the student's tokenizer, whose token embeddings are computed once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor, nn

from colbert_kit import models
from colbert_kit.errors import InvalidConfig
from colbert_kit.losses.kept import KeptEmbeddings

__all__ = ["Teacher", "WithTeachers", "unit_mean"]


class WithTeachers(nn.Module):
    """A loss with a student and its teachers, each of them with its share of 1.

    Raises:
        InvalidConfig: There is no teacher, a weight is not positive, or a teacher has none of a student's tokens.
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
                f"{type(self).__name__} needs a teacher or more, each with a positive weight, got {len(teachers)} "
                f"teachers and the weights {weights}."
            )
        if not 0 <= context < math.inf:
            raise InvalidConfig(f"context must be 0 or more, got {context!r}.")
        self.model = model
        self.context = float(context)
        self.weights = [weight / sum(weights) for weight in weights]
        # Not a module's own, or they would be counted, moved and saved with the student.
        self._teachers = [Teacher(model, one, keep) for one in teachers]

    def get_config_dict(self) -> dict[str, Any]:
        """What a model card says of the loss."""
        return {
            "teachers": [one.name for one in self._teachers],
            "weights": self.weights,
            "context": self.context,
        }


class Teacher:
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


def unit_mean(embeddings: Tensor, attention_mask: Tensor) -> Tensor:
    """The mean of each text's token embeddings, of unit length, ``(texts, dim)``."""
    return nn.functional.normalize((embeddings * attention_mask[..., None]).sum(dim=1), dim=-1)


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
