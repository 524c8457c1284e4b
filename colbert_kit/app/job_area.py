"""One job on the page: its state, log and curves, looked at while it runs; buttons that end it or launch it again."""

from __future__ import annotations

from typing import Any

import gradio as gr

from colbert_kit.app.job_handlers import CHOOSE, TIMEOUTS, JobHandlers

__all__ = ["JobArea"]

SECONDS_BETWEEN_LOOKS = 2.0


class JobArea:
    """The widgets; made inside a panel.

    Args:
        handlers: What they call.
        name: Before the ids of its elements.
        is_empty: Whether it says nothing as long as there is no job.
    """

    def __init__(self, handlers: JobHandlers, name: str, *, is_empty: bool = False) -> None:
        self.handlers = handlers
        self.key = gr.State(None)
        self.usd = gr.State(0.0)
        self.cancel = gr.Button("Cancel this job", variant="stop", size="sm", visible=False, elem_id=f"{name}-cancel")
        with gr.Row(visible=False, equal_height=True) as self.once_more:
            self.timeout = gr.Dropdown(
                TIMEOUTS, value=7200, label="Ended after", visible=False, min_width=150, elem_id=f"{name}-timeout-again"
            )
            self.agreed = gr.Checkbox(
                label="I agree to the cost", visible=False, container=False, elem_id=f"{name}-agree-again"
            )
            self.button = gr.Button("Launch it again", size="sm", min_width=140, elem_id=f"{name}-again")
        self.detail = gr.HTML("" if is_empty else CHOOSE, elem_id=f"{name}-job", padding=False)
        self.timer = gr.Timer(SECONDS_BETWEEN_LOOKS, active=False)
        self.shown = [self.detail, self.timer, self.cancel, self.once_more]
        self._wire()

    def follow(self, event: Any, **settings: Any) -> Any:  # noqa: ANN401 - an event of Gradio's
        """After an event that has set ``key``: show that job, and what launching it again would ask for."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", **settings}
        shown = event.then(self.handlers.show, self.key, self.shown, **quiet)
        return shown.then(self.handlers.offer, [self.key, self.timeout], [self.timeout, self.agreed, self.usd], **quiet)

    def _wire(self) -> None:
        do = self.handlers
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        offered = [self.timeout, self.agreed, self.usd]
        # Of its own count, so that looks at slow jobs do not keep searches waiting.
        self.timer.tick(do.show, self.key, self.shown, concurrency_limit=8, concurrency_id="look at jobs", **quiet)
        canceled = self.cancel.click(do.cancel, self.key, self.shown, **quiet)
        self.timeout.input(do.offer, [self.key, self.timeout], offered, **quiet)
        asked = [self.key, self.timeout, self.agreed, self.usd]
        # What is offered comes with the answer: an event after it would undo a tick made meanwhile.
        again = self.button.click(do.again, asked, [self.key, *self.shown, *offered], **quiet)
        self.changed = [canceled, again]
        """After these there is another job, or one has ended."""
