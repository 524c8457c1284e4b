"""The train panel: data, model, recipe, where it runs and what that costs; a look at it all; the launch."""

from __future__ import annotations

from typing import Any

import gradio as gr

from colbert_kit.app.actor import Place, find_place
from colbert_kit.app.job_area import JobArea
from colbert_kit.app.job_handlers import AT_HUB, HERE, TIMEOUTS, JobHandlers
from colbert_kit.app.jobs_panel import NOT_HERE
from colbert_kit.app.launching_training import LOSSES, TrainingDesk
from colbert_kit.app.render import message_html
from colbert_kit.app.signing_in import add_sign_in
from colbert_kit.app.train_handlers import DEMO, FOLDER, REPOSITORY, TrainHandlers
from colbert_kit.app.training_data import SUFFIXES

__all__ = ["add_train_panel"]

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
EXPLAINED = (
    "Contrastive learns from pairs: each query's own document against those of the other rows in a batch, and against "
    "negatives where there are some. Distillation and margin MSE need a teacher's scores of several documents a query."
)


def add_train_panel(page: gr.Blocks, desk: TrainingDesk) -> None:
    """Add the panel.

    Args:
        page: The page around it.
        desk: Takes forms to jobs.
    """
    place, do = find_place(), TrainHandlers(desk)
    if place == "server":
        gr.HTML(message_html(NOT_HERE), padding=False)
        return
    add_sign_in()
    rows, roles = _data(do)
    model = _model(do, place)
    recipe = _recipe(do)
    where, namespace, name, cost = _place(do, place, page)
    form = [rows, *roles, *model, *recipe, where, namespace, name]
    _launch(do, form, cost, JobHandlers(desk.jobs))


def _heading(text: str) -> None:
    gr.HTML(f'<h2 class="ck-step">{text}</h2>', padding=False, elem_classes="ck-heading")


def _data(do: TrainHandlers) -> tuple[gr.State, list[Any]]:
    _heading("1. Data")
    rows = gr.State(None)
    with gr.Row():
        file = gr.File(
            label="Rows with a query and what answers it: .jsonl, .csv, .tsv, .parquet",
            file_types=list(SUFFIXES), height=150, scale=3, elem_id="train-file",
        )  # fmt: skip
        with gr.Column(scale=2, min_width=260):
            dataset = gr.Textbox(
                label="or a dataset of the Hub",
                placeholder="owner/name or owner/name:configuration",
                elem_id="train-dataset",
            )
            with gr.Row():
                split = gr.Textbox(label="Split", value="train", min_width=90, elem_id="train-split")
                read = gr.Button("Read it", min_width=110, elem_id="train-read")
    note = gr.HTML(elem_id="train-data-note", padding=False)
    with gr.Row():
        query = gr.Dropdown([], label="Query", min_width=150, elem_id="train-query")
        positive = gr.Dropdown([], label="What answers it", min_width=150, elem_id="train-positive")
        negatives = gr.Dropdown(
            [], label="What does not (negatives)", multiselect=True, min_width=200, elem_id="train-negatives"
        )
        scores = gr.Dropdown([], label="A teacher's scores", min_width=150, elem_id="train-scores")
    roles = [query, positive, negatives, scores]
    seen = [rows, note, *roles]
    file.change(do.upload, file, seen, **QUIET)
    for event in (read.click, dataset.submit):
        event(do.dataset, [dataset, split], seen, **QUIET, concurrency_limit=2, concurrency_id="look at data")
    return rows, roles


def _model(do: TrainHandlers, place: Place) -> list[Any]:
    _heading("2. Model to begin with")
    kinds = [DEMO, REPOSITORY, FOLDER] if place == "local" else [REPOSITORY]
    with gr.Row(equal_height=True):
        kind = gr.Radio(kinds, value=kinds[0], label="Model", elem_id="train-model-kind", min_width=320)
        name = gr.Textbox(
            label="Repository", visible=place != "local", min_width=260, elem_id="train-model",
            info="A late-interaction checkpoint, or any encoder, which gets a projection",
        )  # fmt: skip
    kind.input(do.choose_model, kind, name, **QUIET)
    return [kind, name]


