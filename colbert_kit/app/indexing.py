"""What the index panel asks: sources looked at, indexes built, changed and pushed as jobs. No Gradio, no torch."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colbert_kit import hub
from colbert_kit.app.index_job import BUILDING
from colbert_kit.app.local_jobs import LocalJobs
from colbert_kit.app.shelf import Shelf
from colbert_kit.app.uploads import Roles, Source, keep_files
from colbert_kit.errors import InvalidInput, JobNotFound

__all__ = ["KIND", "CardFacts", "Indexing"]

KIND = "index"
MODULE = "colbert_kit.app.index_job"
WORD = re.compile(r"[\w.-]*")


@dataclass(frozen=True)
class CardFacts:
    """What is pushed where, and what its card says.

    Args:
        repo_id: ``"me/my-index"``.
        public: Whether all may see it.
        license: Of the documents, by the Hub's names.
        language: Of the documents.
        corpus: What the documents are: a dataset of the Hub, or words.
        model_id: Where the model is, if the index was built with one in a folder.
    """

    repo_id: str
    public: bool = False
    license: str | None = None
    language: tuple[str, ...] = ()
    corpus: str | None = None
    model_id: str | None = None


class Indexing:
    """Indexes of this machine, and the jobs that make and change them.

    Args:
        shelf: Where indexes are kept.
        jobs: Where jobs run.
        uploads: Where uploads are kept; in the kit's cache folder where None.
    """

    def __init__(self, shelf: Shelf | None = None, jobs: LocalJobs | None = None, uploads: Path | None = None) -> None:
        if uploads is None:
            from colbert_kit.machine import cache_folder

            uploads = cache_folder() / "uploads"
        self.shelf, self.jobs, self.uploads = shelf or Shelf(), jobs or LocalJobs(), uploads

    def take_files(self, paths: Sequence[str]) -> Source:
        """Keep what was uploaded.

        Raises:
            InvalidInput: As ``keep_files``.
        """
        return Source(files=keep_files(paths, self.uploads))

    def take_dataset(self, repo_id: str, split: str = "train") -> Source:
        """Name a dataset of the Hub: ``me/corpus``, or ``me/corpus:config``.

        Raises:
            InvalidInput: It is no name of a repository: no folder of this machine is read here, nor an address.
        """
        name, _, config = repo_id.strip().partition(":")
        if not hub.is_repo_id(name) or not WORD.fullmatch(config):
            raise InvalidInput(f"a dataset of the Hub is called OWNER/NAME, got {repo_id!r}.")
        return Source(repo_id=name, config=config or None, split=split.strip() or "train")

    def build(
        self,
        name: str,
        source: Source,
        roles: Roles,
        *,
        model: str | None = None,
        nbits: int = 4,
        pool_factor: int = 1,
        passage_words: int | None = None,
        token: str | None = None,
    ) -> str:
        """Start to build an index; the id of the job.

        Args:
            name: Of the index, of which its folder's is made.
            source: The documents.
            roles: What each column is.
            model: A folder or a repository; the demo model where None.
            nbits: As ``Searcher.build``.
            pool_factor: As ``Searcher.build``.
            passage_words: Cut documents into passages.
            token: To read what is private.

        Raises:
            InvalidInput: The name is taken, or cannot be.
        """
        folder = self.shelf.free_place(name)
        self._sweep()
        plan = {
            **_documents(source, roles, passage_words),
            "folder": str(folder),
            # The job works in a folder of its own.
            "model": str(Path(model).absolute()) if model and Path(model).is_dir() else model,
            "nbits": nbits,
            "pool_factor": pool_factor,
        }
        return self.jobs.launch(KIND, "build", MODULE, plan, token)

    def add(
        self, name: str | None, source: Source, roles: Roles, passage_words: int | None = None, token: str | None = None
    ) -> str:
        """Start to add documents to an index, in one commit; the id of the job.

        Raises:
            InvalidInput: There is no such index.
        """
        plan = {**_documents(source, roles, passage_words), "folder": str(self.shelf.find(name))}
        return self.jobs.launch(KIND, "add", MODULE, plan, token)

    def remove(self, name: str | None, ids: Sequence[str]) -> str:
        """Start to remove documents from an index, in one commit; the id of the job.

        Raises:
            InvalidInput: There is no such index, or no id.
        """
        wanted = list(dict.fromkeys(one.strip() for one in ids if one.strip()))
        if not wanted:
            raise InvalidInput("there is no id to remove; give one a line, as the search shows them.")
        return self.jobs.launch(KIND, "remove", MODULE, {"folder": str(self.shelf.find(name)), "ids": wanted})

    def push(self, name: str | None, facts: CardFacts, token: str) -> str:
        """Start to push an index; the id of the job.

        Args:
            name: Of the index.
            facts: Where to, and what its card says.
            token: Of who pushes.

        Raises:
            InvalidInput: There is no such index, or the repository's name cannot be.
        """
        return self.jobs.launch(KIND, "push", MODULE, self._push_plan(name, facts), token)

    def card(self, name: str | None, facts: CardFacts) -> str:
        """The card that a push would write; takes some seconds.

        Raises:
            InvalidInput: There is no such index, or the repository's name cannot be.
            ColbertKitError: The card could not be made.
        """
        return str(self.jobs.run_now(MODULE, "card", self._push_plan(name, facts))["card"])

    def _push_plan(self, name: str | None, facts: CardFacts) -> dict[str, Any]:
        if "/" not in facts.repo_id or not hub.is_repo_id(facts.repo_id):
            raise InvalidInput(f"a repository is called OWNER/NAME, got {facts.repo_id!r}; choose owner and name.")
        return {**dataclasses.asdict(facts), "folder": str(self.shelf.find(name))}

    def _sweep(self) -> None:
        """Delete what builds have left whose process was killed."""
        for path in self.shelf.home.glob(f"{BUILDING}*"):
            try:
                is_over = self.jobs.runner.inspect(path.name.removeprefix(BUILDING)).is_final
            except JobNotFound:
                is_over = True
            if is_over:
                shutil.rmtree(path, ignore_errors=True)


def _documents(source: Source, roles: Roles, passage_words: int | None) -> dict[str, Any]:
    return {
        "source": dataclasses.asdict(source),
        "roles": dataclasses.asdict(roles),
        "passage_words": passage_words,
    }
