"""Prompts by role: the marker comes first, an instruction after it."""

from __future__ import annotations

from typing import Literal

from sentence_transformers import MultiVectorEncoder

__all__ = ["compose_prompt", "prompt_of"]

Role = Literal["query", "document"]

DOCUMENT_PROMPTS = ("document", "passage", "corpus")
"""The names under which sentence-transformers looks for a document prompt, in its order."""


def prompt_of(model: MultiVectorEncoder, role: Role) -> str:
    """The prompt that ``encode_query`` or ``encode_document`` puts before a text."""
    names = ("query",) if role == "query" else DOCUMENT_PROMPTS
    return next((prompt for name in names if (prompt := model.prompts.get(name))), "")


def compose_prompt(model: MultiVectorEncoder, instruction: str, role: Role = "query") -> str:
    """Put an instruction after the model's marker, for ``encode_query(..., prompt=...)``.

    Given alone, ``prompt=`` replaces the marker, and the model sees texts unlike any it was trained on.

    Args:
        model: The model.
        instruction: ``"Represent this question: "`` for instance, with its trailing space.
        role: Whose marker.

    Returns:
        Marker and instruction.

    Example:
        >>> model.encode_query("who?", prompt=compose_prompt(model, "Answer: "))  # doctest: +SKIP
    """
    return prompt_of(model, role) + instruction
