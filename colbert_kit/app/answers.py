"""What the panels show: the service's finds as HTML for a reader and as plain rows for a program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colbert_kit.app.actor import resolve_actor
from colbert_kit.app.cards import hits_html
from colbert_kit.app.facts import facts_html
from colbert_kit.app.filters import list_columns
from colbert_kit.app.opened import Opened
from colbert_kit.app.ranking import parse_hows
from colbert_kit.app.render import message_html
from colbert_kit.app.reranked import read_candidates, reranked_html, reranked_rows
from colbert_kit.app.service import Service, Status
from colbert_kit.app.snippets import Search, link_to, snippets, snippets_html
from colbert_kit.app.tokens import explained, heatmap_html, read_heat, similarities_of
from colbert_kit.errors import ColbertKitError

__all__ = ["BM25_CANDIDATES", "Answers"]

BM25_CANDIDATES = 100
ROWS_SHOWN = 20

Rows = list[dict[str, Any]]


class Answers:
    """Everything a panel asks; it takes and gives plain values only, so that it may live in another process.

    An ``index`` is a folder or a Hub repository; empty, the one that the page was started with.

    Args:
        index: As ``Service``.
    """

    def __init__(self, index: str | None = None) -> None:
        self.opened = Opened(index)

    def start(self) -> None:
        """As ``Service.start``."""
        self.opened.own.start()

    def get_status(self, index: str = "") -> Status:
        """How far loading an index is, which begins here if it is new."""
        try:
            return self.opened.get(index).status
        except ColbertKitError as error:
            return Status("failed", message=str(error))

    def open(self, index: str) -> Status:
        """As ``get_status``, after taking up what was added to the index since."""
        try:
            return self.opened.refresh(index).status
        except ColbertKitError as error:
            return Status("failed", message=str(error))

    def get_facts_html(self, index: str = "") -> str:
        """What is known of an index that is loaded; nothing of another."""
        try:
            service = self.opened.get(index)
        except ColbertKitError:
            return ""
        return facts_html(service.loaded, service.index) if service.loaded is not None else ""

    def get_columns(self, index: str = "") -> Rows:
        """As ``list_columns``; none of an index that is not loaded."""
        try:
            searcher = self.opened.get(index).loaded
        except ColbertKitError:
            return []
        return [] if searcher is None else list_columns(searcher)

    def search(self, query: str, k: int, filter_text: str, how: str = "colbert", index: str = "") -> Rows:
        """Hits as rows: rank, id, score, text, metadata.

        Raises:
            ColbertKitError: As ``Opened.get`` and ``Service.search``.
        """
        found = self.opened.get(index).search(query, k, filter_text, how=how, explain=False)
        return [
            {"rank": hit.rank, "id": hit.id, "score": hit.score, "text": hit.text, "metadata": hit.metadata}
            for hit in found.hits
        ]

    def search_html(self, query: str, k: int, filter_text: str, how: str = "colbert", index: str = "") -> str:
        """Hits as cards, a column a way to rank, or what the visitor can mend."""
        try:
            service = self.opened.get(index)
            found = [service.search(query, k, filter_text, how=one) for one in parse_hows(how)]
            return hits_html(query, found, index)
        except ColbertKitError as error:
            return message_html(str(error))

    def explain(self, query: str, document_id: str, text: str = "", index: str = "") -> dict[str, Any]:
        """Every token of a query against every token of a document of the index, or of any text.

        Raises:
            ColbertKitError: As ``similarities_of``.
        """
        searcher = self.opened.get(index).searcher()
        return explained(similarities_of(searcher, query, document_id, text)[1])

    def heatmap_html(self, what: str) -> str:
        """As ``explain``, as a table, or what the visitor can mend.

        Args:
            what: What ``heat_html`` noted.
        """
        try:
            index, query, document_id, text = read_heat(what)
            searcher = self.opened.get(index).searcher()
            return heatmap_html(query, *similarities_of(searcher, query, document_id, text))
        except ColbertKitError as error:
            return message_html(str(error))

    def share(self, url: str, query: str, k: int, filter_text: str, how: str, index: str) -> tuple[str, str]:
        """A link to a search, and the programs that do it as HTML; both empty for a search that cannot be done."""
        search = Search(url, index.strip(), query, k, filter_text, how)
        if not query.strip():
            return "", ""
        try:
            programs = snippets(search, *_place_of(self.opened.get(index)))
        except ColbertKitError:
            return "", ""
        return link_to(search), snippets_html(programs)

    def rerank(self, query: str, texts: list[str], k: int) -> Rows:
        """Reranked texts as rows: rank, previous_rank, score, text.

        Raises:
            ColbertKitError: As ``Service.rerank``.
        """
        rows = reranked_rows(self.opened.own.rerank(query, texts, k))
        return [{name: value for name, value in row.items() if name != "id"} for row in rows]

    def rerank_html(self, query: str, texts: list[str]) -> str:
        """Reranked texts as a table, or what the visitor can mend."""
        try:
            return reranked_html(self.opened.own.rerank(query, texts), query)
        except ColbertKitError as error:
            return message_html(str(error))

    def rerank_file_html(self, query: str, path: str) -> str:
        """A file's candidates reranked as a table, or what the visitor can mend."""
        try:
            return reranked_html(self.opened.own.rerank_documents(query, read_candidates(Path(path))), query)
        except ColbertKitError as error:
            # The file lies where the visitor has not put it.
            return message_html(str(error).replace(path, Path(path).name))

    def rerank_bm25_html(self, query: str, index: str = "") -> str:
        """BM25's candidates reranked as a table, or what the visitor can mend."""
        try:
            found = self.opened.get(index).rerank_bm25(query, ROWS_SHOWN, BM25_CANDIDATES)
            return reranked_html(found, query, index, is_indexed=True)
        except ColbertKitError as error:
            return message_html(str(error))


def _place_of(service: Service) -> tuple[str | None, str | None]:
    """Where the visitor can open the index too, and at which commit; None where they cannot."""
    # Not at the top: the process that answers first says that it wants no bars, which is read at this import.
    from colbert_kit import hub

    index = service.index or ""
    place, revision = hub.split_revision(index)
    if hub.is_repo_id(place) and not Path(place).exists():
        return place, revision
    if not resolve_actor().may_use_machine:
        return None, None
    folder = Path(index) if index else service.searcher().folder
    return str(folder.resolve()), None
