"""What changes an index; every change is one atomic commit."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import GRACE_SECONDS, Commit, vacuum
from colbert_kit.indexes import stage_removal, too_many_removed
from colbert_kit.models.inference import DType
from colbert_kit.progress import OnProgress
from colbert_kit.searcher.downloads import Download, open_generation
from colbert_kit.searcher.hits import Generation
from colbert_kit.searcher.reader import Reader
from colbert_kit.searcher.staging import compact, stage_corpus, stage_update

__all__ = ["Writer"]


class Writer(Reader):
    """The changing half of a ``Searcher``.

    Args:
        folder: The folder.
        model: The model that built it.
        generation: What to search, until another is set.
        dtype: What to encode in.
        download: What opening the folder takes, if it is a download, which is never written to.
    """

    def __init__(
        self,
        folder: Path,
        model: MultiVectorEncoder,
        generation: Generation,
        *,
        dtype: DType,
        download: Download | None = None,
    ) -> None:
        super().__init__(models.inference_model(model, dtype), generation)
        self.folder = folder
        self.model = model
        self.dtype = dtype
        self._download = download
        self._fingerprint = generation.model["fingerprint"]
        self._writing = threading.Lock()

    def add(
        self,
        documents: Iterable[Mapping[str, Any]],
        *,
        on_progress: OnProgress | None = None,
        total: int | None = None,
    ) -> None:
        """Add documents in one atomic commit: all or none.

        Args:
            documents: As ``build``; their ids must be new.
            on_progress: As ``build``.
            total: As ``build``.

        Raises:
            InvalidInput: A document is not well formed, its id is there already, or a column changes its type.
            FolderBusy: Another process is writing to the folder.
        """
        with self._changing() as commit:
            taken = set(self._generation.index.rows.by_id)
            stage_corpus(commit, self._encoder, documents, taken, on_progress, total)

    def update(
        self,
        documents: Iterable[Mapping[str, Any]],
        *,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Replace documents by new ones of the same ids, adding those that are new, in one atomic commit.

        Args:
            documents: As ``build``; they are held in memory.
            on_progress: As ``build``.

        Raises:
            InvalidInput: As ``add``, but an id may be there already.
            FolderBusy: Another process is writing to the folder.
        """
        with self._changing() as commit:
            stage_update(commit, self._encoder, list(documents), self._generation.index.rows, on_progress)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove documents in one atomic commit; it rewrites the index when more than a fifth of it are removed.

        Raises:
            InvalidInput: An id is not in the index; nothing is removed.
            FolderBusy: Another process is writing to the folder.
        """
        with self._changing() as commit:
            stage_removal(commit, self._generation.index.rows.find(ids))
            if too_many_removed(commit):
                compact(commit)

    def compact(self, *, on_progress: OnProgress | None = None) -> None:
        """Rewrite the folder without removed documents, compressed where it is not yet, in one atomic commit.

        Raises:
            FolderBusy: Another process is writing to the folder.
        """
        with self._changing() as commit:
            compact(commit, compress=True, on_progress=on_progress)

    def vacuum(self, *, grace_seconds: float = GRACE_SECONDS) -> int:
        """Delete files that no generation of the last ``grace_seconds`` needs; returns the bytes freed.

        Raises:
            InvalidInput: The folder is a download in the Hub's cache.
            FolderBusy: Another process is writing to the folder.
        """
        self._check_writable()
        return vacuum(self.folder, grace_seconds=grace_seconds)

    def refresh(self) -> None:
        """Take up what other processes have committed meanwhile.

        Raises:
            InvalidFolder: The folder is damaged, or another model has rebuilt it.
        """
        generation = open_generation(self.folder, self._download)
        if generation.model.get("fingerprint") != self._fingerprint:
            raise InvalidFolder(f"{self.folder} was rebuilt with another model meanwhile. Open it again.")
        self._generation = generation

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Commit]:
        """A commit on the newest generation, which this searcher takes up before and after."""
        with self._writing:
            with self._committing() as commit:
                yield commit
            self.refresh()

    @contextlib.contextmanager
    def _committing(self, *, replace: bool = False) -> Iterator[Commit]:
        self._check_writable()
        with Commit(self.folder, replace=replace) as commit:
            self.refresh()
            yield commit

    def _check_writable(self) -> None:
        if self._download is not None:
            raise InvalidInput(
                f"{self.folder} is a download in the Hub's cache and is never written to. Copy it to a folder of "
                "your own, searcher = searcher.copy_to(folder), and change that."
            )
