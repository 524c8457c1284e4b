"""An index made from another one, of which nothing is encoded anew."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from colbert_kit import models
from colbert_kit.documents import stage_documents_compaction, stage_documents_copy
from colbert_kit.errors import InvalidInput
from colbert_kit.folders import Commit
from colbert_kit.indexes import (
    IndexSection,
    SearchConfig,
    stage_documents_embeddings,
    stage_index_copy,
    stage_search,
)
from colbert_kit.progress import OnProgress, Progress
from colbert_kit.scores import PackedEmbeddings
from colbert_kit.searcher.encoding import check_pool_factor
from colbert_kit.searcher.hits import Generation

__all__ = ["stage_adoption", "stage_compressed_copy"]


def stage_compressed_copy(
    commit: Commit, source: Generation, nbits: int, pool_factor: int, on_progress: OnProgress | None
) -> None:
    """Write the documents of a float16 index, compressed, into a commit that begins with no files.

    Args:
        commit: The commit.
        source: What to copy, removed rows left out.
        nbits: Bits of a residual a dimension.
        pool_factor: Keep about one token embedding for so many similar ones.
        on_progress: Told of documents pooled and of k-means' iterations.

    Raises:
        InvalidInput: The source is compressed or pooled otherwise, or ``nbits`` or ``pool_factor`` cannot be.
    """
    check_pool_factor(pool_factor)
    section = IndexSection.plaid(nbits=nbits, exact_below=0)
    if source.index.codec is not None:
        raise InvalidInput(
            "the index is compressed already, and coding what was decoded would lose more: take one that keeps its "
            "token embeddings (evaluation.encoded_corpus)."
        )
    if source.pool_factor not in (1, pool_factor):
        raise InvalidInput(
            f"the token embeddings are pooled by {source.pool_factor} already, and pooling twice is not pooling by "
            f"more: pool_factor must be {source.pool_factor}, got {pool_factor}."
        )
    document = {**source.model["document"], "pool_factor": pool_factor}
    commit.sections["model"] = {**source.model, "document": document}
    section.stage(commit)
    stage_documents_copy(commit, source.documents.paths, source.index.rows.alive)
    ids = list(source.index.rows.by_id)
    batches = source.index.stored()
    if pool_factor != source.pool_factor:
        batches = _pooled(batches, pool_factor, len(ids), on_progress)
    stage_documents_embeddings(commit, ids, batches, on_progress=on_progress)


def _pooled(
    batches: Iterator[PackedEmbeddings], pool_factor: int, total: int, on_progress: OnProgress | None
) -> Iterator[PackedEmbeddings]:
    done = 0
    for batch in batches:
        yield models.pool_tokens(batch, pool_factor)
        done += len(batch)
        if on_progress is not None:
            on_progress(Progress("pooling", done, total))


def stage_adoption(commit: Commit, mine: Generation, other: Generation, config: SearchConfig | None) -> None:
    """Put another folder's index of the same documents in place of a commit's own; texts and metadata stay.

    Args:
        commit: The commit.
        mine: The generation that the commit begins with.
        other: What to take the index of.
        config: Search settings to keep with it, or None.

    Raises:
        InvalidInput: The other index is of another model or of other documents, or not compressed.
    """
    if other.model["fingerprint"] != mine.model["fingerprint"]:
        raise InvalidInput("the index to take over was built with another model.")
    if not all(one == another for one, another in itertools.zip_longest(_texts(mine), _texts(other))):
        raise InvalidInput("the index to take over is not of the same documents in the same order; build it anew.")
    stage_documents_compaction(commit, mine.index.rows.alive)
    stage_index_copy(commit, other.index)
    commit.sections["model"] = {**mine.model, "dtype": other.model["dtype"], "document": other.model["document"]}
    stage_search(commit, config)


def _texts(generation: Generation) -> Iterator[tuple[str, str]]:
    for row in np.flatnonzero(generation.index.rows.alive).tolist():
        document = generation.documents.get(row)
        yield document["id"], document["text"]