def _recipe(do: TrainHandlers) -> list[Any]:
    _heading("3. Recipe")
    loss = gr.Dropdown(
        [(text, name) for name, text in LOSSES.items()], value="contrastive", label="Loss", info=EXPLAINED,
        elem_id="train-loss",
    )  # fmt: skip
    with gr.Row():
        epochs = gr.Number(1, label="Epochs", info="Times each row is seen", minimum=0.01, maximum=100, min_width=150,
                           elem_id="train-epochs")  # fmt: skip
        batch = gr.Number(
            32, label="Batch", info="Rows a step; more is better, up to about 128", precision=0, minimum=2,
            maximum=1024, min_width=150, elem_id="train-batch",
        )  # fmt: skip
        rate = gr.Dropdown(
            ["3e-6", "1e-5", "3e-5", "1e-4"], value="1e-5", label="Learning rate", info="3e-6 to 3e-5 is usual",
            allow_custom_value=True, min_width=150, elem_id="train-rate",
        )  # fmt: skip
        mini = gr.Number(
            32, label="Texts in memory at once", info="Fewer need less memory, and give the same", precision=0,
            minimum=1, maximum=1024, visible=False, min_width=150, elem_id="train-mini",
        )  # fmt: skip
    loss.input(do.choose_loss, loss, mini, **QUIET)
    return [loss, epochs, batch, rate, mini]


def _place(do: TrainHandlers, place: Place, page: gr.Blocks) -> tuple[Any, Any, Any, list[Any]]:
    _heading("4. Where it runs, and what that costs")
    places = [HERE, AT_HUB] if place == "local" else [AT_HUB]
    with gr.Row(equal_height=True):
        where = gr.Radio(places, value=places[0], label="Train on", elem_id="train-where", min_width=260)
        name = gr.Textbox("my-model", label="Name of the new model", min_width=180, elem_id="train-name")
        namespace = gr.Dropdown([], label="In the name of", visible=False, min_width=150, elem_id="train-namespace")
    with gr.Row():
        flavor = gr.Dropdown([], label="Machine", visible=False, min_width=260, scale=2, elem_id="train-flavor")
        timeout = gr.Dropdown(
            TIMEOUTS, value=7200, label="Ended after, at the latest", min_width=150, elem_id="train-timeout"
        )
    cost = gr.HTML(elem_id="train-cost", padding=False)
    agreed = gr.Checkbox(label="I agree to the cost", visible=False, container=False, elem_id="train-agree")
    usd = gr.State(0.0)
    for event in (where.input, namespace.input, flavor.input, timeout.input, page.load):
        event(do.choose_place, [where, namespace, flavor, timeout], [namespace, flavor, cost, agreed, usd], **QUIET)
    return where, namespace, name, [agreed, usd, flavor, timeout]


def _launch(do: TrainHandlers, form: list[Any], cost: list[Any], handlers: JobHandlers) -> None:
    _heading("5. Look at it, then launch")
    checked = gr.State(None)
    with gr.Row():
        check = gr.Button("Check it", variant="primary", min_width=150, elem_id="train-check")
        launch = gr.Button("Launch the training", min_width=150, elem_id="train-launch")
    findings = gr.HTML(elem_id="train-findings", padding=False)
    preview = gr.HTML(elem_id="train-preview", padding=False)
    config = gr.Code(
        language="yaml", label="What colbert-kit train takes", interactive=False, visible=False, lines=8, max_lines=16,
        buttons=["copy", "download"], elem_id="train-config",
    )  # fmt: skip
    launched = gr.HTML(elem_id="train-launched", padding=False)
    area = JobArea(handlers, "train", is_empty=True)
    # One model at a time is in memory for this, however many look.
    check.click(
        do.check,
        form,
        [checked, findings, preview, config, launched],
        concurrency_limit=1,
        concurrency_id="examine",
        **QUIET,
    )
    area.follow(launch.click(do.launch, [checked, *cost, *form], [area.key, launched], **QUIET))
