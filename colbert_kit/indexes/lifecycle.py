"""The life of an index in a folder: made, changed, asked, tidied; every change is one atomic commit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import GRACE_SECONDS, Commit, Snapshot, exists, open_newest, vacuum
from colbert_kit.indexes.ids import check_ids
from colbert_kit.indexes.probing import SearchConfig
from colbert_kit.indexes.reader import IndexReader
from colbert_kit.indexes.section import IndexSection
from colbert_kit.indexes.staging import (
    compress_if_due,
    stage_compaction,
    stage_documents_embeddings,
    stage_removal,
    too_many_removed,
)
from colbert_kit.progress import OnProgress
from colbert_kit.scores import PackedEmbeddings
from colbert_kit.scores.packed import FloatArray

__all__ = ["FolderIndex", "TokenEmbeddings"]

TokenEmbeddings = Sequence[Tensor | FloatArray] | PackedEmbeddings


class FolderIndex:
    """What ``PLAID`` and ``Exact`` share.

    Args:
        folder: The index's folder.
        section: What a new index is to be.
        override: Begin anew; what is there is replaced at once, or kept if anything fails.

    Raises:
        InvalidFolder: The folder holds something else, or is damaged.
    """

    def __init__(self, folder: Path, section: IndexSection, *, override: bool) -> None:
        self.folder = folder
        if override or not exists(folder):
            with Commit(folder, replace=override) as commit:
                # Another process may have made one since the look above; its documents are not ours to drop.
                if override or commit.base is None:
                    section.stage(commit)
        self._open()
        if (found := self._reader.section.engine) != section.engine:
            raise InvalidFolder(
                f"{folder} holds an index of the kind {found!r}, not {section.engine!r}. Open it as what it is, or "
                "replace it with override=True."
            )

    def __len__(self) -> int:
        """Documents that can be found."""
        return len(self._reader)

    def __call__(
        self,
        queries_embeddings: TokenEmbeddings | Tensor | FloatArray,
        k: int = 10,
        subset: Iterable[str] | None = None,
        *,
        config: SearchConfig | None = None,
    ) -> list[list[dict[str, str | float]]]:
        """Rank documents for each query.

        Args:
            queries_embeddings: For each query ``(query_tokens, dim)``; one query alone may come without the list.
            k: Hits a query at most.
            subset: Ids that may be found; an empty one finds nothing. All where None.
            config: How much work to do; an index that is not compressed scores all and takes no notice.

        Returns:
            One list a query, in input order: ``{"id", "score"}``, best first, ties by id.

        Raises:
            InvalidInput: ``k`` is below 1, or the queries are of another ``dim``.
        """
        reader = self._reader
        mask = None if subset is None else reader.rows.mask_of(subset)
        rankings = reader.search(_packed(queries_embeddings), k, mask, config)
        ids = reader.rows.ids
        return [[{"id": ids[row], "score": score} for row, score in ranking] for ranking in rankings]

    def add_documents(
        self,
        documents_ids: Sequence[str],
        documents_embeddings: TokenEmbeddings,
        *,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Add documents in one atomic commit.

        Args:
            documents_ids: New, unique strings, ``(num_documents,)``.
            documents_embeddings: For each document ``(document_tokens, dim)``: what ``encode_document`` returns.
            on_progress: Told of the stages of compression.

        Raises:
            InvalidInput: An id is no string or is there already, or the embeddings do not fit.
            FolderBusy: Another process is writing.
        """
        self._put(documents_ids, documents_embeddings, on_progress, replacing=False)

    def update_documents(
        self,
        documents_ids: Sequence[str],
        documents_embeddings: TokenEmbeddings,
        *,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Replace the embeddings of documents, adding those that are new, in one atomic commit.

        Raises:
            InvalidInput: As ``add_documents``.
            FolderBusy: Another process is writing.
        """
        self._put(documents_ids, documents_embeddings, on_progress, replacing=True)

    def remove_documents(self, documents_ids: Sequence[str]) -> None:
        """Remove documents in one atomic commit.

        Raises:
            InvalidInput: An id is not in the index; nothing is removed.
            FolderBusy: Another process is writing.
        """
        with self._changing() as commit:
            stage_removal(commit, self._reader.rows.find(documents_ids))
            if too_many_removed(commit):
                stage_compaction(commit)

    def compact(self, *, on_progress: OnProgress | None = None) -> None:
        """Rewrite the index as one segment without removed rows; a PLAID index is compressed if it is not yet.

        Raises:
            FolderBusy: Another process is writing.
        """
        with self._changing() as commit:
            stage_compaction(commit)
            compress_if_due(commit, at_least=0, on_progress=on_progress)

    def vacuum(self, *, grace_seconds: float = GRACE_SECONDS) -> int:
        """Delete files that no generation of the last ``grace_seconds`` needs; returns the bytes freed.

        Raises:
            FolderBusy: Another process is writing.
        """
        return vacuum(self.folder, grace_seconds=grace_seconds)

    def get_embeddings(self, documents_ids: Sequence[str]) -> list[FloatArray]:
        """Token embeddings of documents as they are stored: decoded where they are compressed.

        Raises:
            InvalidInput: An id is not in the index.
        """
        reader = self._reader
        return [reader.embeddings_of(row) for row in reader.rows.find(documents_ids).tolist()]

    def _put(
        self, ids: Sequence[str], embeddings: TokenEmbeddings, on_progress: OnProgress | None, *, replacing: bool
    ) -> None:
        packed = _packed(embeddings)
        if not len(ids) and not len(packed):
            return
        with self._changing() as commit:
            known = self._reader.rows.by_id
            checked = check_ids(ids, taken=() if replacing else known)
            if replaced := [one for one in checked if one in known]:
                stage_removal(commit, self._reader.rows.find(replaced))
            stage_documents_embeddings(commit, checked, [packed], on_progress=on_progress)
            if too_many_removed(commit):
                stage_compaction(commit)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Commit]:
        """A commit on the newest generation, which this index takes up before and after."""
        with Commit(self.folder) as commit:
            self._open()
            yield commit
        self._open()

    def _open(self) -> None:
        self._reader = open_newest(self.folder, self._read)

    def _read(self, snapshot: Snapshot) -> IndexReader:
        return IndexReader(snapshot)


def _packed(embeddings: TokenEmbeddings | Tensor | FloatArray) -> PackedEmbeddings:
    if isinstance(embeddings, PackedEmbeddings):
        return embeddings
    if isinstance(embeddings, Tensor | np.ndarray) and embeddings.ndim == 2:
        embeddings = [embeddings]
    if isinstance(embeddings, str | dict):
        raise InvalidInput(f"token embeddings must be a list of arrays, got {type(embeddings).__name__}.")
    return PackedEmbeddings.pack(list(embeddings))
