"""Training as the page launches it: looked at first, in a process of its own; then a job, here or at the Hub.

No Gradio, no torch. Whoever acts, acts with their own token: in a process's environment, or as a job's secret.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colbert_kit import hub, machine, runners
from colbert_kit.app.actor import Actor
from colbert_kit.app.job_list import JobKey, JobList
from colbert_kit.app.training_data import Roles, Rows, keep_upload, slug
from colbert_kit.app.training_process import MODULE, ask, import_path
from colbert_kit.errors import InvalidInput

__all__ = ["LOSSES", "MODELS", "Checked", "Form", "TrainingDesk"]

MODELS = "my-models"
"""Where trainings of this machine leave their models, in the kit's cache folder."""
MOST_AT_ONCE = 4
"""Trainings of a namespace that have not ended: a page that is clicked in by mistake must not spend without end."""

LOSSES = {
    "contrastive": "Contrastive: pairs, with or without negatives",
    "cached_contrastive": "Cached contrastive: the same with batches larger than memory",
    "distillation": "Distillation: a teacher's scores of several documents a query",
    "margin_mse": "Margin MSE: differences of a teacher's scores",
}


@dataclass(frozen=True)
class Form:
    """What a visitor has chosen.

    Args:
        rows: The data.
        roles: What its columns are.
        model: ``"demo"``, a repository or a folder.
        loss: One of ``LOSSES``.
        epochs: As ``TrainingConfig``.
        batch_size: As ``TrainingConfig``.
        learning_rate: As ``TrainingConfig``.
        mini_batch_size: As ``TrainingConfig``, for cached contrastive.
        name: What the trained model is called.
        namespace: In whose name at the Hub; None trains here.
    """

    rows: Rows
    roles: Roles
    model: str = "demo"
    loss: str = "contrastive"
    epochs: float = 1.0
    batch_size: int = 32
    learning_rate: float = 1e-5
    mini_batch_size: int = 32
    name: str = "my-model"
    namespace: str | None = None

    @property
    def push_to(self) -> str | None:
        """The repository of the model."""
        return f"{self.namespace}/{slug(self.name)}" if self.namespace else None

    @property
    def rows_repo(self) -> str | None:
        """The repository that an upload is put into."""
        return f"{self.namespace}/{slug(self.name)}-rows" if self.namespace and self.rows.file else None


@dataclass(frozen=True)
class Checked:
    """A form that was looked at.

    Args:
        form: The form, as it was then.
        yaml: The config.
        config: The same as JSON.
        findings: What ``doctor`` found: level and message.
        rows: The first rows, each a list of its texts as the model will see them, and of its scores.
        num_rows: Rows that were looked at.
        spec: The job, for the Hub.
    """

    form: Form
    yaml: str
    config: str = field(repr=False)
    findings: tuple[Mapping[str, str], ...] = ()
    rows: tuple[Any, ...] = ()
    num_rows: int = 0
    spec: str | None = field(default=None, repr=False)

    @property
    def has_error(self) -> bool:
        """Whether a training would be refused or wasted."""
        return any(one["level"] == "error" for one in self.findings)


