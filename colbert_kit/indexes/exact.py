"""``Exact``: an index that scores every document. The truth to measure others by, and enough for small corpora."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from colbert_kit.errors import InvalidInput
from colbert_kit.folders import Commit, Snapshot, exists
from colbert_kit.indexes.ids import check_ids
from colbert_kit.indexes.segments import EMPTY_SECTION, SegmentReader, stage_removal, stage_segment
from colbert_kit.scores import PackedEmbeddings
from colbert_kit.scores.packed import FloatArray

__all__ = ["Exact"]

TokenEmbeddings = Sequence[Tensor | FloatArray] | PackedEmbeddings


class Exact:
    """An index of token embeddings in a folder, searched by scoring every document.

    Args:
        index_folder: The folder that holds indexes.
        index_name: This index's folder in it.
        override: Begin anew; what is there is replaced at once, or kept if anything fails.

    Raises:
        InvalidFolder: The folder holds something else, or is damaged.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> index = Exact(index_folder=folder, index_name="tiny")
        >>> eye = np.eye(2, dtype=np.float32)
        >>> index.add_documents(documents_ids=["a", "b"], documents_embeddings=[eye[:1], eye])
        >>> index([eye], k=1)
        [[{'id': 'b', 'score': 2.0}]]
    """

    def __init__(
        self, index_folder: str | Path = "indexes", index_name: str = "colbert", *, override: bool = False
    ) -> None:
        self.folder = Path(index_folder) / index_name
        if override or not exists(self.folder):
            with Commit(self.folder, replace=True) as commit:
                commit.sections["index"] = dict(EMPTY_SECTION)
        self._open()

    def __len__(self) -> int:
        return len(self._reader)

    def add_documents(self, documents_ids: Sequence[str], documents_embeddings: TokenEmbeddings) -> None:
        """Add documents in one atomic commit.

        Args:
            documents_ids: New, unique strings, ``(num_documents,)``.
            documents_embeddings: For each document ``(document_tokens, dim)``: what ``encode_document`` returns.

        Raises:
            InvalidInput: An id is no string or is there already, or the embeddings do not fit.
            FolderBusy: Another process is writing.
        """
        packed = _packed(documents_embeddings)
        if not len(documents_ids) and not len(packed):
            return
        with Commit(self.folder) as commit:
            self._open()
            ids = check_ids(documents_ids, taken=self._reader.rows.by_id)
            stage_segment(commit, ids, [packed])
        self._open()

    def remove_documents(self, documents_ids: Sequence[str]) -> None:
        """Remove documents in one atomic commit.

        Raises:
            InvalidInput: An id is not in the index; nothing is removed.
            FolderBusy: Another process is writing.
        """
        with Commit(self.folder) as commit:
            self._open()
            stage_removal(commit, self._reader.rows.find(documents_ids))
        self._open()

    def update_documents(self, documents_ids: Sequence[str], documents_embeddings: TokenEmbeddings) -> None:
        """Replace the embeddings of documents, adding those that are new, in one atomic commit.

        Raises:
            InvalidInput: As ``add_documents``.
            FolderBusy: Another process is writing.
        """
        packed = _packed(documents_embeddings)
        if not len(documents_ids) and not len(packed):
            return
        with Commit(self.folder) as commit:
            self._open()
            ids = check_ids(documents_ids)
            if known := [one for one in ids if one in self._reader.rows.by_id]:
                stage_removal(commit, self._reader.rows.find(known))
            stage_segment(commit, ids, [packed])
        self._open()

    def __call__(
        self,
        queries_embeddings: TokenEmbeddings | Tensor | FloatArray,
        k: int = 10,
        subset: Iterable[str] | None = None,
    ) -> list[list[dict[str, str | float]]]:
        """Rank documents for each query.

        Args:
            queries_embeddings: For each query ``(query_tokens, dim)``; one query alone may come without the list.
            k: Hits a query at most.
            subset: Ids that may be found; an empty one finds nothing. All where None.

        Returns:
            One list a query, in input order: ``{"id", "score"}``, best first, ties by id.

        Raises:
            InvalidInput: ``k`` is below 1, or the queries are of another ``dim``.
        """
        mask = None if subset is None else self._reader.rows.mask_of(subset)
        rankings = self._reader.search(_packed(queries_embeddings), k, mask)
        ids = self._reader.rows.ids
        return [[{"id": ids[row], "score": score} for row, score in ranking] for ranking in rankings]

    def _open(self) -> None:
        self._reader = SegmentReader(Snapshot.open(self.folder))


def _packed(embeddings: TokenEmbeddings | Tensor | FloatArray) -> PackedEmbeddings:
    if isinstance(embeddings, PackedEmbeddings):
        return embeddings
    if isinstance(embeddings, Tensor | np.ndarray) and embeddings.ndim == 2:
        embeddings = [embeddings]
    if isinstance(embeddings, str | dict):
        raise InvalidInput(f"token embeddings must be a list of arrays, got {type(embeddings).__name__}.")
    return PackedEmbeddings.pack(list(embeddings))
