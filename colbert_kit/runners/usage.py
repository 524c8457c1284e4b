"""What a job's machine is busy with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["GpuUsage", "Usage", "usage_of"]


@dataclass(frozen=True)
class GpuUsage:
    """One graphics processor.

    Args:
        percent: Of its time.
        used_bytes: Of its memory.
        total_bytes: Its memory.
    """

    percent: float
    used_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Usage:
    """A machine at one moment.

    Args:
        cpu_percent: Of its processors' time.
        used_bytes: Of its memory.
        total_bytes: Its memory.
        gpus: Its graphics processors.
    """

    cpu_percent: float
    used_bytes: int
    total_bytes: int
    gpus: tuple[GpuUsage, ...] = ()


def usage_of(sample: Mapping[str, Any]) -> Usage:
    """A sample as the Hub gives it; what it leaves out is 0.

    Example:
        >>> usage_of({"cpu_usage_pct": 40, "memory_used_bytes": 3, "memory_total_bytes": 4, "gpus": {}})
        Usage(cpu_percent=40.0, used_bytes=3, total_bytes=4, gpus=())
    """
    gpus = [
        GpuUsage(float(one.get("utilization") or 0), *_memory(one))
        for _, one in sorted((sample.get("gpus") or {}).items())
    ]
    return Usage(float(sample.get("cpu_usage_pct") or 0), *_memory(sample), tuple(gpus))


def _memory(sample: Mapping[str, Any]) -> tuple[int, int]:
    return int(sample.get("memory_used_bytes") or 0), int(sample.get("memory_total_bytes") or 0)
