"""When and how a codec grows: text that is far from all centroids gets centroids of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from colbert_kit.indexes.codec import OUTLIER_QUANTILE, Codec, default_device
from colbert_kit.indexes.kmeans import POINTS_PER_CENTROID, kmeans
from colbert_kit.scores import CodecView

__all__ = ["grown_codec"]

FAR_FACTOR = 2.0
"""A codec grows if so many times as many tokens are far from it as when it was trained, when a quarter were."""

MIN_TOKENS = 2048
"""Fewer added tokens say too little about where text of their kind lies."""


def grown_codec(codec: Codec, token_embeddings: Sequence[NDArray[Any]]) -> Codec | None:
    """The codec with more centroids, if added text lies far from those it has.

    Old centroids keep their numbers, so what is compressed already stays as it is. Buckets stay too.

    Args:
        codec: The codec.
        token_embeddings: The text's tokens, arrays of ``(tokens, dim)``.

    Returns:
        A codec to use for everything from now on, or None where the old one serves.
    """
    if sum(map(len, token_embeddings)) < MIN_TOKENS:
        return None
    tokens = np.concatenate(token_embeddings, dtype=np.float32)
    distances = np.linalg.norm(tokens - codec.view.centroids[codec.assign(tokens)], axis=1)
    far = tokens[distances > codec.outlier_distance]
    if len(far) < FAR_FACTOR * (1 - OUTLIER_QUANTILE) * len(tokens):
        return None
    number = -(-len(far) // POINTS_PER_CENTROID)
    order = np.random.default_rng(len(codec.view.centroids)).permutation(len(far))
    added = kmeans(torch.from_numpy(far[order]), number, seed=len(codec.view.centroids), device=default_device())
    stored = added.numpy().astype(np.float16).astype(np.float32)
    centroids = np.concatenate([codec.view.centroids, stored])
    return Codec(CodecView(centroids, codec.view.cutoffs, codec.view.weights), codec.outlier_distance)
