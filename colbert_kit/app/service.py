"""What the panels call: the searcher, loaded and indexed in the background. No Gradio here, and no torch at import."""

from __future__ import annotations

import itertools
import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbert_kit.app.filters import parse_filters
from colbert_kit.app.lexical import Lexical
from colbert_kit.app.ranking import Found, rank, timed
from colbert_kit.errors import ColbertKitError, FolderBusy, InvalidFolder, InvalidInput

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

    from colbert_kit import Searcher
    from colbert_kit.progress import OnProgress, Progress

__all__ = ["Service", "Status"]

logger = logging.getLogger(__name__)

FIRST_DOCUMENTS, MORE_DOCUMENTS = 256, 768
"""Documents of the demo's first commit and of each after it: the first hit came after 28 to 36 s."""

DEMO_FOLDER = "demo-index-2"

NOT_YET = 2**40
"""Tokens from which the demo is compressed while documents are still coming: never, so that the codec is trained on all
of them at the end."""

MAX_CANDIDATES = 200
SECONDS_BETWEEN_LOOKS = 2.0


@dataclass(frozen=True)
class Status:
    """What the page says about the index.

    Args:
        stage: ``"loading"``, ``"indexing"``, ``"ready"`` or ``"failed"``.
        done: Documents that have been encoded; where ready, that can be found.
        total: Documents in all; None where nobody knows.
        message: Why it failed.
        searchable: While indexing, documents of the commits so far: they can be found, and a stop keeps them.
    """

    stage: str
    done: int = 0
    total: int | None = None
    message: str = ""
    searchable: int = 0


