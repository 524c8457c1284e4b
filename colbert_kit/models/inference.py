"""Which number format to encode in, decided by a measurement on this machine."""

from __future__ import annotations

import copy
import functools
import json
import logging
import os
import platform
import time
from pathlib import Path
from typing import Literal

import platformdirs
import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit.errors import InvalidConfig
from colbert_kit.models.backends import backend_of

__all__ = ["DType", "cache_folder", "choose_dtype", "dtype_of", "inference_model"]

logger = logging.getLogger(__name__)

DType = Literal["auto", "float32", "bfloat16"]
DTYPES = ("auto", "float32", "bfloat16")

MIN_SPEEDUP = 1.3
"""bfloat16 costs up to 3e-3 of a score, so it must earn that: on a CPU with AVX-512 bfloat16 it runs 3.0 times as
fast, on one without it at a hundredth of float32 (139 against 1.2 GFLOP/s on an AMD EPYC of 2021)."""


def cache_folder() -> Path:
    """Where the kit keeps what it can make again: ``$COLBERT_KIT_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("COLBERT_KIT_CACHE") or platformdirs.user_cache_path("colbert_kit"))


def choose_dtype(dtype: DType, device: torch.device) -> Literal["float32", "bfloat16"]:
    """Resolve ``"auto"`` for a device: the faster of the two, measured once per machine and remembered.

    Raises:
        InvalidConfig: ``dtype`` is none of the three.
    """
    if dtype not in DTYPES:
        raise InvalidConfig(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}.")
    if dtype != "auto":
        return dtype
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return _measured() if device.type == "cpu" else "float32"


def dtype_of(model: MultiVectorEncoder, dtype: DType) -> Literal["float32", "bfloat16"]:
    """Resolve ``"auto"`` for a model: what ``choose_dtype`` says, and float32 where torch does not run it.

    Raises:
        InvalidConfig: ``dtype`` is none of the three, or bfloat16 for a model that cannot be cast.
    """
    if (backend := backend_of(model)) == "torch":
        return choose_dtype(dtype, model.device)
    if dtype == "bfloat16":
        raise InvalidConfig(f'dtype must be "auto" or "float32" for a model of backend={backend!r}, got {dtype!r}.')
    return choose_dtype("float32" if dtype == "auto" else dtype, model.device)


def inference_model(model: MultiVectorEncoder, dtype: DType) -> MultiVectorEncoder:
    """The model itself for float32, else a private copy: training and saving never see the narrow weights.

    Raises:
        InvalidConfig: As ``dtype_of``.
    """
    if dtype_of(model, dtype) == "float32" or model.dtype == torch.bfloat16:
        return model
    narrow: MultiVectorEncoder = copy.deepcopy(model).to(torch.bfloat16)
    return narrow


@functools.cache
def _measured() -> Literal["float32", "bfloat16"]:
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
        logger.info("Encoding in %s: bfloat16 runs %.2f times as fast on this CPU.", choice, float32 / bfloat16)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known))
        except OSError:
            logger.info("The choice could not be kept in the cache folder and is measured again next time.")
    return "bfloat16" if known[key] == "bfloat16" else "float32"


def _seconds(dtype: torch.dtype) -> float:
    """Best of three of a product shaped like a small encoder's (75 MFLOP: 60 ms where bfloat16 is emulated)."""
    left, right = torch.ones(256, 384, dtype=dtype), torch.ones(384, 384, dtype=dtype)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        torch.mm(left, right)
        times.append(time.perf_counter() - start)
    return min(times)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
