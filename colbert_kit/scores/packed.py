"""Token embeddings of many texts in one array, without padding."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colbert_kit.errors import InvalidInput

__all__ = ["PackedEmbeddings"]

FloatArray = NDArray[np.float32] | NDArray[np.float16]


@dataclass(frozen=True)
class PackedEmbeddings:
    """Token embeddings of several texts, one after the other.

    A padded cube would also hold numbers for no token, and every reader of it would have to know the mask.

    Args:
        embeddings: Token embeddings of all texts in order, ``(num_tokens, dim)``, float32 or float16.
        lengths: Tokens of each text, ``(num_texts,)``, int64; they sum to ``num_tokens``. A text may have none.

    Raises:
        InvalidInput: The shapes or the dtype do not fit.

    Example:
        >>> packed = PackedEmbeddings.pack([np.eye(2, dtype=np.float32), np.ones((1, 2), dtype=np.float32)])
        >>> len(packed), packed.dim, packed.lengths.tolist()
        (2, 2, [2, 1])
        >>> [array.shape for array in packed]
        [(2, 2), (1, 2)]
    """

    embeddings: FloatArray
    lengths: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or self.embeddings.dtype not in (np.float32, np.float16):
            raise InvalidInput(
                "embeddings must be (num_tokens, dim) in float32 or float16, got shape "
                f"{self.embeddings.shape} in {self.embeddings.dtype}."
            )
        if self.lengths.ndim != 1 or int(self.lengths.sum()) != len(self.embeddings):
            raise InvalidInput(
                f"lengths must be one number a text and sum to the {len(self.embeddings)} token embeddings, "
                f"got shape {self.lengths.shape} with sum {int(self.lengths.sum())}."
            )
        if len(self.lengths) and int(self.lengths.min()) < 0:
            raise InvalidInput(f"lengths must be 0 or more, got {int(self.lengths.min())}.")

    @classmethod
    def pack(cls, token_embeddings: Sequence[Tensor | FloatArray], *, dim: int | None = None) -> PackedEmbeddings:
        """Pack one array a text: what ``MultiVectorEncoder.encode_document`` returns.

        Args:
            token_embeddings: For each text ``(num_tokens, dim)``, a tensor on any device or an array. bfloat16
                becomes float32.
            dim: Needed only for an empty sequence.

        Returns:
            The same embeddings in order, in float32 unless all of them are float16.

        Raises:
            InvalidInput: A text is not two-dimensional, or the texts differ in ``dim``.
        """
        arrays = [_as_array(one) for one in token_embeddings]
        dims = {array.shape[1] for array in arrays} or {dim or 0}
        if len(dims) > 1:
            raise InvalidInput(
                f"all texts must have the same dim, got {sorted(dims)}. Were they encoded by the same model?"
            )
        lengths = np.fromiter((len(array) for array in arrays), dtype=np.int64, count=len(arrays))
        if not arrays:
            return cls(np.empty((0, dims.pop()), dtype=np.float32), lengths)
        packed: NDArray[Any] = np.concatenate(arrays)
        return cls(packed, lengths)

    @property
    def dim(self) -> int:
        """Width of one token embedding."""
        return int(self.embeddings.shape[1])

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where each text begins, and the end of the last, ``(num_texts + 1,)``."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.lengths, dtype=np.int64)])

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[FloatArray]:
        offsets = self.offsets
        for start, stop in itertools.pairwise(offsets):
            yield self.embeddings[start:stop]


def _as_array(one: Tensor | FloatArray) -> FloatArray:
    if isinstance(one, Tensor):
        one = one.detach()
        one = (one.float() if one.dtype == torch.bfloat16 else one).cpu().numpy()
    array: NDArray[Any] = np.asarray(one)
    if array.ndim != 2:
        raise InvalidInput(f"token embeddings of one text must be (num_tokens, dim), got shape {array.shape}.")
    return array if array.dtype in (np.float32, np.float16) else array.astype(np.float32)
