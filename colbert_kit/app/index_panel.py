"""The index panel: documents in, an index out; add, remove, push."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from colbert_kit.app.actor import find_place
from colbert_kit.app.index_handlers import IndexHandlers
from colbert_kit.app.indexing import Indexing
from colbert_kit.app.uploads import SUFFIXES

__all__ = ["add_index_panel"]

NOT_HERE = (
    "Indexing needs a machine of your own: install colbert_kit there and start python app.py. An index that is on the "
    "Hub can be searched here."
)


def add_index_panel(page: gr.Blocks, indexing: Indexing | None = None) -> None:
    """Add the panel; where somebody else's machine answers, a line that says what to do.

    Args:
        page: The page around it.
        indexing: What it asks.
    """
    if find_place() != "local":
        gr.HTML(f'<p class="ck-message" role="status">{NOT_HERE}</p>', elem_id="index-elsewhere", padding=False)
        return
    _build(page, IndexHandlers(indexing or Indexing()))


def _build(page: gr.Blocks, do: IndexHandlers) -> None:
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    seen, job = gr.State(None), gr.State(None)
    files, dataset, split, read = _source_widgets()
    columns = gr.HTML(do.introduction, elem_id="index-columns", padding=False)
    with gr.Column(visible=False) as plan:
        roles, shape, preview_area, predicted = _plan_widgets()
        with gr.Row():
            name = gr.Textbox(label="Name of the index", scale=3, elem_id="index-name")
            build = gr.Button("Build the index", variant="primary", scale=1, min_width=160, elem_id="index-build")
    state = gr.HTML(elem_id="index-job", padding=False)
    cancel = gr.Button("Cancel", visible=False, size="sm", elem_id="index-cancel")
    with gr.Column(visible=False) as manage:
        index, facts, add, ids, remove, push = _manage_widgets()
    timer = gr.Timer(1.0, active=False)

    looked = [seen, columns, *roles, name, plan]
    choices = [*roles, *shape]
    shown = [preview_area, predicted]
    for event, call, inputs in (
        (files.change, do.look_at_files, [files]),
        (read.click, do.look_at_dataset, [dataset, split]),
        (dataset.submit, do.look_at_dataset, [dataset, split]),
    ):
        event(call, inputs, looked, api_visibility="private").then(do.show, [seen, *choices], shown, **quiet)
    for widget in choices:
        widget.change(do.show, [seen, *choices], shown, trigger_mode="always_last", **quiet)

    started, listed = [job, state, timer], [manage, index, facts, push.name]
    build.click(do.build, [seen, name, *choices], started, **quiet)
    add.click(do.add, [seen, index, *roles, shape[-1]], started, **quiet)
    remove.click(do.remove, [index, ids], started, **quiet)
    timer.tick(do.tick, job, [state, timer, cancel, *listed], queue=False, **quiet)
    cancel.click(do.cancel, job, **quiet)
    page.load(do.restore, outputs=[job, timer, *listed], **quiet)
    index.input(do.choose, index, [facts, push.name], **quiet)

    said = [index, *push.inputs]
    push.owners.click(do.namespaces, outputs=[push.owner, push.card], **quiet)
    push.show.click(do.card, said, push.card, api_visibility="private")
    push.button.click(do.push, said, started, **quiet)


def _source_widgets() -> tuple[gr.File, gr.Textbox, gr.Textbox, gr.Button]:
    with gr.Row():
        files = gr.File(
            label="Your documents: .jsonl, .csv, .tsv, .parquet, .txt",
            file_count="multiple",
            file_types=list(SUFFIXES),
            height=150,
            scale=3,
            elem_id="index-files",
        )
        with gr.Column(scale=2, min_width=260):
            dataset = gr.Textbox(label="or a dataset of the Hub", placeholder="owner/name", elem_id="index-dataset")
            with gr.Row():
                split = gr.Textbox(label="Split", value="train", min_width=90, elem_id="index-split")
                read = gr.Button("Read it", min_width=110, elem_id="index-read")
    return files, dataset, split, read


def _plan_widgets() -> tuple[list[Any], list[Any], gr.HTML, gr.HTML]:
    with gr.Row():
        role_id = gr.Dropdown(label="Ids", choices=[], min_width=150, elem_id="index-role-id")
        text = gr.Dropdown(label="Text", choices=[], min_width=150, elem_id="index-role-text")
        title = gr.Dropdown(label="Title, put before the text", choices=[], min_width=150, elem_id="index-role-title")
        metadata = gr.Dropdown(
            label="Kept to filter by",
            choices=[],
            multiselect=True,
            min_width=220,
            scale=2,
            elem_id="index-role-metadata",
        )
    with gr.Accordion("The first documents", open=True):
        preview_area = gr.HTML(elem_id="index-preview", padding=False)
    with gr.Row():
        model = gr.Textbox(
            label="Model",
            info="A folder or a repository; the demo model where empty",
            scale=2,
            min_width=260,
            elem_id="index-model",
        )
        words = gr.Number(
            value=0,
            precision=0,
            minimum=0,
            label="Passages",
            info="Words of each; 0 keeps documents whole",
            min_width=220,
            elem_id="index-words",
        )
    with gr.Row():
        nbits = gr.Radio(
            [1, 2, 4, 8],
            value=4,
            label="Bits a dimension",
            info="Fewer are smaller",
            min_width=260,
            elem_id="index-nbits",
        )
        pool = gr.Radio(
            [1, 2, 3],
            value=1,
            label="Pool tokens by",
            info="One kept for so many similar ones",
            min_width=260,
            elem_id="index-pool",
        )
    predicted = gr.HTML(elem_id="index-predicted", padding=False)
    return [role_id, text, title, metadata], [model, nbits, pool, words], preview_area, predicted


@dataclass(frozen=True)
class _Push:
    owner: gr.Dropdown
    name: gr.Textbox
    owners: gr.Button
    inputs: list[Any]
    show: gr.Button
    button: gr.Button
    card: gr.HTML


def _manage_widgets() -> tuple[gr.Dropdown, gr.HTML, gr.Button, gr.Textbox, gr.Button, _Push]:
    with gr.Group(elem_classes="ck-manage"):
        index = gr.Dropdown(label="Your indexes", choices=[], elem_id="index-chosen")
    facts = gr.HTML(elem_id="index-facts", padding=False)
    with gr.Accordion("Add or remove documents", open=False):
        add = gr.Button("Add the documents above to this index", elem_id="index-add")
        ids = gr.Textbox(label="Ids to remove", info="One a line", lines=3, elem_id="index-ids")
        remove = gr.Button("Remove these documents", elem_id="index-remove")
    with gr.Accordion("Push to the Hub", open=False):
        push = _push_widgets()
    return index, facts, add, ids, remove, push


def _push_widgets() -> _Push:
    with gr.Row():
        owner = gr.Dropdown(label="Owner", choices=[], allow_custom_value=True, min_width=150, elem_id="push-owner")
        owners = gr.Button("Who am I?", min_width=130, scale=0, elem_id="push-owners")
        name = gr.Textbox(label="Name", min_width=180, scale=2, elem_id="push-name")
    with gr.Row():
        licence = gr.Textbox(label="License of the documents", placeholder="cc-by-4.0", elem_id="push-license")
        language = gr.Textbox(label="Languages", placeholder="en, fr", elem_id="push-language")
        corpus = gr.Textbox(label="What they are", placeholder="a dataset, or words", elem_id="push-corpus")
        model_id = gr.Textbox(
            label="The model's repository", placeholder="where it lies in a folder", elem_id="push-model"
        )
    public = gr.Checkbox(label="Public, for all to see", value=False, elem_id="push-public")
    with gr.Row():
        show = gr.Button("Show the card", elem_id="push-show")
        button = gr.Button("Push", variant="primary", elem_id="push-button")
    card = gr.HTML(elem_id="push-card", padding=False)
    return _Push(owner, name, owners, [owner, name, public, licence, language, corpus, model_id], show, button, card)
