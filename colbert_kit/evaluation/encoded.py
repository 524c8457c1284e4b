"""A corpus's token embeddings, encoded once and kept for every index setting that is to be measured."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.documents import check_document
from colbert_kit.errors import InvalidInput
from colbert_kit.folders import exists
from colbert_kit.models import DType
from colbert_kit.progress import OnProgress
from colbert_kit.searcher import Searcher

__all__ = ["Corpus", "encoded_corpus", "folder_of"]

Corpus = Iterable[Mapping[str, Any]] | Callable[[], Iterable[Mapping[str, Any]]]
"""Documents ``{"id", "text"}`` that can be read twice: a list, or a function that begins anew each time."""

NEVER = sys.maxsize
"""Token embeddings from which the folder would be compressed."""


def encoded_corpus(
    model: MultiVectorEncoder,
    documents: Corpus,
    *,
    pool_factor: int = 1,
    dtype: DType = "auto",
    cache: str | Path | None = None,
    on_progress: OnProgress | None = None,
) -> Searcher:
    """Encode a corpus, or open what an earlier call has encoded.

    The folder keeps ids, texts and token embeddings as float16, uncompressed, so a search of it scores every document:
    the exact ranking to measure indexes by. ``Searcher.compress_to`` makes them from it. Its name is a hash of the
    model's fingerprint, the dtype, the pool factor, and all ids and texts in order; metadata are not kept. It is there
    whole or not at all, whenever a process is killed.

    Args:
        model: The model.
        documents: ``{"id", "text"}``, read twice as a stream, once to know them and once to encode them: a list, or a
            function that gives an iterator, such as ``lambda: data.read_corpus("corpus.jsonl")``.
        pool_factor: Keep about one token embedding for so many similar ones.
        dtype: What to encode in, also queries.
        cache: The folder of such folders; ``corpora`` in the kit's cache folder where None.
        on_progress: Told of documents encoded.

    Returns:
        A searcher of the folder.

    Raises:
        InvalidInput: A document is not well formed, an id comes twice, ``documents`` is an iterator, or the second
            reading differs from the first.
        InvalidFolder: The folder in the cache is damaged; delete it.
        FolderBusy: Another process is encoding the same corpus.

    Example:
        >>> whole = encoded_corpus(model, lambda: data.read_corpus("scifact"))  # doctest: +SKIP
        >>> small = whole.compress_to("small", nbits=2)  # doctest: +SKIP
    """
    digest, total = _digest(documents)
    folder = _folder(model, digest, pool_factor, dtype, cache)
    if exists(folder):
        return Searcher.open(folder, model, dtype=dtype)
    searcher = Searcher.build(
        folder,
        model,
        _as_before(documents, digest),
        exact_below=NEVER,
        pool_factor=pool_factor,
        dtype=dtype,
        on_progress=on_progress,
        total=total,
    )
    searcher.vacuum(grace_seconds=0)  # what killed builds left
    return searcher


def folder_of(
    model: MultiVectorEncoder,
    documents: Corpus,
    *,
    pool_factor: int = 1,
    dtype: DType = "auto",
    cache: str | Path | None = None,
) -> Path:
    """Where ``encoded_corpus`` keeps what it encodes, be it there already or not.

    Args:
        model: As ``encoded_corpus``.
        documents: As ``encoded_corpus``; read once.
        pool_factor: As ``encoded_corpus``.
        dtype: As ``encoded_corpus``.
        cache: As ``encoded_corpus``.

    Raises:
        InvalidInput: As ``encoded_corpus``.
    """
    return _folder(model, _digest(documents)[0], pool_factor, dtype, cache)


def _folder(model: MultiVectorEncoder, digest: str, pool_factor: int, dtype: DType, cache: str | Path | None) -> Path:
    settings = [models.fingerprint(model), models.dtype_of(model, dtype), pool_factor, digest]
    key = hashlib.sha256(json.dumps(settings).encode("ascii")).hexdigest()
    return Path(cache) / key if cache is not None else models.cache_folder() / "corpora" / key


def _read(documents: Corpus) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Ids and texts, and what of them is hashed."""
    for position, document in enumerate(documents() if callable(documents) else documents):
        check_document(document, position)
        kept = {"id": document["id"], "text": document["text"]}
        yield kept, json.dumps([kept["id"], kept["text"]]).encode("ascii")


def _digest(documents: Corpus) -> tuple[str, int]:
    """sha256 over ids and texts in order, and how many documents there are.

    Raises:
        InvalidInput: They cannot be read twice, or one is not well formed.
    """
    if isinstance(documents, Iterator):
        raise InvalidInput(
            f"documents are read twice, got {type(documents).__name__}, which can be read once: give a list, or a "
            "function that begins anew, such as lambda: data.read_corpus(path)."
        )
    digest, total = hashlib.sha256(), 0
    for _, content in _read(documents):
        digest.update(content)
        total += 1
    return digest.hexdigest(), total


def _as_before(documents: Corpus, expected: str) -> Iterator[dict[str, Any]]:
    """The documents once more.

    Raises:
        InvalidInput: They are not those of the first reading; raised before anything is committed.
    """
    digest = hashlib.sha256()
    for kept, content in _read(documents):
        digest.update(content)
        yield kept
    if digest.hexdigest() != expected:
        raise InvalidInput(
            "the second reading of the documents differs from the first: a function must give a fresh iterator over "
            "the same documents each time, and a file must not change meanwhile."
        )
