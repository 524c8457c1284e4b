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
from colbert_kit.indexes import SearchConfig, stage_removal, stage_search, too_many_removed
from colbert_kit.models.inference import DType
from colbert_kit.progress import OnProgress
from colbert_kit.searcher.copying import stage_adoption
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

    def configure(self, config: SearchConfig | None) -> None:
        """Keep search settings in the folder: what a search does where it is given none, here and after opening.

        Changes of the documents keep them; ``rebuild`` drops them. They count for up to as many hits as they are wide
        enough for: a deeper search looks at no fewer documents a hit than the default does.

        Args:
            config: The settings; None forgets those that are kept.

        Raises:
            FolderBusy: Another process is writing to the folder.

        Example:
            >>> searcher.configure(SearchConfig(nprobe=8, num_rescored=2048))  # doctest: +SKIP
        """
        with self._changing() as commit:
            stage_search(commit, config)

    def adopt(self, other: Reader, config: SearchConfig | None = None) -> None:
        """Take over the compressed index of another folder with the same documents, in one atomic commit.

        Args:
            other: What ``compress_to`` made, of this searcher or of an ``evaluation.encoded_corpus``.
            config: Search settings to keep with it, as ``configure``.

        Raises:
            InvalidInput: The other one has other documents or another model, or is not compressed.
            FolderBusy: Another process is writing to the folder.

        Example:
            >>> searcher.adopt(encoded.compress_to("small", nbits=2, pool_factor=2))  # doctest: +SKIP
        """
        with self._changing() as commit:
            stage_adoption(commit, self._generation, other._generation, config)

    def vacuum(self, *, grace_seconds: float = GRACE_SECONDS) -> int:
        """Delete files that no generation of the last ``grace_seconds`` needs; returns the bytes freed.

        Raises:
            InvalidInput: The folder is a download in the Hub's cache.
            FolderBusy: Another process is writing to the folder.
        """
        self.check_writable()
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
        self.check_writable()
        with Commit(self.folder, replace=replace) as commit:
            self.refresh()
            yield commit

    def check_writable(self) -> None:
        """Raise where the folder must not be changed.

        Raises:
            InvalidInput: It is a download in the Hub's cache.
        """
        if self._download is not None:
            raise InvalidInput(
                f"{self.folder} is a download in the Hub's cache and is never written to. Copy it to a folder of "
                "your own, searcher = searcher.copy_to(folder), and change that."
            )
