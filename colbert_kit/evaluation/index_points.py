"""What an index setting is worth: quality, recall, bytes, seconds; and which settings no other one beats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.indexes import SearchConfig

__all__ = ["IndexPoint", "Latency", "MeasureConfig", "pareto_front"]

Axis = Literal["quality", "latency", "bytes"]


@dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """How index settings are measured.

    Args:
        k: Hits of each search.
        measure: Quality by the qrels, as ``ir-measures`` calls it; it looks at ``k`` hits at most.
        rounds: How often each timed query is asked with each setting. Each figure is the median over the rounds, so
            that one that was disturbed says nothing.
        num_timed: Queries that are timed at most; quality and recall are those of all. With 128, six are above p95.
        num_threads: Throughput is measured with so many threads, each number for itself; not at all where empty.

    Raises:
        InvalidConfig: A number is below 1, or the measure looks at more hits than there are.
    """

    k: int = 10
    measure: str = "nDCG@10"
    rounds: int = 3
    num_timed: int = 128
    num_threads: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        numbers = {"k": self.k, "rounds": self.rounds, "num_timed": self.num_timed}
        numbers |= {"num_threads": min(self.num_threads, default=1)}
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidConfig(f"{name} must be 1 or more, got {value!r}.")
        cut = re.search(r"@(\d+)$", self.measure)
        if cut and int(cut[1]) > self.k:
            raise InvalidConfig(
                f"{self.measure} looks at {cut[1]} hits and a search gives {self.k}: raise k, or take a measure with "
                f"a cut-off of {self.k} at most."
            )


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Seconds of one query at a time.

    Args:
        p50_seconds: Half of the queries take at most so long.
        p95_seconds: 95 % of them do.
        p99_seconds: 99 % of them do.
    """

    p50_seconds: float
    p95_seconds: float
    p99_seconds: float

    @classmethod
    def of(cls, seconds: NDArray[np.float64]) -> Latency:
        """The median over rounds of each percentile over queries.

        Args:
            seconds: ``(rounds, queries)``.
        """
        p50, p95, p99 = np.median(np.percentile(seconds, (50, 95, 99), axis=1), axis=1).tolist()
        return cls(p50_seconds=p50, p95_seconds=p95, p99_seconds=p99)


@dataclass(frozen=True, kw_only=True)
class IndexPoint:
    """An index and search settings, measured.

    Args:
        nbits: Bits of a residual a dimension; None where token embeddings are float16 and all documents scored.
        pool_factor: About one token embedding kept for so many similar ones.
        config: The search settings that were used; all None where all documents are scored.
        k: Hits of each search.
        num_queries: Queries that quality and recall are means of: the judged ones, all without qrels.
        measure: What ``quality`` is.
        quality: Mean of the measure; None without qrels.
        recall: Mean share of the exact first ``k`` that were found; None without an exact run.
        bytes_per_document: Of all files of the folder: token embeddings, ids, texts and metadata.
        build_seconds: From stored token embeddings to the compressed folder; None where it was there already.
        search: Of ``Searcher.search`` without encoding the query, which has just been encoded. That leaves the
            processor's caches full of other things: among 20,000 passages of 48 tokens, ranking them took 4.7 ms (p95
            8.6) after encoding and 4.0 (6.8) right after another search.
        encode: Of encoding the query.
        total: Of both.
        queries_per_second: By number of threads: queries that are encoded already, answered in a second.
        qualities: ``quality`` of each query.
        recalls: ``recall`` of each query.
    """

    nbits: int | None
    pool_factor: int
    config: SearchConfig
    k: int
    num_queries: int
    measure: str
    quality: float | None
    recall: float | None
    bytes_per_document: float
    build_seconds: float | None
    search: Latency
    encode: Latency
    total: Latency
    queries_per_second: Mapping[int, float] = field(default_factory=dict)
    qualities: Mapping[str, float] = field(default_factory=dict, repr=False)
    recalls: Mapping[str, float] = field(default_factory=dict, repr=False)

    @property
    def goodness(self) -> float | None:
        """Quality, or recall where there are no qrels."""
        return self.recall if self.quality is None else self.quality

    @property
    def goodness_name(self) -> str:
        """What ``goodness`` is: ``"nDCG@10"`` or ``"recall@10"``."""
        return f"recall@{self.k}" if self.quality is None else self.measure

    @property
    def setting(self) -> str:
        """The setting in words: ``"4 bits, pooled by 2, nprobe 4, 4,096 approximated, 1,024 rescored"``."""
        pooled = f", pooled by {self.pool_factor}" if self.pool_factor > 1 else ""
        if self.nbits is None:
            return f"float16{pooled}, all documents scored"
        return (
            f"{self.nbits} bit{'s' * (self.nbits > 1)}{pooled}, nprobe {self.config.nprobe}, "
            f"{self.config.num_approximated:,} approximated, {self.config.num_rescored:,} rescored"
        )

    def as_dict(self) -> dict[str, Any]:
        """All figures but those of single queries, as JSON values."""
        return {name: value for name, value in asdict(self).items() if name not in ("qualities", "recalls")}


def pareto_front(
    points: Sequence[IndexPoint], by: Sequence[Axis] = ("quality", "latency", "bytes")
) -> list[IndexPoint]:
    """The points that no other one beats: none is as good in every respect and better in one.

    Args:
        points: The points.
        by: Respects: ``"quality"`` (recall where there are no qrels), ``"latency"`` (p95 of the search) and
            ``"bytes"``.

    Returns:
        Those points, fastest first.

    Raises:
        InvalidInput: ``by`` names something else or nothing, or quality is asked for and a point has neither.

    Example:
        >>> front = pareto_front(sweep_index(encoded, queries, qrels, work="work"))  # doctest: +SKIP
    """
    if not by or set(by) - {"quality", "latency", "bytes"}:
        raise InvalidInput(f"by holds quality, latency and bytes or some of them, got {list(by)!r}.")
    costs = [_costs(point, by) for point in points]
    front = [
        point
        for point, mine in zip(points, costs, strict=True)
        if not any(all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine for other in costs)
    ]
    return sorted(front, key=lambda point: point.search.p95_seconds)


def _costs(point: IndexPoint, by: Sequence[Axis]) -> tuple[float, ...]:
    """The lower, the better."""
    if point.goodness is None and "quality" in by:
        raise InvalidInput("a point has neither quality nor recall: measure with qrels or an exact run.")
    costs = {
        "quality": -(point.goodness or 0.0),
        "latency": point.search.p95_seconds,
        "bytes": point.bytes_per_document,
    }
    return tuple(costs[axis] for axis in by)
