"""Batches for training: tokenised by role, with the markers that ``encode_query`` and ``encode_document`` put."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.data_collator import MultiVectorEncoderDataCollator

from colbert_kit.errors import InvalidConfig, InvalidData
from colbert_kit.models.prompts import compose_prompt, prompt_of
from colbert_kit.training.columns import LABELS, text_columns, unfolded

__all__ = ["ColBERTCollator"]


class ColBERTCollator(MultiVectorEncoderDataCollator):
    """Makes batches out of rows, for ``SentenceTransformerTrainer`` and ``MultiVectorEncoderTrainer`` alike.

    The plain trainer leaves the model's own prompts out, so that a model learns on ``[CLS] what is x`` and is asked
    ``[CLS] [Q] what is x``. Here each column has its role's marker, length and expansion, and is padded to the longest
    text of the batch.

    The query is the column called query, anchor or question, else the first; the positive comes next, then the others
    (``negative``, ``negative_1`` ..., ``document_1`` ...; ``negatives`` and ``documents`` may be lists). Columns called
    id, or ending in _id or _ids, are left out. A row may have fewer negatives than others: None, or a shorter list.

    Args:
        model: The model, or ``model.preprocess`` or ``model.tokenize`` (PyLate's spelling).
        args: The trainer's arguments, whose ``prompts``, ``router_mapping`` and ``max_length`` are honoured. A prompt
            is put after the marker, unless it begins with it. A trainer does not hand them to a collator it is given.
        tokenize_fn: Another name for ``model``, as in PyLate.

    Raises:
        InvalidConfig: ``model`` is neither a model nor one of its methods.

    Example:
        >>> from colbert_kit import utils  # doctest: +SKIP
        >>> trainer = MultiVectorEncoderTrainer(..., data_collator=utils.ColBERTCollator(model))  # doctest: +SKIP
    """

    def __init__(
        self,
        model: MultiVectorEncoder | Callable[..., Any] | None = None,
        *,
        args: Any = None,  # noqa: ANN401 - any trainer's arguments
        tokenize_fn: Callable[..., Any] | None = None,
    ) -> None:
        self.model = _model_of(tokenize_fn if model is None else model)
        super().__init__(
            preprocess_fn=self._preprocess,
            router_mapping=getattr(args, "router_mapping", None) or {},
            prompts=getattr(args, "prompts", None) or {},
            max_length=getattr(args, "max_length", None),
        )

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Tokenise a batch.

        Args:
            features: Rows of texts and labels.

        Returns:
            ``{column}_input_ids`` and the like for each column, ``{column}_task``; ``label`` where there are labels;
            ``{column}_missing`` where documents are missing.

        Raises:
            InvalidData: A text is missing that must be there, or is no string; or the columns cannot be told apart.
        """
        if not features:
            return {}
        rows = [unfolded(row) for row in features]
        names = list(dict.fromkeys(name for row in rows for name in row))
        texts = text_columns(names, self._resolve_router_mapping(rows[0]))
        missing = _checked(rows, texts, has_labels=any(name in LABELS for name in names))
        others = [name for name in names if name not in texts]
        batch: dict[str, Any] = super().__call__(
            [{name: row.get(name) or "" for name in texts} | {name: row[name] for name in others} for row in rows]
        )
        if any(any(column) for column in missing.values()):
            for name in texts[1:]:
                batch[f"{name}_missing"] = torch.tensor(missing[name])
        return batch

    def _preprocess(self, texts: list[str], *, prompt: str | None, task: Any, **rest: Any) -> Any:  # noqa: ANN401
        marker = prompt_of(self.model, task)
        if prompt is None:
            prompt = marker
        elif not (marker and prompt.startswith(marker)):
            prompt = compose_prompt(self.model, prompt, task)
        return self.model.preprocess(texts, prompt=prompt, task=task, **rest)


def _model_of(given: Any) -> MultiVectorEncoder:  # noqa: ANN401 - what a script hands over
    # torch.compile(model) keeps the model in _orig_mod, and gives out its methods.
    for found in (given, getattr(given, "_orig_mod", None), getattr(given, "__self__", None)):
        if isinstance(found, MultiVectorEncoder):
            return found
    raise InvalidConfig(
        f"ColBERTCollator needs the model, or its preprocess or tokenize method, got {type(given).__name__}."
    )


def _checked(rows: Sequence[Mapping[str, Any]], texts: list[str], *, has_labels: bool) -> dict[str, list[bool]]:
    """For each column which rows lack their text."""
    missing = {name: [row.get(name) is None for row in rows] for name in texts}
    for place, name in enumerate(texts):
        for number, row in enumerate(rows):
            value = row.get(name)
            if value is not None and not isinstance(value, str):
                raise InvalidData(f"column {name!r} must hold texts, got {type(value).__name__} in row {number}.")
            if value is None and (place < 2 or has_labels):
                reason = "which has scores, " if place >= 2 else ""
                raise InvalidData(f"row {number} of the batch, {reason}has no text in column {name!r}.")
    return missing
