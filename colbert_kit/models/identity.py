"""Which model made these embeddings: id, revision, and a fingerprint of what it computes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit.hub import Pushed
from colbert_kit.models.backends import backend_of, hash_graph

__all__ = [
    "ModelRecord",
    "fingerprint",
    "place_of",
    "published_as",
    "record_of",
    "remember",
    "remember_published",
]

# A plain MultiVectorEncoder does not keep the name it was loaded by; the factory notes it here.
_names: WeakKeyDictionary[MultiVectorEncoder, tuple[str, str | None]] = WeakKeyDictionary()

_published: WeakKeyDictionary[MultiVectorEncoder, tuple[Pushed, str]] = WeakKeyDictionary()

PLACES = ("name_or_path", "tokenizer_name_or_path")
"""Configuration entries that say where a model lay, not what it computes."""


@dataclass(frozen=True)
class ModelRecord:
    """What an index says of its model.

    Args:
        id: The name to load it by: a repository id, a folder, or the demo encoder's.
        revision: The commit of the repository; None for a folder.
        fingerprint: sha256 of weights, tokenizer and module settings.
    """

    id: str
    revision: str | None
    fingerprint: str


def remember(model: MultiVectorEncoder, name: str, revision: str | None = None) -> None:
    """Note what a model was loaded by: a folder's absolute path, or a name that is to stay as it is, and the commit."""
    _names[model] = name, revision


def place_of(name: str) -> str:
    """The absolute path of a folder; any other name as it is."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name


def record_of(model: MultiVectorEncoder) -> ModelRecord:
    """The record of a model; one that no factory of ours loaded is named by its encoder."""
    # What was noted is not looked up again: a folder may be called like the demo encoder, or the process have moved.
    if (known := _names.get(model)) is not None:
        return ModelRecord(*known, fingerprint(model))
    config = model[0].config
    name = place_of(getattr(config, "name_or_path", "") or "")
    return ModelRecord(name, getattr(config, "_commit_hash", None), fingerprint(model))


def remember_published(model: MultiVectorEncoder, pushed: Pushed) -> None:
    """Note where this very model lies on the Hub."""
    _published[model] = pushed, fingerprint(model)


def published_as(model: MultiVectorEncoder) -> Pushed | None:
    """Where this process has pushed a model to; None also if it has changed since."""
    pushed, known = _published.get(model, (None, ""))
    return pushed if pushed is not None and fingerprint(model) == known else None


def fingerprint(model: MultiVectorEncoder) -> str:
    """sha256 of what the model computes: weights (as float32), tokenizer, module settings and prompts.

    It does not depend on the device, the folder or the dtype that the weights are kept in (as long as that is at
    least as wide as they were). 0.3 s for 90 MB of weights. A model that torch does not run has another fingerprint
    than the one it was exported from: its graph is hashed.

    Args:
        model: The model.

    Returns:
        64 hex digits.

    Raises:
        InvalidConfig: What runs the model does not show what it computes.
    """
    digest = hashlib.sha256(b"" if backend_of(model) == "torch" else hash_graph(model))
    for name, tensor in sorted(model.state_dict().items()):
        value = tensor.detach().to("cpu")
        value = value.float() if value.is_floating_point() else value.to(torch.int64)
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.contiguous().numpy().data)
    digest.update(_tokenizer_text(model).encode())
    settings = [{**_settings(module), "class": type(module).__name__} for module in model]
    text = json.dumps([settings, model.prompts], sort_keys=True, default=str)
    digest.update(text.encode())
    return digest.hexdigest()


def _settings(module: Any) -> dict[str, object]:  # noqa: ANN401 - any module of sentence-transformers
    config = module.get_config_dict() if hasattr(module, "get_config_dict") else {}
    return {key: value for key, value in config.items() if key not in PLACES}


def _tokenizer_text(model: MultiVectorEncoder) -> str:
    tokenizer = model.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return json.dumps(tokenizer.get_vocab(), sort_keys=True)
    content = json.loads(backend.to_str())
    # Truncation and padding are set anew by every call, so they hold whatever the last one wanted.
    return json.dumps({**content, "truncation": None, "padding": None}, sort_keys=True)
