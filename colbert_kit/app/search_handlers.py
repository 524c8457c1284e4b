"""What the events of the search panel call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import gradio as gr

from colbert_kit.app.answers import Answers
from colbert_kit.app.filters import OPERATORS, add_condition
from colbert_kit.app.ranking import HOWS
from colbert_kit.app.render import status_html
from colbert_kit.app.service import Status
from colbert_kit.errors import ColbertKitError, InvalidInput

__all__ = ["DEFAULT_K", "FILTER_INFO", "MAX_K", "SearchHandlers"]

DEFAULT_K = 10
FILTER_INFO = "Conditions that must all hold, as in: year >= 2020 and topic = biology"
MAX_K = 100
QUERIES_REMEMBERED = 6
LONGEST_REMEMBERED = 300


class SearchHandlers:
    """Plain values in, plain values or Gradio's updates out. A box that was never touched gives None."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def search(
        self,
        query: str,
        k: int = DEFAULT_K,
        filter: str = "",
        how: Literal["colbert", "exact", "bm25", "hybrid"] = "colbert",
        index: str = "",
    ) -> list[dict[str, Any]]:
        """Search an index by meaning, by words, or both.

        Args:
            query: The query.
            k: Hits at most.
            filter: Conditions on metadata, as in "year >= 2020 and topic = biology"; empty for none.
            how: "colbert", "exact" (MaxSim of every document), "bm25" or "hybrid" (ranks of ColBERT and BM25 fused).
            index: A folder or a Hub dataset repository; empty for the page's own index.

        Returns:
            Hits, best first: rank, id, score, text, metadata.
        """
        try:
            return self.answers.search(query, int(k), filter, how, index)
        except ColbertKitError as error:
            raise gr.Error(str(error)) from error

    def explain(self, query: str, id: str = "", text: str = "", index: str = "") -> dict[str, Any]:
        """Tell which token of a document answered which token of a query.

        Args:
            query: The query.
            id: The id of a document of the index; empty where text is given.
            text: Any text, in place of a document of the index.
            index: As search; it also says which model compares.

        Returns:
            The score; matches (query_token, document_token, start, stop, similarity), whose similarities sum to it;
            document_tokens; similarity, a row a query token and a column a document token.
        """
        try:
            return self.answers.explain(query, id, text, index)
        except ColbertKitError as error:
            raise gr.Error(str(error)) from error

    def show(
        self,
        query: str | None,
        k: float | None = DEFAULT_K,
        filter_text: str | None = "",
        hows: Sequence[str] | None = (),
        index: str | None = "",
    ) -> Iterator[str]:
        """The hits as HTML, after a word on the wait where there is nothing to search yet."""
        status = self.answers.get_status(index or "")
        if status.stage == "loading" or (status.stage == "indexing" and not status.searchable):
            yield '<p class="ck-message" role="status">Your search begins as soon as it can.</p>'
        yield self.answers.search_html(query or "", int(k or DEFAULT_K), filter_text or "", _named(hows), index or "")

    def show_linked(self, is_linked: bool, *settings: Any) -> Iterator[Any]:  # noqa: ANN401 - as show
        """The hits of a link that has a query."""
        if not is_linked:
            yield gr.skip()
            return
        yield from self.show(*settings)

    def fill(self, request: gr.Request) -> tuple[Any, ...]:
        """What a link says: whether there is a query; query, hits, filter, ways to rank, index."""
        said = request.query_params
        hows = [how for how in (said.get("how") or "").split(",") if how in HOWS]
        number = said.get("k") or ""
        k = min(MAX_K, max(1, int(number))) if number.isdecimal() else None
        found = (said.get("q"), k, said.get("filter"), hows, said.get("index"))
        # Without one nothing may be written: a fast visitor has begun to type.
        return bool(said.get("q")), *(value or gr.skip() for value in found)

    def share(
        self,
        url: str | None,
        query: str | None,
        k: float | None,
        filter_text: str | None,
        hows: Sequence[str] | None,
        index: str | None,
    ) -> tuple[str, str]:
        """The link to a search, and the programs that do it."""
        count = int(k or DEFAULT_K)
        return self.answers.share(url or "", query or "", count, filter_text or "", _named(hows), index or "")

    def remember(self, query: str | None, history: list[str] | None) -> tuple[list[str], Any]:
        """The queries that this browser has asked, the last one first."""
        kept = [one for one in history or [] if isinstance(one, str)]
        if query and query.strip() and len(query) <= LONGEST_REMEMBERED:
            kept = [query, *(one for one in kept if one != query)][:QUERIES_REMEMBERED]
        return kept, gr.Dataset(samples=[[one] for one in kept], visible=bool(kept))

    def recall(self, history: list[str] | None) -> Any:  # noqa: ANN401 - an update
        """As ``remember``, of a page that was opened again."""
        return self.remember(None, history)[1]

    def open(self, index: str | None) -> tuple[Any, ...]:
        """The state of an index, which begins to load."""
        return self._state(self.answers.open(index or ""), index or "")

    def tick(self, index: str | None) -> tuple[Any, ...]:
        """The state of an index, looked at again while it changes; its columns once they are known."""
        return self._state(self.answers.get_status(index or ""), index or "")

    def _state(self, status: Status, index: str) -> tuple[Any, ...]:
        ready = status.stage == "ready"
        facts = self.answers.get_facts_html(index) if ready else ""
        names = [column["name"] for column in self.answers.get_columns(index)] if ready else []
        timer = gr.Timer(active=status.stage in ("loading", "indexing"))
        return status_html(status) + facts, timer, gr.Dropdown(choices=names, value=None), gr.Row(visible=bool(names))

    def choose_column(self, index: str | None, name: str | None) -> tuple[Any, Any]:
        """What a column can be compared by and with."""
        column = self._column(index, name)
        if column is None:
            return gr.Dropdown(choices=[], value=None), gr.Dropdown(choices=[], value=None)
        operators = OPERATORS[column["kind"]]
        values = column["values"] or []
        return gr.Dropdown(choices=operators, value=operators[0]), gr.Dropdown(choices=values, value=None)

    def add(
        self, index: str | None, name: str | None, operator: str | None, value: str | None, filter_text: str | None
    ) -> Any:  # noqa: ANN401 - an update
        """The filter with a condition more; above it what is missing for one."""
        try:
            if (column := self._column(index, name)) is None:
                raise InvalidInput("choose a column of the index first.")
            text = add_condition(filter_text or "", column, operator or "=", str(value or ""))
        except ColbertKitError as error:
            # The page shows no errors of handlers.
            return gr.Textbox(info=f"{str(error)[:1].upper()}{str(error)[1:]} {FILTER_INFO}.")
        return gr.Textbox(value=text, info=FILTER_INFO)

    def _column(self, index: str | None, name: str | None) -> dict[str, Any] | None:
        return next((one for one in self.answers.get_columns(index or "") if one["name"] == name), None)


def _named(hows: Sequence[str] | None) -> str:
    return ",".join(how for how in HOWS if how in (hows or ())) or "colbert"
