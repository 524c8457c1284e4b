"""Faults that train or search without an error, and give worse rankings: looked for before the time is spent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Transformer

from colbert_kit.errors import ColbertKitError
from colbert_kit.models import check_lengths, prompt_of
from colbert_kit.training.columns import LABELS, normalized, text_columns, unfolded

__all__ = ["Finding", "examine_model", "examine_overlap", "examine_rows"]

ROWS_READ = 20_000
"""Rows looked at; what is wrong with a set is wrong with most of it."""
FEW = 0.01
"""Of the rows or queries: above it a fault of single ones is one of the set."""


@dataclass(frozen=True)
class Finding:
    """Something that is, or may be, wrong.

    Args:
        level: ``"error"`` where results would be useless, ``"warning"`` where they may be worse.
        name: What was looked for, ``"markers"``.
        message: What was found and what to do.
    """

    level: Literal["error", "warning"]
    name: str
    message: str


def examine_model(model: MultiVectorEncoder, *, for_training: bool = False) -> list[Finding]:
    """Look for faults of a model.

    Args:
        model: The model.
        for_training: It is about to be trained, so that a random projection is no fault.

    Returns:
        What was found; nothing where all is well.

    Example:
        >>> [finding.name for finding in examine_model(model)]  # doctest: +SKIP
        ['projection']
    """
    found = [*_markers(model), *_lengths(model), *_expansion(model)]
    return found if for_training else [*_projection(model), *found]


def examine_rows(rows: Dataset, loss: str) -> list[Finding]:
    """Look for faults of a training set: its shape for the loss, and texts and scores that teach nothing.

    Args:
        rows: Texts and labels, as ``load_rows`` gives them.
        loss: ``TrainingConfig.loss``.
    """
    sample = rows.select(range(min(len(rows), ROWS_READ)))
    try:
        names = list(unfolded(sample[0]))
        texts = text_columns(names)
    except ColbertKitError as error:
        return [Finding("error", "columns", str(error))]
    scored = any(name in LABELS for name in names)
    if loss in ("distillation", "margin_mse"):
        if not scored:
            return [Finding("error", "scores", f"{loss} needs a teacher's scores; the columns are {', '.join(names)}.")]
        if len(texts) < 3:
            return [Finding("error", "columns", f"{loss} needs two documents a query or more, got one.")]
        return _flat_scores(sample)
    return _doubtful_negatives(sample)


def examine_overlap(train: Iterable[str], evaluation: Mapping[str, str]) -> list[Finding]:
    """Look for evaluation queries among the training queries.

    Args:
        train: Queries to train on.
        evaluation: Queries to evaluate with, by id.
    """
    known = {normalized(text) for text in train}
    seen = [name for name, text in evaluation.items() if normalized(text) in known]
    if not seen:
        return []
    share = f"{len(seen)} of {len(evaluation)}"
    message = f"{share} evaluation queries are in the training data ({seen[0]!r} for one); take them out of it."
    return [Finding("error" if len(seen) > FEW * len(evaluation) else "warning", "leak", message)]


def _projection(model: MultiVectorEncoder) -> list[Finding]:
    """Torch begins a layer with weights uniform within 1 / sqrt(inputs); the first step of a training leaves that."""
    for module in model:
        if not isinstance(module, Dense):
            continue
        weight = module.linear.weight.detach().float()
        bound = weight.shape[1] ** -0.5
        if weight.abs().max() <= bound * 1.0001 and abs(float(weight.std()) / (bound / 3**0.5) - 1) < 0.02:
            size = f"from {weight.shape[1]} to {weight.shape[0]} dimensions"
            message = f"the projection {size} looks random: train the model before you trust its rankings."
            return [Finding("warning", "projection", message)]
    return []


def _markers(model: MultiVectorEncoder) -> list[Finding]:
    query, document = prompt_of(model, "query"), prompt_of(model, "document")
    if query == document:
        what = "no markers" if not query else f"the same marker {query!r} for both"
        message = (
            f"the model has {what}, so it reads queries as it reads documents. That is right for one that was trained "
            "so, like the demo model; a new one usually has '[Q] ' and '[D] '."
        )
        return [Finding("warning", "markers", message)]
    found = []
    for marker in (query, document):
        # An instruction ("search_query: ") is text; a marker in brackets is meant as one token.
        if not re.fullmatch(r"\s*\[[^\]]{1,20}\]\s*", marker):
            continue
        tokens = model.tokenizer.tokenize(marker)
        if len(tokens) > 1:
            message = (
                f"the marker {marker!r} is split into {tokens}, which the skiplist may cut; add it to the tokenizer "
                "as one token, as models.ColBERT does with a bare encoder."
            )
            found.append(Finding("error", "markers", message))
    return found


def _lengths(model: MultiVectorEncoder) -> list[Finding]:
    encoder = model[0]
    if not isinstance(encoder, Transformer):
        return []
    expansion = encoder.query_expansion or {}
    try:
        check_lengths(
            encoder,
            query_length=expansion.get("length") or encoder.query_length,
            document_length=encoder.document_length,
        )
    except ColbertKitError as error:
        return [Finding("error", "lengths", str(error))]
    if encoder.document_length is None and (encoder.max_seq_length or 0) > 10**6:
        return [Finding("error", "lengths", "neither document_length nor max_seq_length limits a document.")]
    return []


def _expansion(model: MultiVectorEncoder) -> list[Finding]:
    encoder = model[0]
    attention = str(getattr(getattr(encoder, "config", None), "_attn_implementation", ""))
    expansion: Any = getattr(encoder, "query_expansion", None)
    if "flash" in attention and expansion and not expansion.get("attend"):
        message = (
            "query expansion without attention does not go with FlashAttention, which leaves the mask tokens out: load "
            'with model_kwargs={"attn_implementation": "sdpa"} or query_expansion=False.'
        )
        return [Finding("error", "expansion", message)]
    return []


def _flat_scores(rows: Dataset) -> list[Finding]:
    """Rows whose scores are equal have no gradient; not-a-number, or a document too few, spoils the batch."""
    flat = broken = 0
    numbers = {sum(text is not None for text in row["documents"]) for row in rows if "documents" in row}
    if len(numbers) > 1:
        message = (
            f"the rows have {min(numbers)} to {max(numbers)} documents; a loss with scores needs as many in every row. "
            "Leave out those with fewer."
        )
        return [Finding("error", "columns", message)]
    for row in rows:
        scores = next(torch.tensor(row[name]).float().flatten() for name in LABELS if name in row)
        broken += not bool(torch.isfinite(scores).all())
        flat += len(scores) > 1 and float(scores.max() - scores.min()) < 1e-6
    found = []
    if broken:
        found.append(Finding("error", "scores", f"{broken} of {len(rows)} rows have scores that are not finite."))
    if flat:
        level: Literal["error", "warning"] = "error" if flat == len(rows) else "warning"
        message = f"in {flat} of {len(rows)} rows all teacher scores are equal, which teaches nothing."
        found.append(Finding(level, "scores", message))
    return found


def _doubtful_negatives(rows: Dataset) -> list[Finding]:
    """A positive among its own negatives pulls both ways; an empty text is no document."""
    own = empty = 0
    for row in rows:
        columns = unfolded(row)
        query, positive, *negatives = [columns[name] for name in text_columns(columns)]
        own += any(text is not None and normalized(text) == normalized(positive or "") for text in negatives)
        empty += not (query or "").strip() or not (positive or "").strip()
    found = []
    if own:
        level: Literal["error", "warning"] = "error" if own > FEW * len(rows) else "warning"
        message = f"in {own} of {len(rows)} rows the positive is among the negatives; take it out of them."
        found.append(Finding(level, "negatives", message))
    if empty:
        found.append(Finding("error", "texts", f"{empty} of {len(rows)} rows have an empty query or positive."))
    return found
