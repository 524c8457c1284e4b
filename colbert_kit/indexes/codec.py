"""The residual codec: a token embedding as its nearest centroid and a few bits for each dimension of the rest.

ColBERTv2's compression (Santhanam et al., 2022) as fast-plaid defines it: one codebook for the residuals of all
dimensions, buckets at their quantiles, decoded vectors brought to unit length.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, Snapshot, release_pages
from colbert_kit.indexes.kmeans import POINTS_PER_CENTROID, TOKENS_PER_CALL, Assigner, kmeans
from colbert_kit.progress import OnProgress, Progress
from colbert_kit.scores import CodecView, SegmentView, kernel, threads

__all__ = ["TRAINING", "Codec", "TokenSource", "num_centroids_for", "train_codec"]

TRAINING = 2
"""Raised when ``train_codec`` makes another codec of the same embeddings: what keeps indexes by input builds anew."""

HELD_OUT_TOKENS = 50_000
"""Tokens whose residuals fix the buckets: as many as fast-plaid takes; at dim 128 they are 6.4 million values."""

OUTLIER_QUANTILE = 0.75
"""fast-plaid's: a token is far from the codec if its residual is longer than that of so many held-out tokens."""

FINAL_PROBE = 6
"""Groups of centroids among which a token's nearest is looked for at last. With 4, 6 and 8 recall@10 among 2.9 million
tokens was 0.9205, 0.9227 and 0.9223, built in 14.9, 15.7 and 16.5 s."""

ROWS_PER_READ = 4096
"""Tokens read from a mapped file before its pages are given back. Linux maps 64 KB around each page that is touched, so
these are 256 MB at most."""


@dataclass(frozen=True)
class Codec:
    """A trained codec.

    Args:
        view: Its arrays.
        outlier_distance: Length of residual beyond which a token is far from every centroid.
    """

    view: CodecView
    outlier_distance: float

    @functools.cached_property
    def _assigner(self) -> Assigner:
        return Assigner(torch.from_numpy(self.view.centroids), seed=0, device=default_device())

    def assign(self, tokens: NDArray[np.float32]) -> NDArray[np.uint32]:
        """Nearest centroid of each token, ``(num_tokens,)``."""
        codes: NDArray[Any] = self._assigner(torch.from_numpy(tokens), probe=FINAL_PROBE).numpy()
        return codes.astype(np.uint32)

    def compress(
        self, tokens: NDArray[np.float32] | NDArray[np.float16]
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.float16]]:
        """Codes ``(n,)``, residuals ``(n, dim * nbits / 8)`` and inverse norms ``(n,)`` of tokens ``(n, dim)``."""

        def of(start: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.float16]]:
            block = np.ascontiguousarray(tokens[start : start + size], dtype=np.float32)
            codes = self.assign(block)
            residuals, norms = kernel().compress(self.view, block, codes)
            return codes, residuals, _inverse(norms)

        # Torch shares its products out among the cores itself.
        size = TOKENS_PER_CALL if self._assigner.is_native else max(1, len(tokens))
        with threads.sharing() as num_threads:
            parts = threads.run(of, range(0, max(1, len(tokens)), size), num_threads)
        codes, residuals, inverse_norms = (np.concatenate(some) for some in zip(*parts, strict=True))
        return codes, residuals, inverse_norms

    def inverse_norms(self, codes: NDArray[np.uint32], residuals: NDArray[np.uint8]) -> NDArray[np.float16]:
        """What brings decoded tokens to unit length, ``(n,)``, to the last bit as ``compress`` gives it.

        Raises:
            InvalidFolder: A code is out of range.
        """
        as_they_are = np.ones(len(codes), dtype=np.float16)
        view = SegmentView("codes", codes, residuals, as_they_are, np.asarray([0, len(codes)]), np.zeros(1, np.int64),
                           np.zeros(0, np.uint32))  # fmt: skip
        decoded = kernel().decode(self.view, view, 0, len(codes))
        _, norms = kernel().compress(self._between_weights, decoded, codes)
        return _inverse(norms)

    @functools.cached_property
    def _between_weights(self) -> CodecView:
        """The codec that finds in what was decoded the weights it was decoded from."""
        weights = self.view.weights
        return CodecView(self.view.centroids, (weights[1:] + weights[:-1]) / np.float32(2), weights)

    def stage(self, commit: Commit) -> str:
        """Write the codec into a commit and return the file's name."""
        name = f"codec/{commit.new_number('codec'):04d}.safetensors"
        tensors: dict[str, NDArray[Any]] = {
            "centroids": self.view.centroids.astype(np.float16),
            "bucket_cutoffs": self.view.cutoffs,
            "bucket_weights": self.view.weights,
            "outlier_distance": np.asarray([self.outlier_distance], dtype=np.float32),
        }
        with commit.writing(name) as file:
            file.write(save(tensors))
        return name

    @classmethod
    def read(cls, snapshot: Snapshot, name: str, *, dim: int, nbits: int) -> Codec:
        """Read a codec that the manifest names.

        Raises:
            InvalidFolder: It is damaged, or not of this ``dim`` and ``nbits``.
        """
        path = snapshot.file(name)
        try:
            tensors = load_file(path)
            centroids, cutoffs = tensors["centroids"], tensors["bucket_cutoffs"]
            weights, distance = tensors["bucket_weights"], tensors["outlier_distance"]
        except (SafetensorError, KeyError, OSError, ValueError, TypeError, json.JSONDecodeError) as error:
            raise InvalidFolder(f"{path} is no codec: {error}. Build or download the index again.") from error
        fits = (
            centroids.dtype == np.float16
            and centroids.ndim == 2
            and centroids.shape[1] == dim
            and len(centroids) > 0
            and all(one.dtype == np.float32 for one in (cutoffs, weights, distance))
            and (cutoffs.shape, weights.shape, distance.shape) == ((2**nbits - 1,), (2**nbits,), (1,))
        )
        if not fits or not all(np.isfinite(one).all() for one in (centroids, cutoffs, weights)):
            raise InvalidFolder(f"{path} is no codec of dim {dim} and {nbits} bits. Build or download the index again.")
        return cls(CodecView(centroids.astype(np.float32), cutoffs, weights), float(distance[0]))


