"""Where each scored token stands in its text."""

from __future__ import annotations

import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit.models.prompts import Role, prompt_of
from colbert_kit.models.tokenizing import tokenizing
from colbert_kit.scores import TokenSpan

__all__ = ["document_spans", "query_spans"]


def query_spans(model: MultiVectorEncoder, text: str) -> list[TokenSpan]:
    """One span a query token embedding, in their order; markers and expansion tokens have empty spans.

    Args:
        model: The model.
        text: The query.

    Returns:
        ``(query_tokens,)`` spans.
    """
    return _spans(model, text, "query")


def document_spans(model: MultiVectorEncoder, text: str) -> list[TokenSpan]:
    """One span a document token embedding, in their order; tokens of the skiplist have none.

    Args:
        model: The model.
        text: The document.

    Returns:
        ``(document_tokens,)`` spans.
    """
    return _spans(model, text, "document")


@torch.inference_mode()
def _spans(model: MultiVectorEncoder, text: str, role: Role) -> list[TokenSpan]:
    prompt = prompt_of(model, role)
    with tokenizing(model):
        features = model.preprocess([text], prompt=prompt, task=role)
    ids = features["input_ids"][0].tolist()
    for module in list(model)[1:]:
        # The mask module alone decides which tokens are scored; it needs no embeddings to do so.
        if type(module).__name__ == "MultiVectorMask":
            features = module(features, task=role)
    scored = features["attention_mask"][0].bool().tolist()
    with tokenizing(model):
        encoding = model.tokenizer(prompt + text, return_offsets_mapping=True, truncation=True, max_length=len(ids))
    bounds = _align(ids, encoding["input_ids"], encoding["offset_mapping"])
    tokens = model.tokenizer.convert_ids_to_tokens(ids)
    return [
        _span(token, *bound, shift=len(prompt), text=text)
        for token, bound, is_scored in zip(tokens, bounds, scored, strict=True)
        if is_scored
    ]


def _align(ids: list[int], plain_ids: list[int], offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Offsets for ``ids``, which may carry expansion or padding tokens that ``plain_ids`` lacks."""
    for start in range(len(ids) - len(plain_ids) + 1):
        if ids[start : start + len(plain_ids)] == plain_ids:
            tail = len(ids) - start - len(plain_ids)
            return [(0, 0)] * start + list(offsets) + [(0, 0)] * tail
    return [(0, 0)] * len(ids)


def _span(token: str, start: int, stop: int, *, shift: int, text: str) -> TokenSpan:
    piece = text[max(start - shift, 0) : max(stop - shift, 0)]
    # Byte-level and Unigram tokens begin with the space before their word, which is not to be highlighted.
    start = max(start - shift, 0) + len(piece) - len(piece.lstrip())
    stop = start + len(piece.strip())
    return TokenSpan(token, start, stop) if stop > start else TokenSpan(token, 0, 0)
