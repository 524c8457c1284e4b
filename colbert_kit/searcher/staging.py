"""How documents get into a commit, and which model an index wants."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
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
from colbert_kit.errors import InvalidFolder
from colbert_kit.folders import Commit
from colbert_kit.indexes import (
    IndexSection,
    check_ids,
    compress_if_due,
    stage_compaction,
    stage_documents_embeddings,
    too_many_removed,
)
from colbert_kit.models.inference import DType, dtype_of
from colbert_kit.progress import OnProgress, Progress
from colbert_kit.scores import PackedEmbeddings

__all__ = ["DOCUMENTS_PER_FILE", "compact", "matching_model", "model_section", "stage_corpus", "stage_index"]

DOCUMENTS_PER_FILE = 16_384
"""Documents whose texts are in memory at a time while a corpus is read: about 25 MB of abstracts."""


def stage_index(
    commit: Commit,
    model: MultiVectorEncoder,
    documents: Iterable[Mapping[str, Any]],
    section: IndexSection,
    dtype: DType,
    on_progress: OnProgress | None,
    total: int | None,
) -> None:
    """Write a whole index into a commit that begins with no files.

    Args:
        commit: The commit.
        model: The model that the index is for.
        documents: The documents.
        section: What kind of index it is.
        dtype: What to encode in.
        on_progress: As ``stage_corpus``.
        total: As ``stage_corpus``.

    Raises:
        InvalidInput: As ``stage_corpus``.
    """
    commit.sections["model"] = model_section(model, dtype)
    section.stage(commit)
    commit.sections["documents"] = {"files": []}
    stage_corpus(commit, models.inference_model(model, dtype), documents, set(), on_progress, total)


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
    while piece := list(itertools.islice(documents, DOCUMENTS_PER_FILE)):
        for position, document in enumerate(piece, start=done):
            check_document(document, position)
        new = check_ids([document["id"] for document in piece], taken)
        taken.update(new)
        ids.extend(new)
        for batch in models.encode_documents(encoder, (document["text"] for document in piece), dtype="float32"):
            yield batch
            done += len(batch)
            if on_progress is not None:
                on_progress(Progress("encoding", done, total))
        stage_documents(commit, piece)
    if on_progress is not None and total is None:
        on_progress(Progress("encoding", done, done))


def model_section(model: MultiVectorEncoder, dtype: DType) -> dict[str, Any]:
    """What the manifest says of the model: name, revision, fingerprint, dtype, and how it treats texts."""
    encoder = model[0]
    return {
        **asdict(models.record_of(model)),
        "dtype": dtype_of(model, dtype),
        "query": {
            "prompt": models.compose_prompt(model, "", "query"),
            "length": encoder.query_length,
            "expansion": encoder.query_expansion,
        },
        "document": {
            "prompt": models.compose_prompt(model, "", "document"),
            "length": encoder.document_length,
        },
    }


def matching_model(
    section: Mapping[str, Any], model: MultiVectorEncoder | None, device: str | None, folder: Path
) -> MultiVectorEncoder:
    """The model that an index was built with: the given one if it is the same, else loaded by its record.

    Raises:
        InvalidFolder: The model computes something else than the one that built the index.
        RepoNotFound: The recorded model is neither here nor on the Hub.
        HubUnreachable: It is on the Hub, which cannot be reached.
    """
    name, revision, expected = section.get("id"), section.get("revision"), section.get("fingerprint")
    if not isinstance(name, str) or not isinstance(expected, str):
        raise InvalidFolder(f"{folder}: the manifest's model section is damaged. Build or download the index again.")
    if model is None:
        if name == models.DEMO_MODEL_ID:
            model = models.load_demo(device)
        else:
            model = models.ColBERT(name, revision=revision, device=device, embedding_size=None)
    if (found := models.fingerprint(model)) != expected:
        raise InvalidFolder(
            f"{folder} was built with the model {name!r} of fingerprint {expected[:12]}, got one of {found[:12]}. "
            "Open it with that model, or rebuild it with this one."
        )
    return model
