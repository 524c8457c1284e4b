"""``Searcher``: text in, hits out. One folder holds the index, the documents and the name of the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder

from colbert_kit.indexes import EXACT_BELOW, IndexSection
from colbert_kit.models.inference import DType
from colbert_kit.progress import OnProgress
from colbert_kit.searcher.downloads import Download, download_index, open_generation
from colbert_kit.searcher.encoding import matching_model, model_section
from colbert_kit.searcher.sharer import Sharer
from colbert_kit.searcher.staging import creating, stage_index

__all__ = ["Searcher"]


class Searcher(Sharer):
    """Search documents in a folder by meaning, and change them; every change is one atomic commit.

    Make one with ``build``, ``open`` or ``from_pretrained``. One object may be used by many threads: a search works on
    the generation that was current when it began.

    Example:
        >>> from colbert_kit import Searcher, models  # doctest: +SKIP
        >>> searcher = Searcher.build("my-index", models.load_demo(), documents)  # doctest: +SKIP
        >>> for hit in searcher.search("does vitamin D prevent flu?", k=5):  # doctest: +SKIP
        ...     print(f"{hit.score:.2f}", hit.id, hit.text)
    """

    @classmethod
    def build(  # noqa: PLR0913 - all but three have defaults, and are given by name
        cls,
        folder: str | Path,
        model: MultiVectorEncoder,
        documents: Iterable[Mapping[str, Any]],
        *,
        override: bool = False,
        nbits: int = 4,
        exact_below: int = EXACT_BELOW,
        pool_factor: int = 1,
        dtype: DType = "auto",
        on_progress: OnProgress | None = None,
        total: int | None = None,
    ) -> Searcher:
        """Index documents into a new folder.

        Args:
            folder: The folder; must not hold an index already.
            model: The model that encodes them: ``models.ColBERT(...)`` or ``models.load_demo()``.
            documents: ``{"id": "7", "text": "...", "year": 2020}``: unique string ids, texts, and metadata to filter
                by. An iterator is read as it goes.
            override: Replace an index that is there, at once when the new one is complete.
            nbits: Bits of a residual a dimension, where the index is compressed: 1, 2, 4 or 8.
            exact_below: Token embeddings from which it is compressed; 0 compresses at once.
            pool_factor: Keep about one token embedding for so many similar ones, now and of documents added later
                (``docs/compression.md``).
            dtype: What to encode in, now and for queries.
            on_progress: Called after each 512 documents.
            total: How many documents there are, for the progress.

        Returns:
            The searcher.

        Raises:
            InvalidInput: A document is not well formed, an id comes twice, ``nbits`` or ``pool_factor`` cannot be, or
                the folder holds an index.
            FolderBusy: Another process is writing to the folder.
        """
        folder = Path(folder)
        settings = model_section(model, dtype, pool_factor)
        section = IndexSection.plaid(nbits=nbits, exact_below=exact_below)
        with creating(folder, override=override) as commit:
            stage_index(commit, model, documents, section, settings, on_progress, total)
        return cls(folder, model, open_generation(folder), dtype=dtype)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        model: MultiVectorEncoder | None = None,
        *,
        dtype: DType = "auto",
        verify: bool = False,
        device: str | None = None,
    ) -> Searcher:
        """Open a folder.

        Args:
            folder: The folder.
            model: The model that built it; loaded by its recorded name and revision where None.
            dtype: What to encode queries in.
            verify: Compare every file's sha256 first.
            device: Where to load the model.

        Raises:
            InvalidFolder: The folder is missing or damaged, or was built by another model.
            RepoNotFound: The model is neither here nor on the Hub.
            HubUnreachable: The model is on the Hub, which cannot be reached.
        """
        return cls._open(Path(folder), model, dtype=dtype, device=device, verify=verify)

    @classmethod
    def from_pretrained(
        cls,
        repo_id: str | Path,
        model: MultiVectorEncoder | None = None,
        *,
        revision: str | None = None,
        documents: bool = True,
        token: str | None = None,
        dtype: DType = "auto",
        device: str | None = None,
    ) -> Searcher:
        """Open an index that lies on the Hub as a dataset repository, or in a folder here.

        A download is verified by sha256 and memory-mapped from the Hub's cache, which is never written to.

        What is changed must be one's own: ``copy_to`` makes it so.

        Args:
            repo_id: A folder, or a dataset repository.
            model: As ``open``; the recorded one is fetched at the recorded commit.
            revision: A branch, tag or commit; what is opened stays of the commit that it is now.
            documents: Download the texts too. Without them they stay on the Hub, and a search reads those of its
                hits: at most a request for each, of about 64 KB. Filters work as ever.
            token: An access token; the stored one where None.
            dtype: As ``open``.
            device: As ``open``.

        Raises:
            RepoNotFound: There is neither a folder nor such a repository.
            NotAllowed: The repository is private or gated.
            HubUnreachable: The Hub cannot be reached.
            InvalidFolder: What was downloaded is damaged or no index, or its model has changed.

        Example:
            >>> searcher = Searcher.from_pretrained("me/my-index", documents=False)  # doctest: +SKIP
        """
        if Path(repo_id).is_dir():
            return cls.open(repo_id, model, dtype=dtype, device=device)
        folder, download = download_index(str(repo_id), revision=revision, token=token, documents=documents)
        return cls._open(folder, model, dtype=dtype, device=device, download=download, token=token)

    @classmethod
    def _open(
        cls,
        folder: Path,
        model: MultiVectorEncoder | None,
        *,
        dtype: DType,
        device: str | None,
        verify: bool = False,
        download: Download | None = None,
        token: str | None = None,
    ) -> Searcher:
        generation = open_generation(folder, download, verify=verify)
        model = matching_model(generation.model, model, device, folder, token)
        return cls(folder, model, generation, dtype=dtype, download=download)

    def rebuild(self, model: MultiVectorEncoder, *, on_progress: OnProgress | None = None) -> Searcher:
        """Encode the stored documents anew with another model, into a new generation of this folder.

        Search settings that the folder keeps (``configure``) are dropped: they were chosen for the old model.

        Args:
            model: The new model.
            on_progress: As ``build``.

        Returns:
            A searcher with the new model; this one keeps finding in its old generation.

        Raises:
            FolderBusy: Another process is writing to the folder.
        """
        # Under the lock and from the newest generation, so that nothing others add meanwhile is lost.
        with self._writing, self._committing(replace=True) as commit:
            old = self._generation.index.section
            section = IndexSection(engine=old.engine, nbits=old.nbits, exact_below=old.exact_below)
            settings = model_section(model, self.dtype, self._generation.pool_factor)
            stage_index(commit, model, self.documents(), section, settings, on_progress, len(self))
        return Searcher(self.folder, model, open_generation(self.folder), dtype=self.dtype)
