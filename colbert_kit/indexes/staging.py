"""How an index changes: documents in, documents out, segments merged; each into a commit that its opener commits."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidInput
from colbert_kit.folders import Commit, first_to_merge, release_pages
from colbert_kit.indexes.codec import Codec, TokenSource, train_codec
from colbert_kit.indexes.growth import grown_codec
from colbert_kit.indexes.ids import Rows
from colbert_kit.indexes.reader import IndexReader
from colbert_kit.indexes.section import IndexSection
from colbert_kit.indexes.segments import CodedWriter, FloatWriter, batches_of, read_coded, read_floats
from colbert_kit.progress import OnProgress
from colbert_kit.scores import PackedEmbeddings

__all__ = [
    "MAX_REMOVED",
    "stage_compaction",
    "stage_documents_embeddings",
    "stage_index_copy",
    "stage_merge",
    "stage_removal",
    "too_many_removed",
]

MAX_REMOVED = 0.2
"""Part of the rows that may be removed ones before a commit rewrites the index without them."""

LARGEST = float(np.finfo(np.float16).max)

GROWTH_TOKENS = 131_072
"""Added tokens held back at most to decide whether the codec must grow: 64 MB of float32 at dim 128."""


def stage_documents_embeddings(
    commit: Commit,
    ids: Iterable[str],
    batches: Iterable[PackedEmbeddings],
    *,
    on_progress: OnProgress | None = None,
) -> None:
    """Write new documents into a commit as one segment, compressed if the index is or now becomes so.

    Args:
        commit: The commit; its index section says what the index is.
        ids: Their ids in row order, read after the embeddings. That they are new is the caller's to check.
        batches: Their token embeddings in the same order; one is in memory at a time.
        on_progress: Told of the stages of compression.

    Raises:
        InvalidInput: Other than one text's embeddings an id, or of another ``dim`` than the index or one that it cannot
            have, or not finite.
    """
    section = IndexSection.of(commit)
    checked = _checked(batches, section)
    first = next(checked, None)
    if first is None:
        if names := list(ids):
            raise InvalidInput(f"every document needs its embeddings: got {len(names)} ids and no embeddings.")
        return
    section = section.stage(commit, dim=section.dim or first.dim)
    checked = itertools.chain([first], checked)
    if section.codec is None:
        _stage_floats(commit, section, ids, checked)
        compress_if_due(commit, on_progress=on_progress)
    else:
        _stage_coded(commit, section, ids, checked)
    stage_merge(commit)


def stage_removal(commit: Commit, rows: NDArray[np.int64]) -> None:
    """Mark rows as removed in a commit; their ids may be used again."""
    section = IndexSection.of(commit)
    removed = removed_rows(commit)
    removed[rows] = True
    if section.tombstones is not None:
        commit.drop(section.tombstones)
    name = f"tombstones/{commit.new_number('tombstones'):04d}.npy"
    commit.write_array(name, removed)
    section.stage(commit, tombstones=name)


def removed_rows(commit: Commit) -> NDArray[np.bool_]:
    """Which rows are removed as the commit stands, ``(num_rows,)``."""
    section = IndexSection.of(commit)
    removed = np.zeros(section.num_rows, dtype=bool)
    if section.tombstones is not None:
        before = np.load(commit.folder / section.tombstones, allow_pickle=False)
        removed[: len(before)] = before
    return removed


def too_many_removed(commit: Commit) -> bool:
    """Whether the commit crosses the line beyond which it should be compacted."""
    removed = removed_rows(commit)
    return bool(removed.sum() > MAX_REMOVED * len(removed))


def compress_if_due(commit: Commit, *, at_least: int | None = None, on_progress: OnProgress | None = None) -> None:
    """Train a codec and compress all of a PLAID index that is still float16 and has become large enough.

    Args:
        commit: The commit.
        at_least: Tokens from which it is large enough; the index's own ``exact_below`` where None.
        on_progress: Told of k-means' iterations.
    """
    section = IndexSection.of(commit)
    view = commit.staged()
    if section.engine != "plaid" or section.codec is not None or section.dim is None:
        return
    segments = [read_floats(view, folder, section.dim) for folder in section.segments]
    source = TokenSource([segment.embeddings for segment in segments])
    if len(source) < max(1, section.exact_below if at_least is None else at_least):
        return
    codec = train_codec(source, nbits=section.nbits, on_progress=on_progress)
    ids = Rows(view, section.segments, None).ids
    with CodedWriter(commit, codec) as writer:
        for segment in segments:
            for batch in batches_of(segment):
                writer.append(batch)
                release_pages(segment.embeddings)
        writer.finish(ids)
    for folder in section.segments:
        commit.drop_folder(folder)
    section.stage(commit, codec=codec.stage(commit), segments=(writer.folder,))


def stage_merge(commit: Commit) -> None:
    """Make the newest segments one where there are too many (``folders.first_to_merge``); rows keep their numbers."""
    section = IndexSection.of(commit)
    sizes = [commit.shape(f"{folder}/document_offsets.npy")[0] - 1 for folder in section.segments]
    if (first := first_to_merge(sizes)) is not None:
        _rewrite(commit, section, section.segments[:first], section.segments[first:], None)


def stage_compaction(commit: Commit) -> NDArray[np.bool_]:
    """Rewrite the index as one segment without removed rows.

    Returns:
        Which of the rows before are kept, ``(num_rows,)``: what stands beside them must be rewritten alike.
    """
    section = IndexSection.of(commit)
    keep = ~removed_rows(commit)
    if section.tombstones is not None:
        commit.drop(section.tombstones)
    if len(section.segments) > 1 or not keep.all():
        _rewrite(commit, section, (), section.segments, keep)
    section = IndexSection.of(commit)
    section.stage(commit, tombstones=None, num_rows=int(keep.sum()))
    return keep


def stage_index_copy(commit: Commit, source: IndexReader) -> None:
    """Put another folder's compressed index in place of a commit's own, its removed rows left out.

    Args:
        commit: The commit.
        source: The other index.
    """
    section = IndexSection.of(commit)
    codec = source.codec
    if codec is None:
        raise InvalidInput("the index to take over is not compressed; call compact() on it first.")
    with CodedWriter(commit, codec) as writer:
        first = 0
        for segment in source.coded:
            alive = source.rows.alive[first : first + len(segment)]
            writer.append_coded(segment, np.flatnonzero(alive))
            first += len(segment)
        writer.finish(list(source.rows.by_id))
    for folder in section.segments:
        commit.drop_folder(folder)
    for name in (section.codec, section.tombstones):
        if name is not None:
            commit.drop(name)
    section.stage(
        commit,
        dim=source.dim,
        nbits=source.section.nbits,
        codec=codec.stage(commit),
        segments=(writer.folder,),
        num_rows=len(source),
        tombstones=None,
    )


def _rewrite(
    commit: Commit, section: IndexSection, before: Sequence[str], merged: Sequence[str], keep: NDArray[np.bool_] | None
) -> None:
    view = commit.staged()
    ids = Rows(view, merged, None).ids
    keep = np.ones(len(ids), dtype=bool) if keep is None else keep
    writer: Any
    if section.codec is None:
        writer = FloatWriter(commit, section.dim or 0)
    else:
        codec = Codec.read(view, section.codec, dim=section.dim or 0, nbits=section.nbits)
        writer = CodedWriter(commit, codec)
    with writer:
        first = 0
        for folder in merged:
            if section.codec is None:
                floats = read_floats(view, folder, section.dim or 0)
                rows = np.flatnonzero(keep[first : first + len(floats)])
                for batch in batches_of(floats, rows):
                    writer.append(batch)
                first += len(floats)
            else:
                coded = read_coded(view, folder, codec)
                writer.append_coded(coded, np.flatnonzero(keep[first : first + len(coded)]))
                first += len(coded)
        writer.finish([one for one, kept in zip(ids, keep.tolist(), strict=True) if kept])
    for folder in merged:
        commit.drop_folder(folder)
    section.stage(commit, segments=(*before, writer.folder))


def _stage_floats(
    commit: Commit, section: IndexSection, ids: Iterable[str], batches: Iterable[PackedEmbeddings]
) -> None:
    with FloatWriter(commit, section.dim or 0) as writer:
        for batch in batches:
            writer.append(batch)
        names = list(ids)
        writer.finish(names)
    section.stage(commit, segments=(*section.segments, writer.folder), num_rows=section.num_rows + len(names))


def _stage_coded(
    commit: Commit, section: IndexSection, ids: Iterable[str], batches: Iterable[PackedEmbeddings]
) -> None:
    codec = Codec.read(commit.staged(), section.codec or "", dim=section.dim or 0, nbits=section.nbits)
    batches = iter(batches)
    held: list[PackedEmbeddings] = []
    while sum(len(one.embeddings) for one in held) < GROWTH_TOKENS and (batch := next(batches, None)) is not None:
        held.append(batch)
    grown = grown_codec(codec, [one.embeddings for one in held])
    if grown is not None:
        commit.drop(section.codec or "")
        codec, section = grown, section.stage(commit, codec=grown.stage(commit))
    with CodedWriter(commit, codec) as writer:
        for batch in itertools.chain(held, batches):
            writer.append(batch)
        names = list(ids)
        writer.finish(names)
    section.stage(commit, segments=(*section.segments, writer.folder), num_rows=section.num_rows + len(names))


def _checked(batches: Iterable[PackedEmbeddings], section: IndexSection) -> Any:  # noqa: ANN401 - an iterator
    dim = section.dim
    for batch in batches:
        if dim is None:
            _check_dim(batch.dim, section)
            dim = batch.dim
        if batch.dim != dim:
            raise InvalidInput(f"the index holds token embeddings of dim {dim}, got {batch.dim}. Another model?")
        found = batch.embeddings
        # Not a number is not below anything either. What is float16 already holds nothing above.
        if not (np.isfinite(found) if found.dtype == np.float16 else np.abs(found) <= LARGEST).all():
            raise InvalidInput(
                "token embeddings must be finite numbers that float16 can hold, got NaN, infinity or one above "
                f"{LARGEST:,.0f}. Look at the model."
            )
        yield batch


def _check_dim(dim: int, section: IndexSection) -> None:
    """Refuse at the first document what could not be compressed when the index has grown."""
    if dim < 1:
        raise InvalidInput("token embeddings must have a dim of 1 or more, got 0.")
    if section.engine == "plaid" and dim % 8:
        raise InvalidInput(
            f"a PLAID index holds token embeddings with a dim that is a multiple of 8, got {dim}. Take a model with "
            "such a dim (embedding_size=128 for instance), or indexes.Exact."
        )
