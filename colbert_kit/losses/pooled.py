"""A dense teacher: what a text's special tokens learn of its pooled vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from torch import Tensor, nn

from colbert_kit import models
from colbert_kit.errors import InvalidConfig
from colbert_kit.losses.features import Features

__all__ = ["PooledTeacher"]


class PooledTeacher:
    """A dense model whose vector of a text is learnt by the text's [CLS] and [SEP], for ``TokenDistillation``.

    A dense vector says what a text is about, which single tokens do not; where it was measured, MaxSim with it ranked
    better than either (``docs/training.md``). Two tokens that every text has can carry it, so the model stays a plain
    encoder and its score plain MaxSim. Vectors of most dense models crowd around one direction; the mean of a sample
    is taken off them, so that what is left tells texts apart.

    Args:
        model: Any dense model; it sees texts as the student's tokens spell them, and is not trained, nor saved.
        sample: Texts, some hundreds, like the documents that will be learnt from.

    Raises:
        InvalidConfig: The sample is empty.

    Example:
        >>> dense = SentenceTransformer("all-MiniLM-L6-v2")  # doctest: +SKIP
        >>> loss = losses.TokenDistillation(model, [start], pooled=losses.PooledTeacher(dense, texts))  # doctest: +SKIP
    """

    def __init__(self, model: SentenceTransformer, sample: Sequence[str]) -> None:
        if not sample:
            raise InvalidConfig(
                "a pooled teacher needs a sample of texts, whose mean is taken off its vectors; got none."
            )
        self.model = model.eval().requires_grad_(False)
        # A table of word vectors has no config.
        config = getattr(model[0], "config", None)
        self.name = str(getattr(config, "name_or_path", "") or "teacher").rpartition("/")[2]
        self._mean = torch.tensor(0.0)
        self._mean = self._vectors(list(sample), "document").mean(dim=0)

    def special(self, student: MultiVectorEncoder, input_ids: Tensor) -> Tensor:
        """Which tokens carry the vector: ``input_ids``'s shape, bool.

        Raises:
            InvalidConfig: The student's tokenizer has no [CLS] and no [SEP].
        """
        tokenizer: Any = student.tokenizer
        numbers = [one for one in (tokenizer.cls_token_id, tokenizer.sep_token_id) if one is not None]
        if not numbers:
            raise InvalidConfig(
                "a pooled teacher needs a student whose texts begin with [CLS] or end with [SEP]; this one's tokenizer "
                "has neither."
            )
        return torch.isin(input_ids, torch.tensor(numbers, device=input_ids.device))

    def __call__(self, student: MultiVectorEncoder, features: Features) -> Tensor:
        """The vectors of a column's texts, float32, of unit length, ``(texts, dim)``."""
        tokenizer: Any = student.tokenizer
        role = features["task"]
        marker = models.prompt_of(student, role).strip()
        texts = [
            tokenizer.decode(ids[mask.bool()], skip_special_tokens=True).strip().removeprefix(marker).strip()
            for ids, mask in zip(features["input_ids"], features["attention_mask"], strict=True)
        ]
        return self._vectors(texts, role).to(features["input_ids"].device)

    def _vectors(self, texts: list[str], role: str) -> Tensor:
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        vectors = encode(texts, convert_to_tensor=True, show_progress_bar=False)
        # They come from inference mode, of which nothing may enter what is computed backwards.
        vectors = nn.functional.normalize(vectors.clone().float(), dim=-1)
        return nn.functional.normalize(vectors - self._mean.to(vectors.device), dim=-1)
