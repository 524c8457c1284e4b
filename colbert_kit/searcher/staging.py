"""How documents get into a commit, and which model an index wants."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.documents import check_document, stage_documents
from colbert_kit.errors import InvalidFolder
from colbert_kit.folders import Commit
from colbert_kit.indexes import EMPTY_SECTION, check_ids, stage_segment
from colbert_kit.models.inference import DType, dtype_of
from colbert_kit.progress import OnProgress, Progress
from colbert_kit.scores import PackedEmbeddings

__all__ = ["DOCUMENTS_PER_SEGMENT", "matching_model", "model_section", "stage_corpus", "stage_index"]

DOCUMENTS_PER_SEGMENT = 16_384
"""Documents whose texts are in memory at a time while a corpus is read: about 25 MB of abstracts."""


def stage_index(
    commit: Commit,
    model: MultiVectorEncoder,
    documents: Iterable[Mapping[str, Any]],
    dtype: DType,
    on_progress: OnProgress | None,
    total: int | None,
) -> None:
    """Write a whole index into a commit that begins with no files.

    Args:
        commit: The commit.
        model: The model that the index is for.
        documents: The documents.
        dtype: What to encode in.
        on_progress: As ``stage_corpus``.
        total: As ``stage_corpus``.

    Raises:
        InvalidInput: As ``stage_corpus``.
    """
    commit.sections["model"] = model_section(model, dtype)
    commit.sections["index"] = dict(EMPTY_SECTION)
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
    done = 0
    documents = iter(documents)
    while segment := list(itertools.islice(documents, DOCUMENTS_PER_SEGMENT)):
        for position, document in enumerate(segment, start=done):
            check_document(document, position)
        ids = check_ids([document["id"] for document in segment], taken)
        taken.update(ids)
        batches = models.encode_documents(encoder, (document["text"] for document in segment), dtype="float32")
        number = stage_segment(commit, ids, _counted(batches, done, total, on_progress))
        stage_documents(commit, number, segment)
        done += len(segment)
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


def _counted(
    batches: Iterator[PackedEmbeddings], done: int, total: int | None, on_progress: OnProgress | None
) -> Iterator[PackedEmbeddings]:
    for batch in batches:
        done += len(batch)
        yield batch
        if on_progress is not None:
            on_progress(Progress("encoding", done, total))
