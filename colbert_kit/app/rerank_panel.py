"""The rerank panel and its API endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from colbert_kit.app.engine import Engine
from colbert_kit.app.render import message_html, reranked_html
from colbert_kit.app.service import MAX_CANDIDATES, Found, Service
from colbert_kit.errors import ColbertKitError

__all__ = ["build_rerank_panel"]

BM25_CANDIDATES = 100
ROWS_SHOWN = 20

EXAMPLE_QUERY = "how do plants make sugar from light?"
EXAMPLE_CANDIDATES = """Sugar cane is harvested by machine in Brazil and Australia.
Photosynthesis turns carbon dioxide and water into glucose in the chloroplasts.
The light of the sun takes eight minutes to reach the Earth.
Leaves absorb sunlight with chlorophyll, and store the energy as carbohydrates."""


class _Handlers:
    """What the panel's events call."""

    def __init__(self, service: Service | Engine) -> None:
        self.service = service

    def rerank(self, query: str, candidates: list[str], k: int = 10) -> list[dict[str, Any]]:
        """Order candidate texts by how well they answer a query.

        Args:
            query: The query.
            candidates: The texts, at most 200.
            k: Hits at most.

        Returns:
            Hits, best first: rank, previous rank (the place in the list given, from 1), score, text.
        """
        try:
            found = self.service.rerank(query, candidates, int(k))
        except ColbertKitError as error:
            raise gr.Error(str(error)) from error
        return [
            {"rank": hit.rank, "previous_rank": found.previous[hit.id], "score": hit.score, "text": hit.text}
            for hit in found.hits
        ]

    # A box that was emptied may give None.
    def show_pasted(self, query: str | None, candidates: str | None) -> Iterator[str]:
        """Pasted candidates in their new order, as HTML."""
        yield from self._shown(lambda: self.service.rerank(query or "", (candidates or "").splitlines()))

    def show_bm25(self, query: str | None) -> Iterator[str]:
        """BM25's candidates in their new order, as HTML."""
        yield from self._shown(lambda: self.service.rerank_bm25(query or "", ROWS_SHOWN, BM25_CANDIDATES))

    def _shown(self, work: Callable[[], Found]) -> Iterator[str]:
        if self.service.status.stage == "loading":
            yield '<p class="ck-message" role="status">The model is loading; this begins as soon as it can.</p>'
        try:
            yield reranked_html(work())
        except ColbertKitError as error:
            yield message_html(str(error))


def build_rerank_panel(service: Service | Engine) -> gr.Blocks:
    """The panel: a query and candidates, pasted or from BM25; the order before and after."""
    handlers = _Handlers(service)
    encoding: dict[str, Any] = {"concurrency_limit": 4, "concurrency_id": "encode"}
    with gr.Blocks() as panel:
        query = gr.Textbox(label="Query", value=EXAMPLE_QUERY, elem_id="rerank-query")
        candidates = gr.Textbox(
            label="Candidates",
            info=f"One a line, at most {MAX_CANDIDATES}",
            lines=6,
            max_lines=16,
            value=EXAMPLE_CANDIDATES,
            elem_id="candidates",
        )
        with gr.Row():
            pasted = gr.Button("Rerank these", variant="primary", elem_id="rerank")
            bm25 = gr.Button(f"Rerank BM25's top {BM25_CANDIDATES} instead", elem_id="rerank-bm25")
        results = gr.HTML(elem_id="reranked", padding=False)
        pasted.click(handlers.show_pasted, [query, candidates], results, api_visibility="private", **encoding)
        bm25.click(handlers.show_bm25, query, results, api_visibility="private", **encoding)
        gr.api(handlers.rerank, api_name="rerank", **encoding)
    return panel