class TokenSource:
    """Token embeddings in arrays that need not fit in memory, as one.

    Args:
        arrays: Each ``(tokens, dim)``, float16 or float32, memory-mapped or not.
    """

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self._arrays = arrays
        self._starts = np.cumsum([0, *map(len, arrays)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def draw(self, number: int, generator: np.random.Generator) -> NDArray[Any]:
        """At most ``number`` tokens in random order, each once, ``(n, dim)`` in the arrays' dtype.

        They are the only ones in memory: pages of mapped files are given back as they have been read.
        """
        number = min(number, len(self))
        chosen = np.sort(generator.choice(len(self), number, replace=False, shuffle=False))
        places = generator.permutation(number)
        drawn = np.empty((number, *self._arrays[0].shape[1:]), dtype=np.result_type(*self._arrays))
        bounds = np.searchsorted(chosen, self._starts)
        for array, start, (low, high) in zip(self._arrays, self._starts, itertools.pairwise(bounds), strict=False):
            for first in range(low, high, ROWS_PER_READ):
                some = slice(first, min(high, first + ROWS_PER_READ))
                drawn[places[some]] = array[chosen[some] - start]
                release_pages(array)
        return drawn


def num_centroids_for(num_tokens: int) -> int:
    """PLAID's number of centroids: the power of two below ``16 * sqrt(num_tokens)``."""
    return 1 << max(0, int(np.floor(np.log2(16 * np.sqrt(max(1, num_tokens))))))


def train_codec(
    source: TokenSource,
    *,
    nbits: int,
    seed: int = 42,
    on_progress: OnProgress | None = None,
) -> Codec:
    """Train a codec on a sample of token embeddings.

    Args:
        source: The tokens.
        nbits: Bits of a residual a dimension: 1, 2, 4 or 8.
        seed: The same seed, tokens and machine give the same codec.
        on_progress: Told after each iteration of k-means.

    Raises:
        InvalidInput: There are no tokens, or their ``dim`` is no multiple of 8.
    """
    generator = np.random.default_rng(seed)
    number = min(num_centroids_for(len(source)), len(source))
    sample = torch.from_numpy(source.draw(number * POINTS_PER_CENTROID, generator))
    if not len(sample) or sample.shape[1] % 8:
        raise InvalidInput(f"token embeddings must have a dim that is a multiple of 8, got {tuple(sample.shape)}.")

    def tell(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(Progress("clustering", done, total))

    centroids = kmeans(sample, number, seed=seed, device=default_device(), on_iteration=tell)
    # What is stored is float16, so buckets are those of the residuals to that.
    stored = centroids.numpy().astype(np.float16).astype(np.float32)
    held_out = source.draw(HELD_OUT_TOKENS, generator).astype(np.float32)
    residuals = held_out - stored[Assigner(torch.from_numpy(stored), seed=0, device=default_device())(
        torch.from_numpy(held_out), probe=FINAL_PROBE
    ).numpy()]  # fmt: skip
    quantiles = np.arange(1, 2 ** (nbits + 1)) / 2 ** (nbits + 1)
    values = np.quantile(residuals, quantiles).astype(np.float32)
    distance = np.quantile(np.linalg.norm(residuals, axis=1), OUTLIER_QUANTILE)
    return Codec(CodecView(stored, values[1::2].copy(), values[0::2].copy()), float(distance))


def _inverse(norms: NDArray[np.float32]) -> NDArray[np.float16]:
    return (1 / np.maximum(norms, 1e-4)).astype(np.float16)


def default_device() -> torch.device:
    """CUDA where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
