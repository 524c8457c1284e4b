"""What the events of panels with jobs call: who acts is asked anew in each of them, whatever the browser says."""

from __future__ import annotations

from typing import Any

import gradio as gr

from colbert_kit.app.actor import Actor
from colbert_kit.app.job_list import JobKey, JobList
from colbert_kit.app.jobs_html import job_label, job_view_html
from colbert_kit.app.render import message_html
from colbert_kit.app.who import acting, namespaces_of
from colbert_kit.errors import ColbertKitError, InvalidInput

__all__ = ["AT_HUB", "HERE", "TIMEOUTS", "JobHandlers", "cost_text"]

HERE, AT_HUB = "This machine", "Hugging Face"
TIMEOUTS = [
    ("30 minutes", 1800), ("1 hour", 3600), ("2 hours", 7200), ("4 hours", 14400), ("8 hours", 28800),
    ("24 hours", 86400),
]  # fmt: skip
NOTHING = (
    '<p class="ck-status" role="status">No jobs yet. What you start in this page or with colbert-kit jobs launch '
    "is listed here.</p>"
)
CHOOSE = '<p class="ck-status">Choose a job to see its log and its curves.</p>'

Token, Profile = gr.OAuthToken | None, gr.OAuthProfile | None


def cost_text(usd: float) -> str:
    """What is agreed to, for a box to tick."""
    return f"I agree that this costs up to ${usd:.2f}"


class JobHandlers:
    """What the panels' events call.

    Args:
        jobs: The jobs.
    """

    def __init__(self, jobs: JobList) -> None:
        self.jobs = jobs

    def list(
        self, where: str, namespace: str | None, chosen: str | None, token: gr.OAuthToken | None,
        profile: gr.OAuthProfile | None,
    ) -> tuple[Any, Any, str]:  # fmt: skip
        """The choices of names and of jobs, and a word where there are none."""
        at_hub = where == AT_HUB
        names = gr.Dropdown(visible=at_hub)
        try:
            actor = acting(token, profile)
            if at_hub:
                known = namespaces_of(actor)
                namespace = namespace or known[0]
                names = gr.Dropdown(choices=list(dict.fromkeys([*known, namespace])), value=namespace, visible=True)
            found = self.jobs.jobs(actor, namespace if at_hub else None)
        except ColbertKitError as error:
            return names, gr.Radio(choices=[], value=None, visible=False), message_html(str(error))
        choices = [(job_label(job), str(key)) for key, job in found]
        value = chosen if chosen in [key for _, key in choices] else None
        return names, gr.Radio(choices=choices, value=value, visible=bool(choices)), "" if choices else NOTHING

    def show(
        self, key: str | None, token: gr.OAuthToken | None, profile: gr.OAuthProfile | None
    ) -> tuple[Any, Any, Any, Any]:
        """The job as it stands, whether to look again, and what can be done with it."""
        if not key:
            return gr.skip(), gr.Timer(active=False), gr.Button(visible=False), gr.Row(visible=False)
        try:
            view = self.jobs.look(acting(token, profile), JobKey.parse(key))
        except ColbertKitError as error:
            return message_html(str(error)), gr.Timer(active=False), gr.Button(visible=False), gr.Row(visible=False)
        return (
            job_view_html(view),
            gr.Timer(active=not view.is_over),
            gr.Button(visible=not view.job.is_final),
            gr.Row(visible=view.job.is_final),
        )

    def offer(
        self, key: str | None, timeout: int, token: gr.OAuthToken | None, profile: gr.OAuthProfile | None
    ) -> tuple[Any, Any, float]:
        """What launching it again asks for: at the Hub a timeout, and a yes to what it may cost."""
        try:
            parsed = JobKey.parse(key or "")
            if parsed.namespace is None:
                return gr.Dropdown(visible=False), gr.Checkbox(visible=False, value=False), 0.0
            usd = self.jobs.ceiling(acting(token, profile), parsed, int(timeout))
        except ColbertKitError:
            # What is wrong is said where the job is shown.
            return gr.Dropdown(visible=False), gr.Checkbox(visible=False, value=False), 0.0
        return gr.Dropdown(visible=True), gr.Checkbox(visible=True, value=False, label=cost_text(usd)), usd

    def cancel(
        self, key: str | None, token: gr.OAuthToken | None, profile: gr.OAuthProfile | None
    ) -> tuple[Any, Any, Any, Any]:
        """End it, and show what became of it."""
        try:
            self.jobs.cancel(acting(token, profile), JobKey.parse(key or ""))
        except ColbertKitError as error:
            return message_html(str(error)), gr.skip(), gr.skip(), gr.skip()
        return self.show(key, token, profile)

    def again(
        self, key: str | None, timeout: int, agreed: bool, usd: float, token: gr.OAuthToken | None,
        profile: gr.OAuthProfile | None,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Launch it again, show the new one and offer it; where it was refused, all but the word why stays."""
        try:
            new = self._launch_again(acting(token, profile), JobKey.parse(key or ""), int(timeout), agreed, usd)
        except ColbertKitError as error:
            return gr.skip(), message_html(str(error)), *[gr.skip()] * 6
        key = str(new)
        return key, *self.show(key, token, profile), *self.offer(key, timeout, token, profile)

    def _launch_again(self, actor: Actor, key: JobKey, timeout: int, agreed: bool, usd: float) -> JobKey:
        if key.namespace is None:
            return self.jobs.relaunch(actor, key, None, 0.0)
        if not agreed:
            raise InvalidInput("tick that you agree to what it may cost, then launch it again.")
        return self.jobs.relaunch(actor, key, timeout, usd)
