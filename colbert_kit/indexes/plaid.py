"""``PLAID``: an index of compressed token embeddings, searched without scoring every document."""

from __future__ import annotations

from pathlib import Path

from colbert_kit.indexes.lifecycle import FolderIndex
from colbert_kit.indexes.section import EXACT_BELOW, IndexSection

__all__ = ["PLAID"]


class PLAID(FolderIndex):
    """An index of token embeddings in a folder, compressed and searched as PLAID does (Santhanam et al., CIKM 2022).

    While it is small it keeps the embeddings as they are and scores all documents, which is both faster and exact;
    the commit that makes it larger trains the codec on all of them and compresses.

    Args:
        index_folder: The folder that holds indexes.
        index_name: This index's folder in it.
        override: Begin anew; what is there is replaced at once, or kept if anything fails.
        nbits: Bits of a residual a dimension: 1, 2, 4 or 8.
        exact_below: Token embeddings from which the index is compressed; 0 compresses at once.

    Raises:
        InvalidInput: ``nbits`` or ``exact_below`` cannot be.
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
    ) -> None:
        section = IndexSection.plaid(nbits=nbits, exact_below=exact_below)
        super().__init__(Path(index_folder) / index_name, section, override=override)
