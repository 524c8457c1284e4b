"""What the panels show: the service's finds as HTML for a reader and as plain rows for a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from colbert_kit.app.opened import Opened
from colbert_kit.app.render import hits_html, link_html, message_html, reranked_html
from colbert_kit.app.service import Status
from colbert_kit.errors import ColbertKitError

if TYPE_CHECKING:
    from colbert_kit.app.service import Found

__all__ = ["BM25_CANDIDATES", "Answers"]

BM25_CANDIDATES = 100
ROWS_SHOWN = 20

Rows = list[dict[str, Any]]


class Answers:
    """Everything a panel asks; it takes and gives plain values only, so that it may live in another process.

    Args:
        index: As ``Service``.
    """

    def __init__(self, index: str | None = None) -> None:
        self._opened = Opened(index)
        self.service = self._opened.own

    def start(self) -> None:
        """As ``Service.start``."""
        self.service.start()

    def get_status(self, index: str = "") -> Status:
        """As ``Service.status``, of an index as ``Opened.get``; one that cannot be opened has failed."""
        try:
            return self._opened.get(index).status
        except ColbertKitError as error:
            return Status("failed", message=str(error))

    def search(self, query: str, k: int, filter_text: str, index: str = "") -> Rows:
        """Hits as rows: rank, id, score, text, metadata.

        Raises:
            ColbertKitError: As ``Service.search`` and ``Opened.get``.
        """
        found = self._opened.get(index).search(query, k, filter_text, explain=False)
        return [
            {"rank": hit.rank, "id": hit.id, "score": hit.score, "text": hit.text, "metadata": hit.metadata}
            for hit in found.hits
        ]

    def search_html(self, query: str, k: int, filter_text: str, index: str = "") -> str:
        """Hits as cards and a link that searches the same again, or what the visitor can mend."""
        try:
            found = self._opened.get(index).search(query, k, filter_text)
        except ColbertKitError as error:
            return message_html(str(error))
        return hits_html(query, found) + link_html({"index": index, "q": query, "k": str(k), "filter": filter_text})

    def rerank(self, query: str, texts: list[str], k: int) -> Rows:
        """Reranked texts as rows: rank, previous_rank, score, text.

        Raises:
            ColbertKitError: As ``Service.rerank``.
        """
        found = self.service.rerank(query, texts, k)
        return [
            {"rank": hit.rank, "previous_rank": found.previous[hit.id], "score": hit.score, "text": hit.text}
            for hit in found.hits
        ]

    def rerank_html(self, query: str, texts: list[str]) -> str:
        """Reranked texts as a table, or what the visitor can mend."""
        try:
            found: Found = self.service.rerank(query, texts)
        except ColbertKitError as error:
            return message_html(str(error))
        return reranked_html(found)

    def rerank_bm25_html(self, query: str) -> str:
        """BM25's candidates reranked as a table, or what the visitor can mend."""
        try:
            found = self.service.rerank_bm25(query, ROWS_SHOWN, BM25_CANDIDATES)
        except ColbertKitError as error:
            return message_html(str(error))
        return reranked_html(found)
