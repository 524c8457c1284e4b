"""``PLAID``: an index of compressed token embeddings, searched without scoring every document."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from colbert_kit.errors import InvalidInput
from colbert_kit.folders import Commit, Snapshot
from colbert_kit.indexes.cuda import CudaReader, check_device
from colbert_kit.indexes.exchange import FastPlaidFolder
from colbert_kit.indexes.export import write_fast_plaid
from colbert_kit.indexes.lifecycle import FolderIndex
from colbert_kit.indexes.reader import IndexReader
from colbert_kit.indexes.section import EXACT_BELOW, IndexSection

__all__ = ["PLAID"]

logger = logging.getLogger(__name__)


class PLAID(FolderIndex):
    """An index of token embeddings in a folder, compressed and searched as PLAID does (Santhanam et al., CIKM 2022).

    While it is small it keeps the embeddings as they are and scores all documents, which is exact; the commit that
    makes it larger trains the codec on all of them and compresses.

    Args:
        index_folder: The folder that holds indexes.
        index_name: This index's folder in it.
        override: Begin anew; what is there is replaced at once, or kept if anything fails.
        nbits: Bits of a residual a dimension: 1, 2, 4 or 8. An index that is there already keeps its own.
        exact_below: Token embeddings from which the index is compressed; 0 compresses at once. As ``nbits``.
        device: ``"cuda"`` or ``"cuda:1"`` to search there once the index is compressed, which needs fast-plaid and
            keeps a second copy of the index in the cache folder for each generation searched; the CPU where None.

    Raises:
        InvalidInput: ``nbits`` or ``exact_below`` cannot be.
        InvalidConfig: There is no such device.
        MissingExtra: A device is given and fast-plaid is not installed.
        InvalidFolder: The folder holds something else, or is damaged.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> index = PLAID(index_folder=tempfile.mkdtemp(), index_name="tiny", override=True)
        >>> eye = np.eye(8, dtype=np.float32)
        >>> index.add_documents(documents_ids=["a", "b"], documents_embeddings=[eye[:1], eye])
        >>> index([eye[:2]], k=1)
        [[{'id': 'b', 'score': 2.0}]]
    """

    def __init__(
        self,
        index_folder: str | Path = "indexes",
        index_name: str = "colbert",
        *,
        override: bool = False,
        nbits: int = 4,
        exact_below: int = EXACT_BELOW,
        device: str | None = None,
    ) -> None:
        if device is not None:
            check_device(device)
        self._device = device
        section = IndexSection.plaid(nbits=nbits, exact_below=exact_below)
        super().__init__(Path(index_folder) / index_name, section, override=override)

    def _read(self, snapshot: Snapshot) -> IndexReader:
        return IndexReader(snapshot) if self._device is None else CudaReader(snapshot, device=self._device)

    def to_fast_plaid(self, folder: str | Path) -> list[str]:
        """Write the index as a folder that fast-plaid 1.7 and later opens, searches and changes.

        Documents are its rows 0, 1, ... in our order, without the removed ones; ``colbert_kit_ids.json`` beside them
        has their ids. Codes, residuals, centroids and buckets are the same bytes.

        Args:
            folder: A new one, or an empty one; it appears whole or not at all.

        Returns:
            What fast-plaid's folder has no place for, in words; it is logged too.

        Raises:
            InvalidInput: The index is not compressed or has no tokens, or ``folder`` holds something.

        Example:
            >>> import tempfile
            >>> import numpy as np
            >>> folder = tempfile.mkdtemp()
            >>> index = PLAID(index_folder=folder, index_name="ours", exact_below=0)
            >>> index.add_documents(documents_ids=["a", "b"], documents_embeddings=[np.eye(8), np.eye(8)[:2]])
            >>> index.to_fast_plaid(f"{folder}/theirs")
            ['the norms of decoded tokens, which fast-plaid computes in each search']
            >>> len(PLAID.from_fast_plaid(f"{folder}/theirs", index_folder=folder, index_name="again"))
            2
        """
        left_out = write_fast_plaid(self._reader, Path(folder))
        logger.info("Written for fast-plaid, without: %s.", "; ".join(left_out))
        return left_out

    @classmethod
    def from_fast_plaid(
        cls,
        source: str | Path,
        index_folder: str | Path = "indexes",
        index_name: str = "colbert",
        *,
        ids: Sequence[str] | None = None,
        override: bool = False,
    ) -> PLAID:
        """Take over an index of fast-plaid 1.7 or later, in one atomic commit and without decoding and coding again.

        Args:
            source: fast-plaid's folder; it is only read, and nobody may write to it meanwhile.
            index_folder: The folder that holds indexes.
            index_name: The new index's folder in it.
            ids: Document ids in row order, ``(num_documents,)``; where None those that ``to_fast_plaid`` wrote, or
                row numbers, with a warning.
            override: Replace the index that is there.

        Raises:
            InvalidFolder: The source is damaged, empty, in the middle of a change, or of a version before 1.7; or its
                ids are of another state of it.
            InvalidInput: ``ids`` are not one new string a document, or there is an index already.
            FolderBusy: Another process is writing to the index.

        Example:
            >>> PLAID.from_fast_plaid("their-index", ids=["a", "b"])  # doctest: +SKIP
        """
        folder = Path(index_folder) / index_name
        theirs = FastPlaidFolder(Path(source))
        checked, codes_sha256 = theirs.ids(ids)
        with Commit(folder, replace=True) as commit:
            if commit.base is not None and not override:
                raise InvalidInput(f"{folder} holds an index already. Name another, or replace it with override=True.")
            theirs.stage(commit, checked, codes_sha256)
        return cls(index_folder, index_name)
