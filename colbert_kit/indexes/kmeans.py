"""Spherical k-means over token embeddings, and the nearest centroid of many tokens.

With many centroids a token is compared with those of its nearest groups only: centroids are clustered themselves.
Neither many points a centroid nor exact assignment buys recall: in a prototype in bfloat16 64 points, 4 iterations and
4 of 128 groups gave recall@10 0.953 where fast-plaid's 256 points and exact assignment gave 0.952, on 2.7 million
tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colbert_kit.machine import product_dtype
from colbert_kit.scores import NativeKernel, kernel, threads

__all__ = ["POINTS_PER_CENTROID", "TOKENS_PER_CALL", "Assigner", "kmeans"]

ROUNDS = (16, 16, 32, 64, 64)
"""Points a centroid that each iteration sees: while centroids are rough a part of the sample places them as well.

Of 2.9 million token embeddings and 16,384 centroids, two cores, three turns: mean squared residual 0.3741 in 8.3 to
9.2 s; four iterations over all 64 points 0.3747 in 10.3 to 11.3 s. Without the second of these it is 0.3764,
without the last 0.3790.
"""

POINTS_PER_CENTROID = max(ROUNDS)
GROUP_ITERATIONS = 5

FLAT_BELOW = 2048
"""With fewer centroids a token is compared with all of them; not tuned."""

MAX_GROUPS = 1024
"""The kernel has no room for more; 17 billion tokens would have them."""

TOKENS_PER_BLOCK = 65_536
ROWS_PER_PRODUCT = 4096
TOKENS_PER_CALL = 8192


class Assigner:
    """Finds the nearest of a set of centroids.

    Args:
        centroids: Unit vectors, ``(num_centroids, dim)`` float32.
        seed: Of the grouping.
        device: Where to compute; on CUDA all centroids are compared.
    """

    def __init__(self, centroids: Tensor, *, seed: int, device: torch.device) -> None:
        self._native = native if device.type == "cpu" and isinstance(native := kernel(), NativeKernel) else None
        # The kernel knows float32 only, and is 3.5 times as fast as bfloat16 products of the groups' few rows, one
        # group after the other (half a million tokens, 16,384 centroids, two cores with AMX: 0.69 s against 2.42 s).
        self.dtype = torch.float32 if self._native is not None else product_dtype(device)
        self._device = device
        self._centroids = centroids.to(device, self.dtype)
        self._grouped = device.type == "cpu" and len(centroids) >= FLAT_BELOW
        if self._grouped:
            self._group(centroids, seed)

    @property
    def is_native(self) -> bool:
        """Whether the kernel compares, a few thousand tokens a call and on one thread each."""
        return self._grouped and self._native is not None

    def __call__(self, tokens: Tensor, *, probe: int) -> Tensor:
        """Nearest centroid of each token.

        Args:
            tokens: ``(num_tokens, dim)``.
            probe: Groups whose centroids are compared.

        Returns:
            Centroid numbers, ``(num_tokens,)`` int64 on the CPU.
        """
        if self.is_native and self._native is not None:
            return self._assign_native(self._native, tokens.numpy(), probe)
        codes = torch.empty(len(tokens), dtype=torch.int64)
        assign = self._assign_grouped if self._grouped else self._assign_flat
        for start in range(0, len(tokens), TOKENS_PER_BLOCK):
            block = tokens[start : start + TOKENS_PER_BLOCK].to(self._device, self.dtype)
            codes[start : start + len(block)] = assign(block, probe).cpu()
        return codes

    def _assign_native(self, native: NativeKernel, tokens: NDArray[np.float32], probe: int) -> Tensor:
        probe = min(probe, len(self._groups))

        def of(start: int) -> NDArray[np.int32]:
            block = np.ascontiguousarray(tokens[start : start + TOKENS_PER_CALL], dtype=np.float32)
            return native.assign(block, self._centres, self._panels, self._starts, self._numbers, probe)

        with threads.sharing() as num_threads:
            parts = threads.run(of, range(0, len(tokens), TOKENS_PER_CALL), num_threads)
        where = torch.from_numpy(np.concatenate(parts) if parts else np.zeros(0, np.int32))
        return self._order[where.long()]

    def _assign_flat(self, block: Tensor, probe: int) -> Tensor:
        parts = [(rows @ self._centroids.T).argmax(1) for rows in torch.split(block, ROWS_PER_PRODUCT)]
        return torch.cat(parts)

    def _assign_grouped(self, block: Tensor, probe: int) -> Tensor:
        nearest = (block @ self._groups.T).topk(min(probe, len(self._groups)), dim=1).indices
        # Rows in the order of the groups they visit, so that each group is one product.
        visits = nearest.flatten().argsort()
        rows = visits // nearest.shape[1]
        counts = torch.bincount(nearest.flatten(), minlength=len(self._groups)).tolist()
        best = torch.full((len(block),), -torch.inf)
        where = torch.zeros(len(block), dtype=torch.int64)
        position = 0
        for group, count in enumerate(counts):
            low, high = self._bounds[group], self._bounds[group + 1]
            visitors = rows[position : position + count]
            position += count
            for some in torch.split(visitors, ROWS_PER_PRODUCT) if high > low else ():
                similarity, index = (block[some] @ self._ordered[low:high].T).max(dim=1)
                similarity = similarity.float()
                better = similarity > best[some]
                winners = some[better]
                best[winners] = similarity[better]
                where[winners] = index[better] + low
        return self._order[where]

    def _group(self, centroids: Tensor, seed: int) -> None:
        """Cluster the centroids into about the root of their number of groups, a power of two."""
        number = min(MAX_GROUPS, 1 << (len(centroids).bit_length() // 2))
        generator = torch.Generator().manual_seed(seed)
        groups = centroids[torch.randperm(len(centroids), generator=generator)[:number]].float()
        for _ in range(GROUP_ITERATIONS):
            member = self._nearest_group(groups)
            groups = _means(centroids.float(), member, groups)
        member = self._nearest_group(groups)
        self._groups = groups.to(self.dtype)
        self._order = member.argsort()
        self._ordered = self._centroids[self._order]
        self._bounds = [0, *torch.bincount(member, minlength=number).cumsum(0).tolist()]
        if self._native is not None:
            ordered, bounds = self._ordered.numpy(), self._bounds
            panels = [self._native.panels(ordered[low:high]) for low, high in itertools.pairwise(bounds)]
            self._panels = np.concatenate(panels)
            self._starts = np.cumsum([0, *map(len, panels)])[:-1].astype(np.int64)
            self._numbers = np.asarray(bounds, dtype=np.int64)
            self._centres = self._native.panels(groups.numpy())

    def _nearest_group(self, groups: Tensor) -> Tensor:
        return (self._centroids @ groups.to(self.dtype).T).argmax(1)


def kmeans(
    sample: Tensor,
    num_centroids: int,
    *,
    seed: int,
    device: torch.device,
    on_iteration: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Cluster unit vectors.

    Args:
        sample: ``(num_points, dim)`` float16 or float32, ``num_points >= num_centroids``, in random order.
        num_centroids: How many clusters.
        seed: The same seed, sample and machine give the same centroids.
        device: Where to compute.
        on_iteration: Told how many iterations are done, and of how many.

    Returns:
        Unit vectors, ``(num_centroids, dim)`` float32.
    """
    generator = torch.Generator().manual_seed(seed)
    centroids = torch.nn.functional.normalize(sample[:num_centroids].float())
    for iteration, points in enumerate(ROUNDS, start=1):
        part = sample[: points * num_centroids]
        member = Assigner(centroids, seed=seed, device=device)(part, probe=4)
        centroids = _means(part, member, centroids)
        empty = torch.bincount(member, minlength=num_centroids) == 0
        again = torch.randint(len(sample), (int(empty.sum()),), generator=generator)
        centroids[empty] = torch.nn.functional.normalize(sample[again].float())
        if on_iteration is not None:
            on_iteration(iteration, len(ROUNDS))
    return centroids


def _means(points: Tensor, member: Tensor, before: Tensor) -> Tensor:
    """Direction of the sum of each cluster's points; what is empty stays as it was."""
    sums = torch.zeros_like(before)
    for some, of in zip(torch.split(points, TOKENS_PER_BLOCK), torch.split(member, TOKENS_PER_BLOCK), strict=True):
        sums.index_add_(0, of, some.float())
    norms = sums.norm(dim=1, keepdim=True)
    return torch.where(norms > 0, sums / norms.clamp_min(1e-12), before)
