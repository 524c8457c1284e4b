"""The evaluate panel: a model or an index measured, reports opened and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from colbert_kit.app.actor import find_place
from colbert_kit.app.evaluate_render import comparison_html, evaluate_job_html, report_html
from colbert_kit.app.evaluating import DEMO, KIND, Evaluating
from colbert_kit.app.job_handling import look_at_job, owner_of_machine, start_job
from colbert_kit.app.render import message_html
from colbert_kit.app.shelf import Shelf
from colbert_kit.errors import ColbertKitError

__all__ = ["add_evaluate_panel"]

NOT_HERE = (
    "Evaluating needs a machine of your own: install colbert_kit there and start python app.py, or run colbert-kit "
    "jobs launch evaluate."
)
NONE_YET = '<p class="ck-status">No reports yet. Evaluate something above, and its report opens here.</p>'
UNCHANGED: tuple[Any, ...] = (gr.skip(),) * 3


class _Handlers:
    """What the panel's events call."""

    def __init__(self, evaluating: Evaluating, shelf: Shelf) -> None:
        self.evaluating, self.shelf = evaluating, shelf

    def launch(
        self, name: str | None, source: str | None, collections: str | None, nbits: float, exact: bool
    ) -> tuple[Any, ...]:
        """Start an evaluation."""
        return start_job(
            "Evaluating",
            lambda actor: self.evaluating.launch(
                name or "",
                source or "",
                (collections or "").splitlines(),
                nbits=int(nbits),
                exact=bool(exact),
                token=actor.token,
            ),
        )

    def show(self, first: str | None, second: str | None) -> str:
        """A report, or two compared."""
        if not first:
            return NONE_YET
        try:
            owner_of_machine("A report")
            if second and second != first:
                return comparison_html(self.evaluating.compare(first, second), first, second)
            return report_html(self.evaluating.read(first), self.evaluating.plots(first))
        except ColbertKitError as error:
            return message_html(str(error))

    def tick(self, job_id: str | None) -> tuple[Any, ...]:
        """How the job stands; its report, when it has ended."""
        view, updates = look_at_job(self.evaluating.jobs, job_id, evaluate_job_html)
        if view is None or view.state != "COMPLETED":
            return *updates, *UNCHANGED
        return *updates, *self._listed(Path(str(view.result["folder"])).name)

    def cancel(self, job_id: str | None) -> None:
        """End the job."""
        owner_of_machine("A job")
        if job_id is not None:
            self.evaluating.jobs.cancel(job_id)

    def restore(self) -> tuple[Any, ...]:
        """After the page was closed: the job that still runs, what can be evaluated, and the reports."""
        job_id = self.evaluating.jobs.unfinished(KIND)
        return job_id, gr.Timer(active=job_id is not None), gr.Dropdown(choices=self._sources()), *self._listed("")

    def _sources(self) -> list[tuple[str, str]]:
        indexes = [(f"index {name}", str(self.shelf.home / name)) for name in self.shelf.names()]
        return [("the demo model", DEMO), *indexes]

    def _listed(self, name: str) -> tuple[Any, Any, str]:
        names = self.evaluating.names()
        chosen = name if name in names else names[0] if names else None
        others = [("nothing", ""), *((one, one) for one in names)]
        return gr.Dropdown(choices=names, value=chosen), gr.Dropdown(choices=others, value=""), self.show(chosen, "")


def add_evaluate_panel(page: gr.Blocks, evaluating: Evaluating | None = None, shelf: Shelf | None = None) -> None:
    """Add the panel; where somebody else's machine answers, a line that says what to do.

    Args:
        page: The page around it.
        evaluating: What it asks.
        shelf: Where the indexes are that can be chosen.
    """
    if find_place() != "local":
        line = f'<p class="ck-message" role="status">{NOT_HERE}</p>'
        gr.HTML(line, elem_id="evaluate-elsewhere", padding=False)
        return
    _build(page, _Handlers(evaluating or Evaluating(), shelf or Shelf()))


def _build(page: gr.Blocks, do: _Handlers) -> None:
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    job = gr.State(None)
    settings, launch = _settings()
    state = gr.HTML(elem_id="evaluate-job", padding=False)
    cancel = gr.Button("Cancel", visible=False, size="sm", elem_id="evaluate-cancel")
    with gr.Row():
        first = gr.Dropdown(label="Report", choices=[], min_width=220, elem_id="evaluate-first")
        second = gr.Dropdown(
            label="Compare it with", choices=[("nothing", "")], min_width=220, elem_id="evaluate-second"
        )
    shown = gr.HTML(elem_id="evaluate-report", padding=False)
    timer = gr.Timer(1.0, active=False)

    source = settings[1]
    listed = [first, second, shown]
    launch.click(do.launch, settings, [job, state, timer], **quiet)
    timer.tick(do.tick, job, [state, timer, cancel, *listed], queue=False, **quiet)
    cancel.click(do.cancel, job, **quiet)
    page.load(do.restore, outputs=[job, timer, source, *listed], **quiet)
    for choice in (first, second):
        choice.input(do.show, [first, second], shown, api_visibility="private")


def _settings() -> tuple[list[Any], gr.Button]:
    with gr.Row():
        source = gr.Dropdown(
            label="Model or index",
            info="Choose one, or type the folder or the Hub repository of a model",
            choices=[("the demo model", DEMO)],
            value=DEMO,
            allow_custom_value=True,
            min_width=260,
            elem_id="evaluate-source",
        )
        collections = gr.Textbox(
            label="Collections",
            info="One a line: scifact, nanobeir/nq … of the Hub, or a BEIR folder: it has corpus.jsonl, "
            "queries.jsonl and qrels",
            placeholder="scifact",
            lines=2,
            min_width=260,
            elem_id="evaluate-collections",
        )
    with gr.Row():
        nbits = gr.Radio(
            [1, 2, 4, 8],
            value=4,
            label="Bits a dimension",
            info="Of the index that a model is given",
            elem_id="evaluate-nbits",
        )
        exact = gr.Checkbox(
            label="Exact MaxSim too",
            info="Tells what compression costs; takes longer",
            value=True,
            elem_id="evaluate-exact",
        )
        name = gr.Textbox(
            label="Name of the report",
            info="Empty: made of the model and the collections",
            min_width=220,
            elem_id="evaluate-name",
        )
    launch = gr.Button("Evaluate", variant="primary", elem_id="evaluate")
    return [name, source, collections, nbits, exact], launch