class TrainingDesk:
    """Takes forms to jobs.

    Args:
        jobs: Where jobs are launched.
        home: Where uploads and trained models are kept; the kit's cache folder where None.
    """

    def __init__(self, jobs: JobList, home: Path | None = None) -> None:
        self.jobs = jobs
        self.home = home or machine.cache_folder()
        self._launching = threading.Lock()

    def look(self, actor: Actor, rows: Rows) -> Rows:
        """The columns of a Hub dataset.

        Raises:
            ColbertKitError: It is not there, or the actor may not read it.
        """
        if rows.file is not None:
            return rows
        found = ask(actor, "look", {"train": _train_source(rows, None)})
        return dataclasses.replace(rows, kinds=tuple((name, kind) for name, kind in found["kinds"]))

    def examine(self, actor: Actor, form: Form) -> Checked:
        """Look at rows and model as a training would, before anything is launched.

        Raises:
            InvalidInput: Something is missing, or not the actor's to use.
            ColbertKitError: The model or the rows cannot be read, or do not go together.
        """
        form.roles.check()
        if form.loss not in LOSSES:
            raise InvalidInput(f"the recipe is one of {', '.join(LOSSES)}.")
        form, is_folder = _resolved(actor, form)
        if form.namespace is None:
            actor.require_machine("Training on this machine")
        if is_folder:
            actor.require_machine("A model in a folder")
            if form.namespace is not None:
                raise InvalidInput(f"{form.model} is on this machine, and the job is not; push it to the Hub first.")
        file = self._kept(actor, form)
        train = _train_source(form.rows, form.rows_repo or file)
        plan = {
            "values": self._values(form), "train": train, "file": file, "kinds": form.rows.kinds,
            "roles": dataclasses.asdict(form.roles), "push_to": form.push_to,
        }  # fmt: skip
        found = ask(actor, "examine", plan)
        findings, rows = tuple(found["findings"]), tuple(found["rows"])
        return Checked(form, found["yaml"], found["config"], findings, rows, found["num_rows"], found["spec"])

    def ceiling(self, actor: Actor, namespace: str, flavor: str, timeout_seconds: int) -> float:
        """What a training may cost at most: the machine's price times the timeout.

        Raises:
            ColbertKitError: There is no such machine, or nobody has signed in.
        """
        known = {one.name: one for one in self.jobs.flavors(actor, namespace)}
        if flavor not in known:
            raise InvalidInput("choose a machine from the list.")
        return known[flavor].ceiling_usd(timeout_seconds)

    def launch(
        self, actor: Actor, checked: Checked, *, flavor: str = "", timeout_seconds: int, confirm_usd: float = 0.0
    ) -> JobKey:
        """Launch what was looked at; a second click gives the same job.

        Args:
            actor: Who acts.
            checked: What was looked at.
            flavor: The Hub's machine.
            timeout_seconds: The job is ended after so long.
            confirm_usd: What the actor has agreed that it may cost.

        Raises:
            InvalidInput: ``doctor`` found an error, or it may cost more than was agreed to.
            ColbertKitError: The Hub does not help.
        """
        if checked.has_error:
            raise InvalidInput("what was found above would waste the training; mend it and check again.")
        with self._launching:
            if checked.form.namespace is None:
                return self._launch_here(actor, checked, timeout_seconds)
            return self._launch_at_hub(actor, checked, checked.form.namespace, flavor, timeout_seconds, confirm_usd)

    def _launch_here(self, actor: Actor, checked: Checked, timeout_seconds: int) -> JobKey:
        runner = self.jobs.local(actor)
        # A repository of the model's or the rows' may be private.
        secrets = {"HF_TOKEN": actor.token} if actor.token and _is_at_hub(checked.form) else {}
        spec = runners.JobSpec(
            kind="train",
            command=(sys.executable, "-m", MODULE),
            arguments=("train", checked.config),
            timeout_seconds=timeout_seconds,
            environment=import_path(),
            secrets=tuple(secrets),
            labels={"what": slug(checked.form.name)},
        )
        return JobKey(runner.launch(spec, secrets=secrets).id)

    def _launch_at_hub(
        self, actor: Actor, checked: Checked, namespace: str, flavor: str, timeout_seconds: int, confirm_usd: float
    ) -> JobKey:
        token = actor.require_token("Launching a job")
        runner = self.jobs.at_hub(actor, namespace)
        labels = {"what": slug(checked.form.name)}
        spec = runners.JobSpec.from_json(str(checked.spec))
        spec = dataclasses.replace(spec, flavor=flavor, timeout_seconds=timeout_seconds, labels=labels)
        ceiling = runner.cost_ceiling(spec)
        if confirm_usd < ceiling:
            raise InvalidInput(f"this may cost ${ceiling:.2f}; tick that you agree to that.")
        running = runner.list_jobs(labels={"kind": "train"}, states=("SCHEDULING", "RUNNING"))
        if len(running) >= MOST_AT_ONCE:
            raise InvalidInput(f"{len(running)} trainings of {namespace} have not ended; end one in Jobs first.")
        if checked.form.rows_repo and checked.form.rows.file:
            self._push_rows(checked.form.rows_repo, Path(checked.form.rows.file), token)
        return JobKey(runner.launch(spec, confirm_usd=confirm_usd).id, namespace)

    def _push_rows(self, repo_id: str, file: Path, token: str) -> None:
        """Put an upload where the job finds it, for its owner's eyes alone; what is there already is not sent again."""
        message = "Rows to train on, uploaded in the page of colbert_kit"
        # Whole, and nothing beside it: rows of an earlier upload would be trained on too.
        hub.push_folder(
            repo_id, {f"train{file.suffix.lower()}": file}, repo_type="dataset", message=message, token=token,
            owned=["train.*"],
        )  # fmt: skip

    def _kept(self, actor: Actor, form: Form) -> str | None:
        if form.rows.file is None or not actor.may_use_machine:
            return form.rows.file
        return str(keep_upload(form.rows.file, self.home / "training-rows"))

    def _values(self, form: Form) -> dict[str, Any]:
        values: dict[str, Any] = {
            "model": form.model, "loss": form.loss, "epochs": form.epochs, "batch_size": form.batch_size,
            "learning_rate": form.learning_rate, "run_name": slug(form.name),
        }  # fmt: skip
        if form.loss == "cached_contrastive":
            values["mini_batch_size"] = form.mini_batch_size
        if form.namespace is None:
            values["output_dir"] = str(self.home / MODELS / slug(form.name))
        return values


def _resolved(actor: Actor, form: Form) -> tuple[Form, bool]:
    """The form, its model's folder named so that another process finds it; and whether it is a folder.

    Of a visitor's form no path is looked for.
    """
    if form.model == "demo":
        return form, False
    if actor.may_use_machine and Path(form.model).exists():
        return dataclasses.replace(form, model=str(Path(form.model).resolve())), True
    return form, not hub.is_repo_id(form.model)


def _train_source(rows: Rows, path: str | None) -> dict[str, str]:
    source = {"path": path or rows.repo_id or ""}
    if rows.repo_id is not None:
        source |= {"split": rows.split} | ({"name": rows.config} if rows.config else {})
    return source


def _is_at_hub(form: Form) -> bool:
    return form.rows.repo_id is not None or (form.model != "demo" and not Path(form.model).exists())
