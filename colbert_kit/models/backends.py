"""What runs the encoder: torch, or a library that sentence-transformers reaches through optimum.

``docs/backends.md`` says which releases go together, and what they were measured to bring.
"""

from __future__ import annotations

import hashlib
import importlib
from typing import Any, Literal

import numpy as np
from sentence_transformers import MultiVectorEncoder

from colbert_kit.errors import InvalidConfig

__all__ = ["Backend", "backend_of", "check_backend", "hash_graph", "refuse_to_build"]

Backend = Literal["torch", "onnx", "openvino"]

LIBRARIES = {
    "onnx": ("optimum.onnxruntime", "ORTModelForFeatureExtraction", "optimum-onnx[onnxruntime]"),
    "openvino": ("optimum.intel.openvino", "OVModelForFeatureExtraction", "optimum-intel[openvino]"),
}
"""Per backend: the module and class that sentence-transformers 6.2 imports, and the package that holds them."""


def check_backend(backend: Backend) -> None:
    """Refuse a backend that is unknown, or whose library does not work here.

    There is no extra to name: no release of either library can be installed beside what the kit needs.

    Raises:
        InvalidConfig: It is; the message says why, in one line.
    """
    if backend == "torch":
        return
    if backend not in LIBRARIES:
        raise InvalidConfig(f"backend must be one of torch, {', '.join(LIBRARIES)}, got {backend!r}.")
    module, name, package = LIBRARIES[backend]
    try:
        getattr(importlib.import_module(module), name)
    except ImportError as error:
        reason = str(error).strip().partition("\n")[0].partition(" (/")[0]
        raise InvalidConfig(
            f"backend={backend!r} needs {package} in a release that goes with the installed transformers, got: "
            f'{reason}. Leave it at "torch", or see docs/backends.md.'
        ) from error


def refuse_to_build(backend: Backend, name: str) -> None:
    """Refuse a bare encoder: the table of an exported one cannot take the markers' new rows.

    Raises:
        InvalidConfig: The backend is not torch.
    """
    if backend != "torch":
        raise InvalidConfig(
            f"backend={backend!r} runs checkpoints, and {name} is a bare encoder. Build the model with "
            'backend="torch", save it with save_pretrained, and load that folder.'
        )


def backend_of(model: MultiVectorEncoder) -> str:
    """What runs the model's encoder."""
    return getattr(model[0], "backend", "torch")


def hash_graph(model: MultiVectorEncoder) -> bytes:
    """sha256 of what an encoder computes that holds no weights of torch's: operations, attributes and constants.

    Not of its files: the names in them differ from export to export.

    Raises:
        InvalidConfig: The encoder is not OpenVINO's, and what it computes cannot be seen.
    """
    encoder: Any = model[0]
    graph: Any = getattr(encoder.model, "model", None)
    if backend_of(model) != "openvino" or graph is None:
        raise InvalidConfig(
            f"a model of backend={backend_of(model)!r} cannot be identified, so no index can be built with it; "
            'load it with backend="torch".'
        )
    digest = hashlib.sha256()
    for operation in graph.get_ordered_ops():
        kind = operation.get_type_name()
        digest.update(f"{kind}{sorted(operation.get_attributes().items())}".encode())
        if kind == "Constant":
            digest.update(np.ascontiguousarray(operation.get_data()).tobytes())
    return digest.digest()
