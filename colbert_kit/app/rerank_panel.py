"""The rerank panel and its API endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from colbert_kit.app.answers import BM25_CANDIDATES, Answers
from colbert_kit.app.render import message_html
from colbert_kit.app.reranked import CANDIDATE_SUFFIXES
from colbert_kit.app.scripts import HEATMAPS
from colbert_kit.app.service import MAX_CANDIDATES
from colbert_kit.errors import ColbertKitError

__all__ = ["add_rerank_panel"]

EXAMPLE_QUERY = "how do plants make sugar from light?"
EXAMPLE_CANDIDATES = """Sugar cane is harvested by machine in Brazil and Australia.
Photosynthesis turns carbon dioxide and water into glucose in the chloroplasts.
The light of the sun takes eight minutes to reach the Earth.
Leaves absorb sunlight with chlorophyll, and store the energy as carbohydrates."""


class _Handlers:
    """What the panel's events call."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

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
            return self.answers.rerank(query, candidates, int(k))
        except ColbertKitError as error:
            raise gr.Error(str(error)) from error

    # A box that was emptied may give None.
    def show_pasted(self, query: str | None, candidates: str | None) -> Iterator[str]:
        """Pasted candidates in their new order, as HTML."""
        yield from self._waiting()
        yield self.answers.rerank_html(query or "", (candidates or "").splitlines())

    def show_file(self, query: str | None, path: str | None) -> Iterator[str]:
        """A file's candidates in their new order, as HTML."""
        if path is None:
            yield message_html("there is no file yet; choose one above.")
            return
        yield from self._waiting()
        yield self.answers.rerank_file_html(query or "", path)

    def show_bm25(self, query: str | None, index: str | None = "") -> Iterator[str]:
        """BM25's candidates in their new order, as HTML."""
        yield from self._waiting(index or "")
        yield self.answers.rerank_bm25_html(query or "", index or "")

    def _waiting(self, index: str = "") -> Iterator[str]:
        if self.answers.get_status(index).stage == "loading":
            yield '<p class="ck-message" role="status">The model is loading; this begins as soon as it can.</p>'


def add_rerank_panel(answers: Answers) -> None:
    """Add a query and candidates, pasted, of a file or from BM25; the order before and after."""
    handlers = _Handlers(answers)
    encoding: dict[str, Any] = {"concurrency_limit": 4, "concurrency_id": "encode"}

    def heatmap(what: str) -> str:
        return answers.heatmap_html(what)

    query = gr.Textbox(label="Query", value=EXAMPLE_QUERY, elem_id="rerank-query")
    with gr.Tabs():
        with gr.Tab("Paste"):
            candidates = gr.Textbox(
                label="Candidates",
                info=f"One a line, at most {MAX_CANDIDATES}",
                lines=6,
                max_lines=16,
                value=EXAMPLE_CANDIDATES,
                elem_id="candidates",
            )
            pasted = gr.Button("Rerank these", variant="primary", elem_id="rerank")
        with gr.Tab("Upload"):
            label = f"One a line (.txt), or rows with a column of texts (.jsonl, .csv); at most {MAX_CANDIDATES}"
            file = gr.File(label=label, file_types=list(CANDIDATE_SUFFIXES), height=140, elem_id="candidates-file")
            uploaded = gr.Button("Rerank the file", variant="primary", elem_id="rerank-file")
        with gr.Tab("From an index"):
            info = "A folder or a Hub dataset repository. Empty: the one this page was started with"
            index = gr.Textbox(label="Index", info=info, elem_id="rerank-index", max_lines=1)
            bm25 = gr.Button(f"Rerank BM25's top {BM25_CANDIDATES}", variant="primary", elem_id="rerank-bm25")
    results = gr.HTML(elem_id="reranked", padding=False, js_on_load=HEATMAPS, server_functions=[heatmap])
    pasted.click(handlers.show_pasted, [query, candidates], results, api_visibility="private", **encoding)
    uploaded.click(handlers.show_file, [query, file], results, api_visibility="private", **encoding)
    bm25.click(handlers.show_bm25, [query, index], results, api_visibility="private", **encoding)
    gr.api(handlers.rerank, api_name="rerank", **encoding)
