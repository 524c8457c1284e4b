"""What can be made of an index elsewhere: a copy, a smaller one, a repository."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from colbert_kit import hub
from colbert_kit.errors import InvalidInput
from colbert_kit.progress import OnProgress
from colbert_kit.searcher.card import Facts
from colbert_kit.searcher.copying import stage_compressed_copy
from colbert_kit.searcher.downloads import open_generation
from colbert_kit.searcher.pushing import files_to_share, push_generation
from colbert_kit.searcher.staging import creating
from colbert_kit.searcher.writer import Writer

if TYPE_CHECKING:
    from colbert_kit.evaluation import Report

__all__ = ["Sharer"]


class Sharer(Writer):
    """The sharing half of a ``Searcher``: this folder stays as it is."""

    def copy_to(self, folder: str | Path) -> Self:
        """Copy this index into a folder of one's own, which can be changed, as a download cannot.

        Args:
            folder: The folder; must not hold an index already.

        Returns:
            A searcher of the new folder, with the model of this one.

        Raises:
            InvalidInput: The folder holds an index, or the texts of this one are on the Hub.
            InvalidFolder: A file of this index is damaged.
            FolderBusy: Another process is writing to the folder.

        Example:
            >>> mine = Searcher.from_pretrained("me/my-index").copy_to("my-index")  # doctest: +SKIP
            >>> mine.add(documents)  # doctest: +SKIP
        """
        self._check_texts_are_here()
        with creating(Path(folder), override=False) as commit:
            commit.copy(self._generation.index.snapshot)
        return self._at(folder)

    def compress_to(
        self,
        folder: str | Path,
        *,
        nbits: int = 4,
        pool_factor: int | None = None,
        override: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Self:
        """Write a compressed index of the same documents into another folder, without encoding anything.

        Args:
            folder: The folder; must not hold an index already.
            nbits: Bits of a residual a dimension: 1, 2, 4 or 8.
            pool_factor: Keep about one token embedding for so many similar ones; what this index keeps where None.
            override: Replace an index that is there, at once when the new one is complete.
            on_progress: Told of pooling and compression.

        Returns:
            A searcher of the new folder, with the model of this one.

        Raises:
            InvalidInput: This index is compressed already, or pooled by another factor than 1 and than
                ``pool_factor``; ``nbits`` or ``pool_factor`` cannot be; the folder holds an index; or the texts of
                this one are on the Hub.
            FolderBusy: Another process is writing to the folder.

        Example:
            >>> whole = Searcher.build("whole", model, documents, exact_below=10**12)  # doctest: +SKIP
            >>> small = whole.compress_to("small", nbits=2, pool_factor=2)  # doctest: +SKIP
        """
        self._check_texts_are_here()
        generation = self._generation
        factor = generation.pool_factor if pool_factor is None else pool_factor
        with creating(Path(folder), override=override) as commit:
            stage_compressed_copy(commit, generation, nbits, factor, on_progress)
        return self._at(folder)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = True,
        token: str | None = None,
        model_id: str | None = None,
        license: str | None = None,
        language: str | Sequence[str] | None = None,
        corpus: str | None = None,
        report: Report | None = None,
    ) -> hub.Pushed:
        """Push the newest generation of this folder to the Hub as a dataset repository, in one commit.

        Files that are there already are not sent again. What others find is the manifest, the files that it names and
        a card with what is in the index, how to use it and what was measured; the Hub's viewer shows the documents.
        Removed documents are among them until ``compact`` has been called.

        Args:
            repo_id: ``"me/my-index"``; made where there is none.
            private: Make it private. A repository that is there keeps what it is, and a public one is only pushed to
                with False.
            token: An access token; the stored one where None.
            model_id: The repository of the model, where the index was built with one that lay in a folder.
            license: Of the documents, by the Hub's names: ``"cc-by-4.0"``.
            language: Of the documents: ``"en"``.
            corpus: What the documents are: the id of a Hub dataset, or words.
            report: What ``evaluation`` measured on this index.

        Returns:
            The commit, to be pinned with ``from_pretrained(..., revision=...)``.

        Raises:
            InvalidInput: The model is not on the Hub, or is another one there; the report is of another model; the
                repository is public; or the Hub refuses the card.
            InvalidFolder: A file of this index is damaged.
            NotAllowed: The token is missing, or may not write there.
            HubConflict: Somebody else has changed the repository meanwhile.
            HubUnreachable: The Hub cannot be reached, or the connection was cut; call again.

        Example:
            >>> models.push_to_hub(searcher.model, "me/my-model")  # doctest: +SKIP
            >>> searcher.push_to_hub("me/my-index", license="cc-by-4.0", corpus="me/my-corpus")  # doctest: +SKIP
        """
        self._check_texts_are_here()
        self.refresh()
        languages = [language] if isinstance(language, str) else list(language or ())
        facts = Facts(license, languages, corpus, report)
        return push_generation(
            self._generation, self.model, repo_id, facts, model_id=model_id, private=private, token=token
        )

    def files_to_share(self, *, model_id: str | None = None, token: str | None = None) -> dict[str, Path | bytes]:
        """The files that others need to open this index, by their names in its folder: what ``push_to_hub`` sends.

        Args:
            model_id: As ``push_to_hub``.
            token: As ``push_to_hub``.

        Raises:
            InvalidInput: The model is not on the Hub, or is another one there.
        """
        self._check_texts_are_here()
        return files_to_share(self._generation, self.model, model_id, token)[0]

    def _at(self, folder: str | Path) -> Self:
        return type(self)(Path(folder), self.model, open_generation(Path(folder)), dtype=self.dtype)

    def _check_texts_are_here(self) -> None:
        if not self._generation.documents.are_here:
            raise InvalidInput(
                f"{self.folder} has its texts on the Hub, and this needs all of them. Open it with documents=True."
            )
