"""What a loss asks of a batch: which column is the query, and which documents are not there."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from colbert_kit.errors import InvalidConfig, InvalidInput

__all__ = ["Features", "checked_features", "checked_temperature", "without_missing"]

Features = dict[str, Any]
MISSING = "missing"


def checked_features(loss: nn.Module, sentence_features: Iterable[Features], at_least: int) -> list[Features]:
    """The columns of a batch as fresh dictionaries.

    Raises:
        InvalidInput: A column does not say whether it holds queries or documents, the first one is not the queries,
            another one is, or there are too few.
    """
    features = [dict(one) for one in sentence_features]
    name = type(loss).__name__
    if len(features) < at_least:
        raise InvalidInput(
            f"{name} needs the query and at least {at_least - 1} document columns, got {len(features)} columns in all."
        )
    tasks = [one.get("task") for one in features]
    if None in tasks:
        raise InvalidInput(
            f"{name}: the batch does not say which column holds queries, so both would be encoded alike. Give the "
            "trainer data_collator=colbert_kit.utils.ColBERTCollator(model)."
        )
    if tasks[0] != "query" or "query" in tasks[1:]:
        raise InvalidInput(f"{name} needs the query column first and documents after it, got the roles {tasks}.")
    return features


def checked_temperature(value: float, name: str = "temperature") -> float:
    """``value``, if scores can be divided by it.

    Raises:
        InvalidConfig: It is not a positive finite number.
    """
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidConfig(f"{name} must be a positive finite number, got {value!r}.")
    return float(value)


@contextlib.contextmanager
def without_missing(model: nn.Module) -> Iterator[None]:
    """Inside, documents that the batch calls missing come out of the model without a token to be scored."""
    handle = model.register_forward_hook(_mask_missing)
    try:
        yield
    finally:
        handle.remove()


def _mask_missing(_: nn.Module, __: Any, output: Any) -> Any:  # noqa: ANN401 - a model's features
    missing: Tensor | None = output.get(MISSING)
    if missing is None:
        return output
    mask = output["attention_mask"]
    output["attention_mask"] = torch.where(missing[:, None], torch.zeros_like(mask), mask)
    return output
