"""What the panels call: the searcher, loaded and indexed in the background. No Gradio here, and no torch at import."""

from __future__ import annotations

import itertools
import logging
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbert_kit.errors import ColbertKitError, FolderBusy, InvalidFolder, InvalidInput

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

    from colbert_kit import Hit, Searcher
    from colbert_kit.progress import OnProgress, Progress
    from colbert_kit.scores import TokenMatch

__all__ = ["Found", "Service", "Status"]

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


@dataclass(frozen=True)
class Found:
    """What a search gives to the page.

    Args:
        hits: The hits.
        matches: For each hit, which token met which.
        timings: Seconds of each stage.
        searched: Documents that were searched.
    """

    hits: list[Hit]
    matches: list[list[TokenMatch]]
    timings: dict[str, float]
    searched: int
    previous: dict[str, int] = field(default_factory=dict)


class Service:
    """One index and its model for all visitors.

    Args:
        index: A folder or a Hub dataset repository, ``me/index`` or ``me/index@commit``; the demo where None, built at
            the first start and kept in the user's cache folder.
        anonymous: Open nothing that needs an access token.
    """

    def __init__(self, index: str | None = None, *, anonymous: bool = False) -> None:
        self._index = index
        self._anonymous = anonymous
        self._status = Status("loading")
        self._searcher: Searcher | None = None
        self._usable = threading.Event()
        self._bm25: tuple[int, Any, list[dict[str, Any]]] | None = None
        self._bm25_lock = threading.Lock()
        self._started = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to load in the background; does nothing the second time."""
        with self._started:
            if self._thread is None:
                self._thread = threading.Thread(target=self._prepare, name="load", daemon=True)
                self._thread.start()

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

    def search(self, query: str, k: int = 10, filter_text: str = "", *, explain: bool = True) -> Found:
        """Search, with an explanation of each hit.

        Raises:
            InvalidInput: The query is empty or the filter does not fit.
            ColbertKitError: The index could not be loaded.
        """
        filters = parse_filters(filter_text)
        searcher = self.searcher()
        timings: dict[str, float] = {}
        hits = searcher.search(query, k, filters=filters, timings=timings)
        start = time.perf_counter()
        matches = searcher.explain_many(query, hits) if explain else []
        timings["explain"] = time.perf_counter() - start
        return Found(hits, matches, timings, len(searcher))

    def rerank(self, query: str, texts: list[str], k: int | None = None) -> Found:
        """Order texts by MaxSim; their ids are their places, from 1.

        Raises:
            InvalidInput: The query or all candidates are empty, or there are too many.
            ColbertKitError: The model could not be loaded.
        """
        texts = [text.strip() for text in texts if text.strip()]
        if not texts:
            raise InvalidInput("there are no candidates; give one a line.")
        if len(texts) > MAX_CANDIDATES:
            raise InvalidInput(f"at most {MAX_CANDIDATES} candidates can be reranked here, got {len(texts)}.")
        return self._rerank(query, [{"id": str(n), "text": text} for n, text in enumerate(texts, start=1)], k)

    def rerank_bm25(self, query: str, k: int, num_candidates: int = 100) -> Found:
        """Order BM25's first hits in the index by MaxSim.

        Raises:
            InvalidInput: The query is empty.
            ColbertKitError: The index could not be loaded.
        """
        if not query.strip():
            raise InvalidInput("the query is empty; type at least one word.")
        start = time.perf_counter()
        ids = self._bm25_ids(query, num_candidates)
        timings = {"BM25": time.perf_counter() - start}
        # They are in the index, so their embeddings are too.
        hits = self.searcher().search(query, k, subset=ids, timings=timings)
        return Found(hits, [], timings, len(ids), {one: rank for rank, one in enumerate(ids, start=1)})

    def _rerank(self, query: str, documents: list[dict[str, Any]], k: int | None) -> Found:
        searcher = self.searcher()
        start = time.perf_counter()
        hits = searcher.rerank(query, documents, k)
        seconds = time.perf_counter() - start
        previous = {document["id"]: rank for rank, document in enumerate(documents, start=1)}
        return Found(hits, [], {"rerank": seconds}, len(documents), previous)

    def _bm25_ids(self, query: str, num_candidates: int) -> list[str]:
        import bm25s
        import Stemmer

        searcher = self.searcher()
        stemmer = Stemmer.Stemmer("english")
        with self._bm25_lock:
            if self._bm25 is None or self._bm25[0] != len(searcher):
                documents = list(searcher.documents())
                texts = [document["text"] for document in documents]
                # k1 0.9 and b 0.4 are Anserini's defaults, with which SciFact gives 0.676 nDCG@10.
                retriever = bm25s.BM25(k1=0.9, b=0.4)
                tokens = bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)
                retriever.index(tokens, show_progress=False)
                self._bm25 = (len(documents), retriever, documents)
            size, retriever, documents = self._bm25
        query_tokens = bm25s.tokenize([query], stopwords="en", stemmer=stemmer, show_progress=False)
        rows, scores = retriever.retrieve(query_tokens, k=min(num_candidates, size), show_progress=False)
        return [documents[row]["id"] for row, score in zip(rows[0], scores[0], strict=True) if score > 0]

    def _prepare(self) -> None:
        try:
            self._load_demo() if self._index is None else self._load(self._index)
            self._status = Status("ready", len(self.searcher()), len(self.searcher()))
        except ColbertKitError as error:
            self._status = Status("failed", message=str(error))
        except Exception:
            self._status = Status("failed", message="The index could not be loaded: see the server's log.")
            logger.exception("The index could not be loaded.")
        finally:
            self._usable.set()

    def _load(self, index: str) -> None:
        from colbert_kit import Searcher

        # A Space names its index by its commit.
        name, _, revision = (index, "", "") if Path(index).is_dir() else index.partition("@")
        # False: not even the stored one, which the client would take for None.
        token: Any = False if self._anonymous else None
        self._use(Searcher.from_pretrained(name, revision=revision or None, token=token))

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


def parse_filters(text: str) -> list[tuple[str, str, Any]] | None:
    """Conditions joined by ``and``, as the page takes them; None where there are none.

    Raises:
        InvalidInput: One is not ``column operator value``.
    """
    from colbert_kit import documents

    if not text.strip():
        return None
    return [documents.parse_filter(part) for part in text.replace(" AND ", " and ").split(" and ")]
