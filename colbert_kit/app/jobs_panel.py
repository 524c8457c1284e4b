"""The jobs panel: what was launched here and at the Hub, found again whenever the page is opened."""

from __future__ import annotations

from typing import Any

import gradio as gr

from colbert_kit.app.actor import find_place
from colbert_kit.app.job_area import JobArea
from colbert_kit.app.job_handlers import AT_HUB, HERE, JobHandlers
from colbert_kit.app.job_list import JobList
from colbert_kit.app.render import message_html
from colbert_kit.app.signing_in import add_sign_in

__all__ = ["NOT_HERE", "add_jobs_panel"]

NOT_HERE = (
    "Training and its jobs need a machine of your own, or a Space that you sign in to: a server that answers others "
    "acts for nobody. Install colbert_kit on your machine and start python app.py."
)


def add_jobs_panel(page: gr.Blocks, jobs: JobList) -> None:
    """Add where, in whose name, the jobs there; below, the chosen one.

    Args:
        page: The page around it.
        jobs: The jobs.
    """
    place, do = find_place(), JobHandlers(jobs)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    if place == "server":
        gr.HTML(message_html(NOT_HERE), padding=False)
        return
    add_sign_in()
    with gr.Row(equal_height=True):
        choices = [HERE, AT_HUB] if place == "local" else [AT_HUB]
        where = gr.Radio(
            choices,
            value=choices[0],
            label="Jobs of",
            visible=place == "local",
            elem_id="jobs-where",
            min_width=240,
        )
        namespace = gr.Dropdown(
            [], label="In the name of", visible=place == "space", allow_custom_value=True, min_width=180,
            elem_id="jobs-namespace",
        )  # fmt: skip
        refresh = gr.Button("Refresh", min_width=110, scale=0, elem_id="jobs-refresh")
    note = gr.HTML(elem_id="jobs-note", padding=False)
    with gr.Row():
        with gr.Column(scale=2, min_width=280):
            listed = gr.Radio([], label="The newest first", visible=False, interactive=True, elem_id="jobs-list")
        with gr.Column(scale=5, min_width=320):
            area = JobArea(do, "jobs")

    # Not the list itself: a fast visitor may have clicked what is not in it any more, which Gradio calls an error.
    asked, answered = [where, namespace, area.key], [namespace, listed, note]
    for event in (page.load, refresh.click, where.input, namespace.input):
        event(do.list, asked, answered, **quiet)
    area.follow(listed.select(_chosen, None, area.key, **quiet))
    # Another job may have been launched, or this one have ended: the list says so.
    for event in area.changed:
        event.then(do.list, asked, answered, **quiet)


def _chosen(event: gr.SelectData) -> str:
    return str(event.value)
