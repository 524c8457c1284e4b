"""PLAID's search over compressed segments (Santhanam et al., CIKM 2022), in four stages of falling width.

1. Centroids: similarity of each to each query token; the ``nprobe`` best cells of a token.
2. Accumulation: rows found in those cells, with what each token gains there (XTR's imputation, WARP's sums). Its cost
   grows with the lists read, not with the tokens of what they find.
3. Approximation: MaxSim with centroids for tokens, of the ``num_approximated`` best.
4. Rescoring: MaxSim from the residual codes, of the ``num_rescored`` best.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidConfig
from colbert_kit.scores import CodecView, SegmentView, kernel, threads

__all__ = ["CodedSearch", "SearchConfig", "Widths"]

ROWS_WORTH_A_THREAD = 128
"""Fewer rows are scored by the calling thread, as waking another one takes time too; not tuned."""

CENTROIDS_WORTH_A_THREAD = 8192

LONGEST_KEPT = 64
"""Query tokens up to which a thread keeps its tables: 5 MB with 16,384 centroids."""

MAX_STAMP = 65_535
"""Query tokens that accumulation can tell apart: it stamps a row with a token's number in 16 bits."""

ROWS_OF_DEFAULTS = 30_000
GROWTH_OF_DEFAULTS = 0.5
"""The default of ``num_approximated`` grows with this power of the index's size beyond ``ROWS_OF_DEFAULTS``: among
277,000 passages 4,096 gave recall@10 0.861, 8,192 0.896, 16,384 0.903, and everything 0.915 (``docs/search.md``)."""

APPROXIMATED_PER_HIT = 16
RESCORED_PER_HIT = 4
"""Documents that are looked at for each hit wanted, at least: fewer leave a deep ranking to chance. Not tuned."""

MAX_PROBE_FACTOR = 8
"""How much wider a filter may make the probing."""


