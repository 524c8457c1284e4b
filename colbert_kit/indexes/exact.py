"""``Exact``: an index that scores every document. The truth to measure others by, and enough for small corpora."""

from __future__ import annotations

from pathlib import Path

from colbert_kit.indexes.lifecycle import FolderIndex
from colbert_kit.indexes.section import IndexSection

__all__ = ["Exact"]


class Exact(FolderIndex):
    """An index of float16 token embeddings in a folder, searched by scoring every document.

    Args:
        index_folder: The folder that holds indexes.
        index_name: This index's folder in it.
        override: Begin anew; what is there is replaced at once, or kept if anything fails.

    Raises:
        InvalidFolder: The folder holds something else, or is damaged.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> index = Exact(index_folder=tempfile.mkdtemp(), index_name="tiny")
        >>> eye = np.eye(2, dtype=np.float32)
        >>> index.add_documents(documents_ids=["a", "b"], documents_embeddings=[eye[:1], eye])
        >>> index([eye], k=1)
        [[{'id': 'b', 'score': 2.0}]]
    """

    def __init__(
        self, index_folder: str | Path = "indexes", index_name: str = "colbert", *, override: bool = False
    ) -> None:
        super().__init__(Path(index_folder) / index_name, IndexSection(engine="exact"), override=override)
