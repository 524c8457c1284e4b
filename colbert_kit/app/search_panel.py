"""The search panel and its API endpoints."""

from __future__ import annotations

from typing import Any

import gradio as gr

from colbert_kit.app.actor import resolve_actor
from colbert_kit.app.answers import Answers
from colbert_kit.app.ranking import HOWS
from colbert_kit.app.scripts import COPY, HEATMAPS, PAGE_URL, SHOW_LINK
from colbert_kit.app.search_handlers import DEFAULT_K, FILTER_INFO, MAX_K, SearchHandlers

__all__ = ["add_search_panel"]

EXAMPLES = [
    "Vitamin D deficiency is unrelated to birth weight",
    "does aspirin lower the risk of colorectal cancer?",
    "stem cells and tissue repair after a heart attack",
    "antibiotic resistance spreads between bacteria",
]
ENCODING: dict[str, Any] = {"concurrency_limit": 4, "concurrency_id": "encode", "api_visibility": "private"}
QUIET: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}


def add_search_panel(page: gr.Blocks, answers: Answers, *, is_demo: bool) -> None:
    """Add query, index, ways to rank, filter; cards with timings and explanations; a link and programs."""
    handlers = SearchHandlers(answers)

    def heatmap(what: str) -> str:
        return answers.heatmap_html(what)

    with gr.Row(equal_height=True):
        query = gr.Textbox(label="Query", placeholder="Type a query", scale=5, autofocus=True, elem_id="query")
        button = gr.Button("Search", variant="primary", scale=1, min_width=110, elem_id="search")
    examples = _queries(query, EXAMPLES, "Try one, of the demo index", "examples", visible=is_demo)
    recent = _queries(query, [], "Your last queries", "recent", visible=False)
    history = gr.BrowserState([], storage_key="colbert_kit.queries", secret="colbert_kit")
    with gr.Row():
        index, hows = _index_box(), _how_box()
    k, filter_text, columns = _build_options(handlers, index)
    status = gr.HTML(elem_id="status", padding=False)
    # Above the hits: nobody finds it below a hundred of them.
    with gr.Accordion("Share: link, Python, command line, curl", open=False, elem_id="share"):
        link = gr.Textbox(
            label="Link to this search", info="Search first. A link with 127.0.0.1 opens on this machine alone",
            interactive=False, buttons=["copy"], max_lines=1, elem_id="link",
        )  # fmt: skip
        programs = gr.HTML(elem_id="programs", padding=False, js_on_load=COPY)
    results = gr.HTML(elem_id="results", padding=False, js_on_load=HEATMAPS, server_functions=[heatmap])
    url = gr.Textbox(visible="hidden", show_label=False, elem_id="page-url")
    timer, is_linked = gr.Timer(1.0), gr.State(False)

    settings = [query, k, filter_text, hows, index]
    state = [status, timer, *columns]

    def follow(search: Any) -> None:  # noqa: ANN401 - what an event gives
        shared = search.then(handlers.share, [url, *settings], [link, programs], **QUIET)
        shared.then(None, link, None, js=SHOW_LINK, **QUIET)
        shared.then(handlers.remember, [query, history], [history, recent], **QUIET)

    for trigger in (button.click, query.submit):
        follow(trigger(handlers.show, settings, results, **ENCODING))
    for asked in (examples, recent):
        chosen = asked.click(lambda sample: sample[0], asked, query, **QUIET)
        follow(chosen.then(handlers.show, settings, results, **ENCODING))
    for trigger in (index.submit, index.blur):
        trigger(handlers.open, index, state, **QUIET)
    timer.tick(handlers.tick, index, state, **QUIET)
    page.load(None, None, url, js=PAGE_URL, **QUIET)
    page.load(handlers.recall, history, recent, **QUIET)
    filled = page.load(handlers.fill, None, [is_linked, *settings], **QUIET)
    filled.then(handlers.open, index, state, **QUIET)
    follow(filled.then(handlers.show_linked, [is_linked, *settings], results, **ENCODING))
    encoding = {name: value for name, value in ENCODING.items() if name != "api_visibility"}
    gr.api(handlers.search, api_name="search", **encoding)
    gr.api(handlers.explain, api_name="explain", **encoding)


def _queries(query: gr.Textbox, queries: list[str], label: str, elem_id: str, *, visible: bool) -> gr.Dataset:
    samples = [[one] for one in queries]
    return gr.Dataset(components=[query], samples=samples, label=label, elem_id=elem_id, visible=visible)


def _index_box() -> gr.Textbox:
    if resolve_actor().may_use_machine:
        info = "One of yours by its name, a folder, or a Hub dataset: owner/name"
    else:
        info = "A public Hub dataset repository: owner/name"
    place = "empty: this page's own"
    return gr.Textbox(label="Index", info=info, placeholder=place, elem_id="index", scale=3, min_width=280, max_lines=1)


def _how_box() -> gr.CheckboxGroup:
    choices = [(name, how) for how, name in HOWS.items()]
    info = "Choose several to see them side by side"
    return gr.CheckboxGroup(
        choices, value=["colbert"], label="Rank by", info=info, elem_id="how", scale=4, min_width=280
    )


def _build_options(handlers: SearchHandlers, index: gr.Textbox) -> tuple[gr.Slider, gr.Textbox, list[Any]]:
    with gr.Accordion("Options: number of hits, filter", open=False, elem_id="options"):
        k = gr.Slider(1, MAX_K, value=DEFAULT_K, step=1, label="Hits", elem_id="hits")
        with gr.Row(equal_height=True, visible=False) as builder:
            column = gr.Dropdown([], label="Column", elem_id="column", min_width=140)
            operator = gr.Dropdown([], label="Operator", elem_id="operator", min_width=110)
            value = gr.Dropdown([], label="Value", allow_custom_value=True, elem_id="value", min_width=140)
            add = gr.Button("Add condition", elem_id="add-condition", min_width=140)
        filter_text = gr.Textbox(label="Filter", info=FILTER_INFO, elem_id="filter")
        column.change(handlers.choose_column, [index, column], [operator, value], **QUIET)
        add.click(handlers.add, [index, column, operator, value, filter_text], filter_text, **QUIET)
    return k, filter_text, [column, builder]
