"""The search panel and its API endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from colbert_kit.app.render import hits_html, message_html, status_html
from colbert_kit.app.service import Service, Status
from colbert_kit.errors import ColbertKitError

__all__ = ["build_search_panel"]

EXAMPLES = [
    "Vitamin D deficiency is unrelated to birth weight",
    "does aspirin lower the risk of colorectal cancer?",
    "stem cells and tissue repair after a heart attack",
    "antibiotic resistance spreads between bacteria",
]


def build_search_panel(service: Service) -> gr.Blocks:  # noqa: C901 - handlers are closures over the service
    """The panel: query, number of hits, filter; cards with scores, timings and explanations."""

    def search(query: str, k: int = 10, filter: str = "") -> list[dict[str, Any]]:
        """Search the index by meaning.

        Args:
            query: The query.
            k: Hits at most.
            filter: Conditions on metadata, as in "year >= 2020 and topic = biology"; empty for none.

        Returns:
            Hits, best first: rank, id, score, text, metadata.
        """
        try:
            found = service.search(query, int(k), filter, explain=False)
        except ColbertKitError as error:
            raise gr.Error(str(error)) from error
        return [
            {"rank": hit.rank, "id": hit.id, "score": hit.score, "text": hit.text, "metadata": hit.metadata}
            for hit in found.hits
        ]

    def show(query: str | None, k: float, filter_text: str | None) -> Iterator[str]:
        if service.status.stage == "loading" or (service.status.stage == "indexing" and service.status.done == 0):
            yield f'{status_html(service.status)}<p class="ck-message">Your search begins as soon as it can.</p>'
        try:
            # A box that was never touched gives None.
            yield hits_html(query or "", service.search(query or "", int(k), filter_text or ""))
        except ColbertKitError as error:
            yield message_html(str(error))

    def show_example(query: str) -> Iterator[str]:
        yield from show(query, 10, "")

    def fill(request: gr.Request) -> Any:  # noqa: ANN401 - a text or Gradio's "leave it"
        # Without ?q= nothing may be written: a fast visitor has begun to type.
        return request.query_params.get("q") or gr.skip()

    def tick() -> tuple[str, gr.Timer]:
        status: Status = service.status
        return status_html(status), gr.Timer(active=status.stage in ("loading", "indexing"))

    with gr.Blocks() as panel:
        with gr.Row(equal_height=True, elem_classes="ck-query"):
            query = gr.Textbox(
                label="Query", placeholder="Ask in your own words", scale=5, autofocus=True, elem_id="query"
            )
            button = gr.Button("Search", variant="primary", scale=1, min_width=110, elem_id="search")
        results = gr.HTML(elem_id="results", padding=False, render=False)
        gr.Examples(
            [[example] for example in EXAMPLES],
            inputs=[query],
            outputs=results,
            fn=show_example,
            run_on_click=True,
            cache_examples=False,
            label="Try one",
            api_visibility="private",
        )
        with gr.Accordion("Options", open=False):
            k = gr.Slider(1, 100, value=10, step=1, label="Hits", elem_id="hits")
            filter_text = gr.Textbox(
                label="Filter", info="Conditions on metadata, as in: year >= 2020 and topic = biology", elem_id="filter"
            )
        status = gr.HTML(elem_id="status", padding=False)
        results.render()
        timer = gr.Timer(1.0)
        for trigger in (panel.load, timer.tick):
            trigger(tick, outputs=[status, timer], show_progress="hidden", queue=False, api_visibility="private")
        for trigger in (button.click, query.submit):
            trigger(
                show,
                [query, k, filter_text],
                results,
                concurrency_limit=4,
                concurrency_id="encode",
                api_visibility="private",
            )
        panel.load(fill, outputs=query, api_visibility="private")
        gr.api(search, api_name="search", concurrency_limit=4, concurrency_id="encode")
    return panel
