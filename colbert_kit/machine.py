"""What this machine does best, and where the kit keeps what it can make again."""

from __future__ import annotations

import functools
import json
import logging
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import platformdirs

if TYPE_CHECKING:
    import torch

__all__ = ["cache_folder", "describe", "faster_dtype", "product_dtype"]

logger = logging.getLogger(__name__)

PACKAGES = ("torch", "sentence-transformers", "transformers", "numpy")
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")

MIN_SPEEDUP = 1.3
"""bfloat16 costs up to 3e-3 of a score, so it must earn that: on a CPU with AVX-512 bfloat16 it runs 3.0 times as
fast, on one without it at a hundredth of float32 (139 against 1.2 GFLOP/s on an AMD EPYC of 2021)."""


def cache_folder() -> Path:
    """Where the kit keeps what it can make again: ``$COLBERT_KIT_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("COLBERT_KIT_CACHE") or platformdirs.user_cache_path("colbert_kit"))


def describe() -> dict[str, str]:
    """What a figure depends on: processor, cores, its instruction sets that matter here, versions."""
    found = {
        "processor": _cpu_name() or platform.machine(),
        "cores": str(os.cpu_count()),
        "instructions": " ".join(name for name in INSTRUCTION_SETS if name in _cpu_flags()),
        "python": platform.python_version(),
    }
    return found | {name: version(name) for name in PACKAGES}


def product_dtype(device: torch.device) -> torch.dtype:
    """What matrix products run fastest in on a device, of float32 and bfloat16."""
    import torch

    return torch.bfloat16 if faster_dtype(device) == "bfloat16" else torch.float32


def faster_dtype(device: torch.device) -> Literal["float32", "bfloat16"]:
    """The faster of the two on a device; on a CPU measured once per machine and remembered."""
    import torch

    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return _measured() if device.type == "cpu" else "float32"


@functools.cache
def _measured() -> Literal["float32", "bfloat16"]:
    import torch

    path = cache_folder() / "dtype.json"
    key = f"{platform.node()}/{platform.machine()}/{_cpu_name()}/torch {torch.__version__}"
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    if not isinstance(known, dict) or known.get(key) not in ("float32", "bfloat16"):
        float32, bfloat16 = _seconds(torch.float32), _seconds(torch.bfloat16)
        choice = "bfloat16" if float32 > MIN_SPEEDUP * bfloat16 else "float32"
        known = {**(known if isinstance(known, dict) else {}), key: choice}
        logger.info("Matrix products in %s: bfloat16 runs %.2f times as fast on this CPU.", choice, float32 / bfloat16)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known))
        except OSError:
            logger.info("The choice could not be kept in the cache folder and is measured again next time.")
    return "bfloat16" if known[key] == "bfloat16" else "float32"


def _seconds(dtype: torch.dtype) -> float:
    """Best of three of a product shaped like a small encoder's (75 MFLOP: 60 ms where bfloat16 is emulated)."""
    import torch

    left, right = torch.ones(256, 384, dtype=dtype), torch.ones(384, 384, dtype=dtype)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        torch.mm(left, right)
        times.append(time.perf_counter() - start)
    return min(times)


def _cpu_name() -> str:
    return _cpu_info("model name") or platform.processor()


def _cpu_flags() -> list[str]:
    return _cpu_info("flags").split()


def _cpu_info(name: str) -> str:
    """A line of Linux' description of the first processor; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
