"""Long documents as overlapping passages, so that no part is cut off by the model's document length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from colbert_kit.errors import InvalidConfig, InvalidInput

__all__ = ["split_passages"]


def split_passages(
    documents: Iterable[Mapping[str, Any]], *, passage_words: int = 120, overlap_words: int = 30
) -> Iterator[dict[str, Any]]:
    """Cut each document into passages of words that overlap.

    ``searcher.search(..., group_by="document_id")`` then ranks documents by their best passage.

    Args:
        documents: ``{"id", "text", ...metadata}``.
        passage_words: Words of a passage; 120 English words are about 180 tokens, ColBERT's document length.
        overlap_words: Words that a passage repeats of the one before.

    Yields:
        ``{"id": "doc#0", "text", "document_id": "doc", "passage": 0, ...metadata}``; a short document is one passage.

    Raises:
        InvalidConfig: The overlap is not smaller than the passage.
        InvalidInput: A document has no id or no text.

    Example:
        >>> [p["text"] for p in split_passages([{"id": "a", "text": "1 2 3 4 5"}], passage_words=3, overlap_words=1)]
        ['1 2 3', '3 4 5']
    """
    if not 0 <= overlap_words < passage_words:
        raise InvalidConfig(
            f"overlap_words must be 0 or more and below passage_words, got {overlap_words} and {passage_words}."
        )
    for position, document in enumerate(documents):
        if "id" not in document or not isinstance(document.get("text"), str):
            raise InvalidInput(f"document {position} needs 'id' and 'text'; it has {', '.join(map(repr, document))}.")
        words = list(re.finditer(r"\S+", document["text"]))
        step = passage_words - overlap_words
        starts = range(0, max(1, len(words) - overlap_words), step)
        for number, start in enumerate(starts):
            inside = words[start : start + passage_words]
            text = document["text"][inside[0].start() : inside[-1].end()] if inside else document["text"]
            yield {
                **document,
                "id": f"{document['id']}#{number}",
                "text": text,
                "document_id": document["id"],
                "passage": number,
            }
