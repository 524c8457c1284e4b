"""What an index may cost and must be worth, and how such limits are spelled."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.evaluation.index_points import IndexPoint

__all__ = ["Limits", "describe", "parse_bytes", "parse_seconds", "spell_bytes", "spell_seconds"]

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of an index setting; those that are None do not count.

    Args:
        max_latency_seconds: Of the 95th percentile of a search, the query's encoding left out: no setting of the
            index changes that.
        max_bytes_per_document: Of all files of the folder.
        min_quality: Of the mean of the measure; of recall against the exact ranking where there are no qrels.

    Raises:
        InvalidConfig: None is given, or one cannot be.
    """

    max_latency_seconds: float | None = None
    max_bytes_per_document: float | None = None
    min_quality: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if not given:
            raise InvalidConfig("give at least one limit: on latency, bytes or quality.")
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise InvalidConfig(f"{name} must be a number above 0, got {value!r}.")
        if self.min_quality is not None and self.min_quality > 1:
            raise InvalidConfig(f"min_quality must be at most 1, which is perfect, got {self.min_quality!r}.")

    def excess(self, point: IndexPoint) -> float:
        """How many times over its limits a point is where that is most; at most 1 where it meets them all."""
        ratios = [0.0]
        if self.max_latency_seconds is not None:
            ratios.append(point.search.p95_seconds / self.max_latency_seconds)
        if self.max_bytes_per_document is not None:
            ratios.append(point.bytes_per_document / self.max_bytes_per_document)
        if self.min_quality is not None:
            ratios.append(self.min_quality / max(point.goodness or 0.0, 1e-9))
        return max(ratios)

    def spell(self, point: IndexPoint) -> str:
        """The limits in words, with the measure of a point."""
        words = []
        if self.max_latency_seconds is not None:
            words.append(f"a p95 of at most {spell_seconds(self.max_latency_seconds)}")
        if self.max_bytes_per_document is not None:
            words.append(f"at most {self.max_bytes_per_document:,.0f} bytes a document")
        if self.min_quality is not None:
            words.append(f"{point.goodness_name} of at least {self.min_quality:.4g}")
        return " and ".join(words)


def describe(point: IndexPoint) -> str:
    """A point in words: its setting, ``": p95 6.1 ms, nDCG@10 0.7041, 1,940 bytes a document"``."""
    worth = "" if point.goodness is None else f"{point.goodness_name} {point.goodness:.4f}, "
    seconds = spell_seconds(point.search.p95_seconds)
    return f"{point.setting}: p95 {seconds}, {worth}{point.bytes_per_document:,.0f} bytes a document"


def parse_seconds(text: str) -> float:
    """A time as people write it.

    Args:
        text: ``"10ms"``, ``"0.5 s"``.

    Raises:
        InvalidInput: It is no time.

    Example:
        >>> parse_seconds("10ms")
        0.01
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]+)\s*", text.lower())
    if found is None or found[2] not in SECONDS or (number := _number(found[1])) is None:
        raise InvalidInput(f"a time is a number with us, ms or s behind it, such as 10ms; got {text!r}.")
    return number * SECONDS[found[2]]


def parse_bytes(text: str, num_documents: int) -> float:
    """A size as people write it, of a whole index.

    Args:
        text: ``"40MB"`` (millions), ``"40MiB"``, or ``"2kB/document"``.
        num_documents: Documents of the index.

    Raises:
        InvalidInput: It is no size.

    Example:
        >>> parse_bytes("200/document", 1000)
        200000.0
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]*)\s*(/\s*document)?\s*", text.lower())
    if found is None or found[2] not in BYTES or (number := _number(found[1])) is None:
        raise InvalidInput(f"a size is 40MB or 2kB/document (B, kB, MB, GB, KiB, MiB or GiB), got {text!r}.")
    return number * BYTES[found[2]] * (num_documents if found[3] else 1)


def spell_seconds(seconds: float) -> str:
    """Seconds for people: ``"6.1 ms"``."""
    return f"{1e3 * seconds:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def spell_bytes(size: float) -> str:
    """Bytes for people, in thousands: ``"58.2 MB"``."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.1f} {unit}" if unit != "B" else f"{size:.0f} B"
        size /= 1000
    return f"{size:.1f} GB"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