class Service:
    """One index and its model for all visitors.

    Args:
        index: A folder or a Hub dataset repository, ``me/index`` or ``me/index@commit``; the demo where None, built at
            the first start and kept in the user's cache folder.
        open_searcher: Opens a named index; ``Searcher.from_pretrained`` where None.
    """

    def __init__(self, index: str | None = None, open_searcher: Callable[[str], Searcher] | None = None) -> None:
        self.index = index
        self._open_searcher = open_searcher
        self._status = Status("loading")
        self._searcher: Searcher | None = None
        self._usable = threading.Event()
        self._fingerprint: str | None = None
        self._lexical: Lexical | None = None
        self._lexical_lock = threading.Lock()
        self._started = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to load in the background; does nothing the second time."""
        with self._started:
            if self._thread is None:
                self._thread = threading.Thread(target=self._prepare, name="load", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Wait until loading has come to an end, whichever it is."""
        self.start()
        if self._thread is not None:
            self._thread.join()

    @property
    def status(self) -> Status:
        """How far loading and indexing are."""
        return self._status

    def searcher(self) -> Searcher:
        """The searcher, waiting until there is one.

        Raises:
            ColbertKitError: Loading has failed.
        """
        self.start()
        self._usable.wait()
        if self._searcher is None:
            raise ColbertKitError(self._status.message)
        return self._searcher

    @property
    def loaded(self) -> Searcher | None:
        """The searcher if there is one by now."""
        return self._searcher

    @property
    def model_fingerprint(self) -> str:
        """Of the model, once the index is loaded."""
        from colbert_kit import models

        if self._fingerprint is None:
            self._fingerprint = models.fingerprint(self.searcher().model)
        return self._fingerprint

    def refresh(self) -> None:
        """Take up what was added to the index since.

        Raises:
            ColbertKitError: It is damaged by now, or of another model.
        """
        searcher = self.searcher()
        searcher.refresh()
        self._status = Status("ready", len(searcher), len(searcher))

    def search(
        self, query: str, k: int = 10, filter_text: str = "", *, how: str = "colbert", explain: bool = True
    ) -> Found:
        """Search, with an explanation of each hit.

        Raises:
            InvalidInput: The query is empty, the filter does not fit or there is no such way to rank.
            ColbertKitError: The index could not be loaded.
        """
        filters = parse_filters(filter_text)
        searcher = self.searcher()
        found = rank(searcher, self.lexical, query, k, filters, how)
        if not explain:
            return found
        with timed(found.timings, "explain"):
            matches = searcher.explain_many(query, found.hits)
        return replace(found, matches=matches)

    def rerank(self, query: str, texts: list[str], k: int | None = None) -> Found:
        """Order texts by MaxSim; their ids are their places, from 1.

        Raises:
            InvalidInput: The query or all candidates are empty, or there are too many.
            ColbertKitError: The model could not be loaded.
        """
        texts = [text.strip() for text in texts if text.strip()]
        return self.rerank_documents(query, [{"id": str(n), "text": text} for n, text in enumerate(texts, start=1)], k)

    def rerank_documents(self, query: str, documents: list[dict[str, Any]], k: int | None = None) -> Found:
        """Order documents by MaxSim.

        Raises:
            InvalidInput: The query is empty, or there are no candidates or too many.
            ColbertKitError: The model could not be loaded.
        """
        if not documents:
            raise InvalidInput("there are no candidates; give one a line.")
        if len(documents) > MAX_CANDIDATES:
            raise InvalidInput(f"at most {MAX_CANDIDATES} candidates can be reranked here, got {len(documents)}.")
        searcher = self.searcher()
        timings: dict[str, float] = {}
        with timed(timings, "rerank"):
            hits = searcher.rerank(query, documents, k)
        previous = {document["id"]: place for place, document in enumerate(documents, start=1)}
        return Found(hits, [], timings, len(documents), previous)

    def rerank_bm25(self, query: str, k: int, num_candidates: int = 100) -> Found:
        """Order BM25's first hits in the index by MaxSim.

        Raises:
            InvalidInput: The query is empty.
            ColbertKitError: The index could not be loaded.
        """
        if not query.strip():
            raise InvalidInput("the query is empty; type at least one word.")
        timings: dict[str, float] = {}
        with timed(timings, "BM25"):
            ids = [one for one, _ in self.lexical().rank(query, num_candidates)]
        # They are in the index, so their embeddings are too.
        hits = self.searcher().search(query, k, subset=ids, timings=timings)
        return Found(hits, [], timings, len(ids), {one: rank for rank, one in enumerate(ids, start=1)})

    def lexical(self) -> Lexical:
        """BM25 of what the index holds now."""
        searcher = self.searcher()
        with self._lexical_lock:
            if self._lexical is None or self._lexical.content != searcher.content_digest:
                self._lexical = Lexical(searcher)
            return self._lexical

    def _prepare(self) -> None:
        try:
            self._load_demo() if self.index is None else self._load(self.index)
            self._status = Status("ready", len(self.searcher()), len(self.searcher()))
        except ColbertKitError as error:
            self._status = Status("failed", message=str(error))
        except Exception:
            self._status = Status("failed", message="The index could not be loaded: see the server's log.")
            logger.exception("The index could not be loaded.")
        finally:
            self._usable.set()

    def _load(self, index: str) -> None:
        from colbert_kit import Searcher, hub

        if self._open_searcher is not None:
            self._use(self._open_searcher(index))
            return
        name, revision = hub.split_revision(index)
        self._use(Searcher.from_pretrained(name, revision=revision))

    def _use(self, searcher: Searcher) -> None:
        searcher.warm()
        self._searcher = searcher
        self._usable.set()

    def _load_demo(self) -> None:
        """Open the demo index, or build it in commits that are searchable at once and survive a stop."""
        from colbert_kit import data, models

        folder = models.cache_folder() / DEMO_FOLDER
        model = models.load_demo()
        total = data.DEMO_CORPUS_SIZE
        self._open_demo(folder, model)
        while self._searcher is None or len(self._searcher) < total:
            try:
                self._index_more(folder, model, total)
            except (FolderBusy, InvalidInput):
                # Another process writes, or has added the same documents first: take up what it has.
                time.sleep(SECONDS_BETWEEN_LOOKS)
                self._open_demo(folder, model)
                known = len(self._searcher or [])
                self._status = Status("indexing", known, total, searchable=known)
        self._compress(self._searcher)

    def _compress(self, searcher: Searcher) -> None:
        """Once all documents are in: train the codec on all of them, and free what only the building needed."""
        if searcher.is_compressed:
            return
        try:
            searcher.compact()
            # Other processes that read it have all its files open.
            searcher.vacuum(grace_seconds=0)
        except FolderBusy:
            logger.info("Another process writes to the demo index; it is compressed at the next start.")

    def _open_demo(self, folder: Path, model: MultiVectorEncoder) -> None:
        from colbert_kit import Searcher

        try:
            if self._searcher is None:
                self._use(Searcher.open(folder, model))
            else:
                self._searcher.refresh()
        except InvalidFolder as error:
            if (folder / "manifest.json").exists():
                # It is ours, in a cache: what cannot be opened is of no use to anybody.
                logger.warning("The demo index is built again: %s", error)
                shutil.rmtree(folder)

    def _index_more(self, folder: Path, model: MultiVectorEncoder, total: int) -> None:
        """One more commit."""
        from colbert_kit import Searcher, data

        searcher = self._searcher
        known = {document["id"] for document in searcher.documents()} if searcher else set()
        missing = (document for document in data.read_demo_corpus() if document["id"] not in known)
        more = list(itertools.islice(missing, MORE_DOCUMENTS if searcher else FIRST_DOCUMENTS))
        on_progress = self._counter(len(known), total)
        self._status = Status("indexing", len(known), total, searchable=len(known))
        if searcher is None:
            self._use(Searcher.build(folder, model, more, exact_below=NOT_YET, on_progress=on_progress))
        else:
            searcher.add(more, on_progress=on_progress)

    def _counter(self, before: int, total: int) -> OnProgress:
        def show(progress: Progress) -> None:
            self._status = Status("indexing", before + progress.done, total, searchable=before)

        return show
