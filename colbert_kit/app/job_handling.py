"""What panels that start jobs of this machine have in common: who may, starting, looking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from colbert_kit import runners
from colbert_kit.app.actor import Actor, resolve_actor
from colbert_kit.app.local_jobs import JobView, LocalJobs
from colbert_kit.app.render import message_html
from colbert_kit.errors import ColbertKitError

__all__ = ["look_at_job", "owner_of_machine", "start_job"]


def owner_of_machine(what: str) -> Actor:
    """The one who acts, if this is their machine.

    Args:
        what: For the message: ``"Indexing"``.

    Raises:
        InvalidInput: It is not.
    """
    actor = resolve_actor(stored_token=runners.login_token())
    actor.require_machine(what)
    return actor


def start_job(what: str, start: Callable[[Actor], str]) -> tuple[Any, Any, Any]:
    """Start a job.

    Args:
        what: As ``owner_of_machine``.
        start: Starts it, and gives its id.

    Returns:
        What becomes of the state with the id, the HTML about the job, and the timer.
    """
    try:
        job_id = start(owner_of_machine(what))
    except ColbertKitError as error:
        return gr.skip(), message_html(str(error)), gr.skip()
    return job_id, '<p class="ck-status" role="status">Starting …</p>', gr.Timer(active=True)


def look_at_job(
    jobs: LocalJobs, job_id: str | None, show: Callable[[JobView], str]
) -> tuple[JobView | None, tuple[Any, Any, Any]]:
    """A job, and what becomes of the HTML about it, the timer and the button that cancels it."""
    if job_id is None:
        return None, (gr.skip(), gr.Timer(active=False), gr.Button(visible=False))
    try:
        owner_of_machine("A job")
        view = jobs.look(job_id)
    except ColbertKitError as error:
        return None, (message_html(str(error)), gr.Timer(active=False), gr.Button(visible=False))
    goes_on = not view.is_final
    return view, (show(view), gr.Timer(active=goes_on), gr.Button(visible=goes_on))
