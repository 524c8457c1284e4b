"""The search panel and its API endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from colbert_kit.app.answers import Answers
from colbert_kit.app.render import status_html
from colbert_kit.errors import ColbertKitError

__all__ = ["build_search_panel"]

EXAMPLES = [
    "Vitamin D deficiency is unrelated to birth weight",
    "does aspirin lower the risk of colorectal cancer?",
    "stem cells and tissue repair after a heart attack",
    "antibiotic resistance spreads between bacteria",
]
DEFAULT_K, MOST_HITS = 10, 100


class _Handlers:
    """What the panel's events call."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def search(self, query: str, k: int = DEFAULT_K, filter: str = "", index: str = "") -> list[dict[str, Any]]:
        """Search the index by meaning.

        Args:
            query: The query.
            k: Hits at most.
            filter: Conditions on metadata, as in "year >= 2020 and topic = biology"; empty for none.
            index: A folder or a repository; the page's own if empty.

        Returns:
            Hits, best first: rank, id, score, text, metadata.
        """
        try:
            return self.answers.search(query, int(k), filter, index)
        except ColbertKitError as error:
            raise gr.Error(str(error)) from error

    def show(
        self, query: str | None, k: float = DEFAULT_K, filter_text: str | None = "", index: str | None = ""
    ) -> Iterator[str]:
        """The hits as HTML, after a word on the wait where there is nothing to search yet."""
        status = self.answers.get_status(index or "")
        if status.stage == "loading" or (status.stage == "indexing" and not status.searchable):
            yield '<p class="ck-message" role="status">Your search begins as soon as it can.</p>'
        # A box that was never touched gives None.
        yield self.answers.search_html(query or "", int(k), filter_text or "", index or "")

    def show_example(self, query: str) -> Iterator[str]:
        """The hits of an example, whatever the options say."""
        yield from self.show(query)

    def fill(self, request: gr.Request) -> list[Any]:
        """What a link says: query, hits, filter, index."""
        given = request.query_params
        k = given.get("k", "")
        hits = min(max(int(k), 1), MOST_HITS) if k.isascii() and k.isdigit() else None
        # What it does not say may not be written: a fast visitor has begun to type.
        return [value or gr.skip() for value in (given.get("q"), hits, given.get("filter"), given.get("index"))]

    def tick(self, index: str | None) -> tuple[str, gr.Timer]:
        """The state of the index, looked at again while it changes."""
        status = self.answers.get_status(index or "")
        return status_html(status), gr.Timer(active=status.stage in ("loading", "indexing"))


def build_search_panel(answers: Answers, *, is_demo: bool) -> gr.Blocks:
    """The panel: query, number of hits, filter; cards with scores, timings and explanations; the demo's examples."""
    handlers = _Handlers(answers)
    encoding: dict[str, Any] = {"concurrency_limit": 4, "concurrency_id": "encode"}
    with gr.Blocks() as panel:
        with gr.Row(equal_height=True):
            query = gr.Textbox(
                label="Query", placeholder="Ask in your own words", scale=5, autofocus=True, elem_id="query"
            )
            button = gr.Button("Search", variant="primary", scale=1, min_width=110, elem_id="search")
        results = gr.HTML(elem_id="results", padding=False, render=False)
        gr.Examples(
            [[example] for example in EXAMPLES],
            inputs=[query],
            outputs=results,
            fn=handlers.show_example,
            run_on_click=True,
            cache_examples=False,
            label="Try one",
            api_visibility="private",
            visible=is_demo,
        )
        with gr.Accordion("Options", open=False):
            k = gr.Slider(1, MOST_HITS, value=DEFAULT_K, step=1, label="Hits", elem_id="hits")
            info = "Conditions on metadata, as in: year >= 2020 and topic = biology"
            filter_text = gr.Textbox(label="Filter", info=info, elem_id="filter")
            info = "A folder of this machine, or a repository on the Hub, as in: me/my-index"
            index = gr.Textbox(label="Index", info=info, placeholder="The page's own", elem_id="index")
        status = gr.HTML(elem_id="status", padding=False)
        results.render()
        timer = gr.Timer(1.0)
        filled = panel.load(handlers.fill, outputs=[query, k, filter_text, index], api_visibility="private")
        for trigger in (filled.then, timer.tick, index.submit, index.blur):
            trigger(
                handlers.tick, index, [status, timer], show_progress="hidden", queue=False, api_visibility="private"
            )
        for trigger in (button.click, query.submit):
            trigger(handlers.show, [query, k, filter_text, index], results, api_visibility="private", **encoding)
        gr.api(handlers.search, api_name="search", **encoding)
    return panel