@dataclass(frozen=True)
class SearchConfig:
    """How much work a search does; what is None is chosen by ``k`` and the index (``docs/search.md`` has the table).

    Args:
        nprobe: Cells looked into for each query token.
        num_approximated: Documents whose approximate MaxSim is computed.
        num_rescored: Documents whose MaxSim is computed from their residual codes.

    Raises:
        InvalidConfig: One of them is below 1.
    """

    nprobe: int | None = None
    num_approximated: int | None = None
    num_rescored: int | None = None

    def __post_init__(self) -> None:
        for name in ("nprobe", "num_approximated", "num_rescored"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InvalidConfig(f"{name} must be a whole number of 1 or more, got {value!r}.")

    def widths(self, k: int, num_rows: int) -> Widths:
        """The numbers for a search of ``k`` hits in an index of ``num_rows`` documents."""
        growth = max(1.0, num_rows / ROWS_OF_DEFAULTS) ** GROWTH_OF_DEFAULTS
        rescored = max(k, self.num_rescored or max(1024, RESCORED_PER_HIT * k))
        approximated = max(rescored, self.num_approximated or int(max(4096, APPROXIMATED_PER_HIT * k) * growth))
        return Widths(self.nprobe or 4, approximated, rescored)

    def widened(self, k: int) -> SearchConfig:
        """The same settings for a search of ``k`` hits: kept ones were chosen for fewer, it may be."""
        approximated = self.num_approximated and max(self.num_approximated, APPROXIMATED_PER_HIT * k)
        rescored = self.num_rescored and max(self.num_rescored, RESCORED_PER_HIT * k)
        return replace(self, num_approximated=approximated, num_rescored=rescored)


@dataclass(frozen=True)
class Widths:
    """The numbers of a ``SearchConfig`` for one ``k``."""

    nprobe: int
    num_approximated: int
    num_rescored: int


class CodedSearch:
    """Searches the compressed segments of one generation; safe to share between threads.

    Args:
        codec: Their codec.
        segments: The segments in row order.
    """

    def __init__(self, codec: CodecView, segments: Sequence[SegmentView]) -> None:
        self._codec = codec
        self._segments = segments
        self._firsts = np.cumsum([0, *map(len, segments)])
        self._tables = threading.local()

    def __call__(
        self,
        query: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None,
        config: SearchConfig,
        num_threads: int,
    ) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Find rows for one query.

        Args:
            query: ``(query_tokens, dim)``.
            k: Hits wanted.
            allowed: Rows that may be found, ``(num_rows,)``; all where None.
            config: How much work to do.
            num_threads: Threads this search may use.

        Returns:
            At least ``k`` rows where there are so many, and their scores, in no order.
        """
        num_rows = int(self._firsts[-1])
        widths = config.widths(k, num_rows)
        num_allowed = num_rows if allowed is None else int(np.count_nonzero(allowed))
        if not 0 < len(query) <= MAX_STAMP or num_allowed <= 2 * widths.num_rescored:
            return self._exhaustive(query, allowed, num_threads)
        if num_allowed < num_rows:
            factor = min(MAX_PROBE_FACTOR, num_rows / num_allowed)
            widths = replace(widths, nprobe=math.ceil(widths.nprobe * factor))
        run = functools.partial(self._run, num_threads)
        levels, exact = self._tables_for(len(query))
        cells, similarities = self._probe(query, widths.nprobe + 1, levels, exact, num_threads)
        # The best cell that is not looked into tells what a token gains at most where none of its cells lists a row:
        # without it the last of them would gain nothing, and with one cell no row would be better than another.
        cells[:, widths.nprobe :] = -1
        rows, sums = self._accumulate(cells, similarities, allowed)
        if len(rows) < k:
            return self._exhaustive(query, allowed, num_threads)
        rows = _best(rows, sums, widths.num_approximated)
        if len(rows) > widths.num_rescored:
            sums = run(lambda segment, some: kernel().approximate(self._codec, segment, levels, some), rows)
            rows = _best(rows, sums, widths.num_rescored)
        return rows, run(lambda segment, some: kernel().rescore(self._codec, segment, query, some, exact), rows)

    def _exhaustive(
        self, query: NDArray[np.float32], allowed: NDArray[np.bool_] | None, num_threads: int
    ) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        every = np.flatnonzero(allowed) if allowed is not None else np.arange(int(self._firsts[-1]))
        rows: NDArray[np.uint32] = every.astype(np.uint32)
        if not len(query):
            lengths = np.concatenate([np.zeros(0, np.int64), *(np.diff(segment.offsets) for segment in self._segments)])
            return rows, np.where(lengths[rows] > 0, np.float32(0), np.float32(-np.inf))
        return rows, self._run(
            num_threads, lambda segment, some: kernel().rescore(self._codec, segment, query, some), rows
        )

    def _probe(
        self,
        query: NDArray[np.float32],
        nprobe: int,
        levels: NDArray[np.uint8],
        exact: NDArray[np.float32],
        num_threads: int,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Fill the tables; each token's best cells with their similarities, best first."""
        number = len(self._codec.centroids)
        nprobe = min(nprobe, number)
        parts = max(1, min(num_threads, number // CENTROIDS_WORTH_A_THREAD))
        bounds = [number * part // parts // 8 * 8 for part in range(parts)] + [number]
        found = threads.run(
            lambda part: kernel().similarities(
                self._codec, query, nprobe, bounds[part], bounds[part + 1], levels, exact
            ),
            range(parts),
            num_threads,
        )
        if parts == 1:
            return found[0]
        cells, similarities = (np.concatenate(side, axis=1) for side in zip(*found, strict=True))
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :nprobe]
        return (
            np.ascontiguousarray(np.take_along_axis(cells, order, axis=1)),
            np.ascontiguousarray(np.take_along_axis(similarities, order, axis=1)),
        )

    def _accumulate(
        self, cells: NDArray[np.int32], similarities: NDArray[np.float32], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        rows, sums = [], []
        for segment, first in zip(self._segments, self._firsts, strict=False):
            mine = None if allowed is None else np.ascontiguousarray(allowed[first : first + len(segment)])
            found, gained = kernel().accumulate(segment, cells, similarities, mine)
            rows.append(found + np.uint32(first))
            sums.append(gained)
        return np.concatenate(rows), np.concatenate(sums)

    def _run(
        self,
        num_threads: int,
        function: Callable[[SegmentView, NDArray[np.uint32]], NDArray[Any]],
        rows: NDArray[np.uint32],
    ) -> NDArray[Any]:
        """``function`` of each segment and its own rows, ascending ``rows`` being split over segments and threads."""
        cuts = np.searchsorted(rows, self._firsts)
        tasks: list[tuple[SegmentView, NDArray[np.uint32]]] = []
        for number, segment in enumerate(self._segments):
            mine = rows[cuts[number] : cuts[number + 1]] - np.uint32(self._firsts[number])
            if len(mine):
                parts = min(num_threads, max(1, len(mine) // ROWS_WORTH_A_THREAD))
                tasks.extend((segment, np.ascontiguousarray(some)) for some in np.array_split(mine, parts))
        results = threads.run(lambda task: function(*task), tasks, num_threads)
        joined: NDArray[Any] = np.concatenate(results) if results else np.zeros(0, dtype=np.float32)
        return joined

    def _tables_for(self, num_tokens: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Levels and similarities for queries of a length, this thread's own: new memory faults at every page.

        Those of long queries are large, and not kept.
        """
        lanes = kernel().lanes
        widths = (-(-num_tokens // 16) * 16, -(-num_tokens // lanes) * lanes)
        tables = self._tables.__dict__.setdefault("by_width", {})
        found: tuple[NDArray[np.uint8], NDArray[np.float32]] | None = tables.get(widths)
        if found is None:
            number = len(self._codec.centroids)
            found = np.zeros((number, widths[0]), np.uint8), np.zeros((number, widths[1]), np.float32)
            if num_tokens <= LONGEST_KEPT:
                tables[widths] = found
        return found


def _best(rows: NDArray[np.uint32], scores: NDArray[np.uint32], number: int) -> NDArray[np.uint32]:
    """The ``number`` rows of highest score, ascending."""
    if len(rows) > number:
        rows = rows[np.argpartition(scores, len(scores) - number)[len(scores) - number :]]
    return np.sort(rows)
