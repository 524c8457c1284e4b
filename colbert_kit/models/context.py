"""One layer more for an encoder, which gives each token a share of its text's mean."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

from colbert_kit.errors import InvalidConfig

__all__ = ["append_context_layer"]

PARTS = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
         "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm")  # fmt: skip
"""Of a layer of BERT, RoBERTa, XLM-R and their kin."""


@torch.no_grad()
def append_context_layer(transformer: nn.Module, share: float | None) -> None:
    """Append a layer after which a token embedding x is LayerNorm(x + ``share`` * mean of its text's x).

    It is a layer of the encoder's own kind: it attends to all tokens alike, passes on what they are, and its
    feed-forward part adds nothing. So the model is saved, loaded and trained as any other.

    Args:
        transformer: A model's first module, around an encoder of BERT's kind.
        share: Of the mean, more than 0. None: nothing is appended.

    Raises:
        InvalidConfig: ``share`` is not positive, or the encoder is of another kind.
    """
    if share is None:
        return
    if not 0 < share < math.inf:
        raise InvalidConfig(f"context_share must be more than 0, got {share!r}.")
    model: Any = transformer.model
    layers = getattr(getattr(model, "encoder", None), "layer", None)
    last = layers[-1] if isinstance(layers, nn.ModuleList) else nn.Module()
    names = {name for name, _ in last.named_modules()}
    if not isinstance(layers, nn.ModuleList) or not names.issuperset(PARTS):
        raise InvalidConfig(
            "context_share needs an encoder whose layers are those of BERT, RoBERTa or XLM-R, got "
            f"{type(model).__name__}."
        )
    layer = copy.deepcopy(last)
    for name in PARTS:
        part = layer.get_submodule(name)
        assert isinstance(part, nn.Linear | nn.LayerNorm)
        part.weight.fill_(1.0 if isinstance(part, nn.LayerNorm) else 0.0)
        if part.bias is not None:
            part.bias.zero_()
    for name, factor in (("attention.self.value", 1.0), ("attention.output.dense", share)):
        weight = layer.get_parameter(f"{name}.weight")
        weight.copy_(factor * torch.eye(len(weight)))
    module: Any
    for module in layer.modules():
        if hasattr(module, "layer_idx"):
            module.layer_idx = len(layers)
    layers.append(layer)
    model.config.num_hidden_layers = len(layers)
