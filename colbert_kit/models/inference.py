"""Which number format to encode in, decided by a measurement on this machine."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit.errors import InvalidConfig
from colbert_kit.machine import faster_dtype
from colbert_kit.models.backends import backend_of

__all__ = ["DType", "choose_dtype", "dtype_of", "inference_model"]

DType = Literal["auto", "float32", "bfloat16"]
"""What a model computes in; ``"auto"`` is the faster on this machine."""
DTYPES = ("auto", "float32", "bfloat16")


def choose_dtype(dtype: DType, device: torch.device) -> Literal["float32", "bfloat16"]:
    """Resolve ``"auto"`` for a device: the faster of the two, measured once per machine and remembered.

    Raises:
        InvalidConfig: ``dtype`` is none of the three.
    """
    if dtype not in DTYPES:
        raise InvalidConfig(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}.")
    if dtype != "auto":
        return dtype
    return faster_dtype(device)


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
