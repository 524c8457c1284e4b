"""How documents get into a commit, and which model an index wants."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.documents import (
    check_document,
    stage_documents,
    stage_documents_compaction,
    stage_documents_merge,
)
from colbert_kit.errors import InvalidInput
from colbert_kit.folders import Commit, exists
from colbert_kit.indexes import (
    IndexSection,
    Rows,
    check_ids,
    compress_if_due,
    stage_compaction,
    stage_documents_embeddings,
    stage_removal,
    too_many_removed,
)
from colbert_kit.progress import OnProgress, Progress
from colbert_kit.scores import PackedEmbeddings
from colbert_kit.searcher.encoding import pool_factor_of

__all__ = ["DOCUMENTS_PER_FILE", "compact", "creating", "stage_corpus", "stage_index", "stage_update"]

DOCUMENTS_PER_FILE = 16_384
"""Documents whose texts are in memory at a time while a corpus is read: about 25 MB of abstracts."""


def stage_index(
    commit: Commit,
    model: MultiVectorEncoder,
    documents: Iterable[Mapping[str, Any]],
    section: IndexSection,
    settings: dict[str, Any],
    on_progress: OnProgress | None,
    total: int | None,
) -> None:
    """Write a whole index into a commit that begins with no files.

    Args:
        commit: The commit.
        model: The model that the index is for.
        documents: The documents.
        section: What kind of index it is.
        settings: What the manifest is to say of the model (``model_section``).
        on_progress: As ``stage_corpus``.
        total: As ``stage_corpus``.

    Raises:
        InvalidInput: As ``stage_corpus``.
    """
    commit.sections["model"] = settings
    section.stage(commit)
    commit.sections["documents"] = {"files": []}
    stage_corpus(commit, models.inference_model(model, settings["dtype"]), documents, set(), on_progress, total)


def stage_corpus(
    commit: Commit,
    encoder: MultiVectorEncoder,
    documents: Iterable[Mapping[str, Any]],
    taken: set[str],
    on_progress: OnProgress | None,
    total: int | None,
) -> None:
    """Encode documents and write them into a commit, a segment at a time.

    Args:
        commit: The commit.
        encoder: The model to compute with.
        documents: The documents.
        taken: Ids that are in the index already; new ones are added to it.
        on_progress: Called after each 512 documents.
        total: How many documents there are, if the caller knows.

    Raises:
        InvalidInput: A document is not well formed, or an id comes twice.
    """
    ids: list[str] = []
    stage_documents_embeddings(
        commit, ids, _encoded(commit, encoder, documents, taken, ids, on_progress, total), on_progress=on_progress
    )
    stage_documents_merge(commit)
    if too_many_removed(commit):
        compact(commit)


def stage_update(
    commit: Commit,
    encoder: MultiVectorEncoder,
    documents: list[Mapping[str, Any]],
    rows: Rows,
    on_progress: OnProgress | None,
) -> None:
    """Write documents into a commit in place of those that have their ids.

    Args:
        commit: The commit.
        encoder: The model to compute with.
        documents: The documents.
        rows: The index's rows before.
        on_progress: As ``stage_corpus``.

    Raises:
        InvalidInput: As ``stage_corpus``.
    """
    given = {str(document.get("id")) for document in documents if isinstance(document, Mapping)}
    if replaced := [one for one in rows.by_id if one in given]:
        stage_removal(commit, rows.find(replaced))
    stage_corpus(commit, encoder, documents, set(rows.by_id) - given, on_progress, len(documents))


def compact(commit: Commit, *, compress: bool = False, on_progress: OnProgress | None = None) -> None:
    """Rewrite index and documents without removed rows, each as one; compress what is not yet if asked to."""
    stage_documents_compaction(commit, stage_compaction(commit))
    if compress:
        compress_if_due(commit, at_least=0, on_progress=on_progress)


def _encoded(
    commit: Commit,
    encoder: MultiVectorEncoder,
    documents: Iterable[Mapping[str, Any]],
    taken: set[str],
    ids: list[str],
    on_progress: OnProgress | None,
    total: int | None,
) -> Iterator[PackedEmbeddings]:
    """Token embeddings of the documents, whose ids and files are written as they come."""
    done = 0
    documents = iter(documents)
    pool_factor = pool_factor_of(commit.sections["model"], commit.folder)
    while piece := list(itertools.islice(documents, DOCUMENTS_PER_FILE)):
        for position, document in enumerate(piece, start=done):
            check_document(document, position)
        new = check_ids([document["id"] for document in piece], taken)
        taken.update(new)
        ids.extend(new)
        texts = (document["text"] for document in piece)
        for batch in models.encode_documents(encoder, texts, dtype="float32", pool_factor=pool_factor):
            yield batch
            done += len(batch)
            if on_progress is not None:
                on_progress(Progress("encoding", done, total))
        stage_documents(commit, piece)
    if on_progress is not None and total is None:
        on_progress(Progress("encoding", done, done))


@contextlib.contextmanager
def creating(folder: Path, *, override: bool) -> Iterator[Commit]:
    """A commit that begins with no files, where there is no index or it may be replaced."""
    if exists(folder) and not override:
        raise InvalidInput(f"{folder} holds an index already. Open it, or replace it with override=True (--override).")
    with Commit(folder, replace=True) as commit:
        # Another process may have built one since the look above; now the lock is ours.
        if commit.base is not None and not override:
            raise InvalidInput(f"{folder} was built by another process meanwhile; open it.")
        yield commit
