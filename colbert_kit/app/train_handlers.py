"""What the train panel's events call: boxes' values in, HTML and boxes' new values out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from colbert_kit.app.actor import Actor
from colbert_kit.app.job_handlers import AT_HUB, cost_text
from colbert_kit.app.launching_training import MODELS, Checked, Form, TrainingDesk
from colbert_kit.app.render import escape, message_html
from colbert_kit.app.train_html import cost_html, findings_html, flavor_choices, preview_html, rows_html
from colbert_kit.app.training_data import Roles, Rows, detect_roles, take_dataset, take_file
from colbert_kit.app.who import acting, namespaces_of
from colbert_kit.errors import ColbertKitError, InvalidInput
from colbert_kit.runners import OFFLINE_FLAVORS, Flavor

__all__ = ["DEMO", "FOLDER", "REPOSITORY", "TrainHandlers"]

DEMO, REPOSITORY, FOLDER = "The demo model", "A model of the Hub", "A folder of this machine"
HERE_COSTS = (
    "It costs nothing but this machine's time. Nobody knows how much before it runs: it shows how many of its steps "
    "are done, and can be canceled. Without a GPU begin with few rows."
)
FIRST_MACHINE = "l4x1"
LOOKING = (
    '<p class="ck-status" role="status">Looking at the rows and the model as a training would. This takes a while …</p>'
)


class TrainHandlers:
    """What the panel's events call.

    Args:
        desk: Takes forms to jobs.
    """

    def __init__(self, desk: TrainingDesk) -> None:
        self.desk = desk

    def upload(self, path: str | None, token: gr.OAuthToken | None, profile: gr.OAuthProfile | None) -> tuple[Any, ...]:
        """Take up a file."""
        if not path:
            return None, "", *_no_roles()
        try:
            _may_train(acting(token, profile))
            return _seen(take_file(path))
        except ColbertKitError as error:
            return None, message_html(str(error)), *_no_roles()

    def dataset(
        self, name: str | None, split: str | None, token: gr.OAuthToken | None, profile: gr.OAuthProfile | None
    ) -> Iterator[tuple[Any, ...]]:
        """Take up a dataset of the Hub."""
        yield None, '<p class="ck-status" role="status">Asking the Hub …</p>', *_no_roles()
        try:
            actor = acting(token, profile)
            _may_train(actor)
            yield _seen(self.desk.look(actor, take_dataset(name or "", split or "train")))
        except ColbertKitError as error:
            yield None, message_html(str(error)), *_no_roles()

    def choose_model(self, kind: str) -> Any:  # noqa: ANN401 - gradio's
        """A box for the model's name, where it needs one."""
        label = {REPOSITORY: "Repository", FOLDER: "Folder"}.get(kind, "")
        return gr.Textbox(visible=kind != DEMO, label=label)

    def choose_loss(self, loss: str) -> Any:  # noqa: ANN401 - gradio's
        """A box that cached contrastive alone has."""
        return gr.Number(visible=loss == "cached_contrastive")

    def choose_place(
        self, where: str, namespace: str | None, flavor: str | None, timeout: int, token: gr.OAuthToken | None,
        profile: gr.OAuthProfile | None,
    ) -> tuple[Any, ...]:  # fmt: skip
        """In whose name, on which machine, and what it may cost; on this machine it costs nothing."""
        hidden = (
            gr.Dropdown(visible=False),
            gr.Dropdown(visible=False),
            self._here(acting(token, profile)),
            gr.Checkbox(visible=False, value=False),
            0.0,
        )
        if where != AT_HUB:
            return hidden
        try:
            actor = acting(token, profile)
            names = namespaces_of(actor)
            namespace = namespace if namespace in names else names[0]
            known = self.desk.jobs.flavors(actor, namespace)
            by_name = {one.name: one for one in known}
            machine = by_name.get(flavor or "") or _first(known)
            usd = self.desk.ceiling(actor, namespace, machine.name, int(timeout))
        except ColbertKitError as error:
            # What it would cost is known without the Hub; nothing can be agreed to.
            machine = next((one for one in OFFLINE_FLAVORS if one.name == flavor), None) or _first(OFFLINE_FLAVORS)
            cost = cost_html(machine, int(timeout), machine.ceiling_usd(int(timeout)))
            choices = gr.Dropdown(choices=flavor_choices(OFFLINE_FLAVORS), value=machine.name, visible=True)
            return hidden[0], choices, message_html(str(error)) + cost, *hidden[3:]
        return (
            gr.Dropdown(choices=list(names), value=namespace, visible=True),
            gr.Dropdown(choices=flavor_choices(known), value=machine.name, visible=True),
            cost_html(machine, int(timeout), usd),
            gr.Checkbox(visible=True, value=False, label=cost_text(usd)),
            usd,
        )

    def _here(self, actor: Actor) -> str:
        if not actor.may_use_machine:
            return ""
        models = escape(str(self.desk.home / MODELS))
        return f'<p class="ck-status" role="status">{HERE_COSTS} The model is kept in {models}.</p>'

    def check(
        self, token: gr.OAuthToken | None, profile: gr.OAuthProfile | None, rows: Rows | None, *values: Any,  # noqa: ANN401
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """Look at rows and model, and show what was found."""
        # What the last launch said is no longer so.
        yield None, LOOKING, "", gr.Code(visible=False), ""
        try:
            checked = self.desk.examine(acting(token, profile), _form(rows, *values))
        except ColbertKitError as error:
            yield None, message_html(str(error)), "", gr.Code(visible=False), ""
            return
        yield checked, findings_html(checked), preview_html(checked), gr.Code(value=checked.yaml, visible=True), ""

    def launch(
        self, token: gr.OAuthToken | None, profile: gr.OAuthProfile | None, checked: Checked | None, agreed: bool,
        usd: float, flavor: str | None, timeout: int, rows: Rows | None, *values: Any,  # noqa: ANN401
    ) -> tuple[Any, str]:  # fmt: skip
        """Launch what was looked at."""
        try:
            actor = acting(token, profile)
            if checked is None:
                raise InvalidInput("check it first: what is wrong is then known before it costs anything.")
            if _form(rows, *values) != checked.form:
                raise InvalidInput("the form has changed since it was checked; check it again.")
            if checked.form.namespace is not None and not agreed:
                raise InvalidInput("tick that you agree to what it may cost, then launch it.")
            key = self.desk.launch(
                actor, checked, flavor=flavor or "", timeout_seconds=int(timeout), confirm_usd=usd if agreed else 0.0
            )
        except ColbertKitError as error:
            return gr.skip(), message_html(str(error))
        where = "It goes on when this page is closed; the tab Jobs has it too."
        return str(key), f'<p class="ck-result" role="status">Launched. {where}</p>'


def _first(flavors: Sequence[Flavor]) -> Flavor:
    """The machine that is proposed."""
    return next((one for one in flavors if one.name == FIRST_MACHINE), flavors[0])


def _may_train(actor: Actor) -> None:
    if not actor.may_use_machine:
        actor.require_token("Training")


def _seen(rows: Rows) -> tuple[Any, ...]:
    roles = detect_roles(rows)
    texts = [name for name, kind in rows.kinds if kind in ("text", "list")]
    labels = [("none", ""), *((name, name) for name, kind in rows.kinds if kind in ("number", "list"))]
    return (
        rows,
        rows_html(rows),
        gr.Dropdown(choices=texts, value=roles.query),
        gr.Dropdown(choices=texts, value=roles.positive),
        gr.Dropdown(choices=texts, value=list(roles.negatives)),
        gr.Dropdown(choices=labels, value=roles.scores or ""),
    )


def _no_roles() -> tuple[Any, ...]:
    nothing = gr.Dropdown(choices=[], value=None)
    return nothing, nothing, gr.Dropdown(choices=[], value=[], multiselect=True), nothing


def _form(rows: Rows | None, *values: Any) -> Form:  # noqa: ANN401 - of the boxes, in the panel's order
    """What was chosen, as one thing.

    Raises:
        InvalidInput: Something is missing, or no number.
    """
    query, positive, negatives, scores, kind, model, loss, epochs, batch_size, rate, mini, where, namespace, name = (
        values
    )
    if rows is None:
        raise InvalidInput("there is no data yet; upload a file, or name a dataset of the Hub.")
    if kind != DEMO and not (model or "").strip():
        raise InvalidInput("name the model to begin with.")
    if where == AT_HUB and not namespace:
        raise InvalidInput("sign in to Hugging Face first, as step 4 says; then choose there in whose name it runs.")
    try:
        numbers: dict[str, Any] = {
            "epochs": float(epochs), "batch_size": int(batch_size), "learning_rate": float(rate),
            "mini_batch_size": int(mini),
        }  # fmt: skip
    except (TypeError, ValueError) as error:
        raise InvalidInput("epochs, batch and learning rate are numbers.") from error
    return Form(
        rows,
        Roles(query, positive, tuple(negatives or ()), scores or None),
        model="demo" if kind == DEMO else (model or "").strip(),
        loss=loss,
        name=(name or "").strip() or "my-model",
        namespace=namespace if where == AT_HUB else None,
        **numbers,
    )
