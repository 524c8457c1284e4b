"""A visitor's jobs, here and at the Hub: listed, looked at, ended, launched again. No Gradio, no torch.

Jobs are found again on disk or by their labels at the Hub, so nothing is lost when the page is closed or restarted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colbert_kit import runners
from colbert_kit.app.actor import Actor
from colbert_kit.app.job_watch import Watches
from colbert_kit.app.who import owner_of
from colbert_kit.errors import ColbertKitError, InvalidInput
from colbert_kit.progress import Progress

__all__ = ["LINES_SHOWN", "JobKey", "JobList", "JobView"]

LISTED = 50
LINES_SHOWN = 300
PRICES_SECONDS = 600.0

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True)
class JobKey:
    """Which job: what a browser sends, so that whoever gets it must ask who acts.

    Args:
        job_id: Its id.
        namespace: Whose it is at the Hub; None for a job of this machine.
    """

    job_id: str
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.namespace or ''}/{self.job_id}"

    @classmethod
    def parse(cls, text: str) -> JobKey:
        """Read what ``str`` wrote.

        Raises:
            InvalidInput: It is something else.
        """
        namespace, _, job_id = str(text).partition("/")
        if not JOB_ID.fullmatch(job_id) or (namespace and not NAMESPACE.fullmatch(namespace)):
            raise InvalidInput("that is no job; choose one from the list.")
        return cls(job_id, namespace or None)


@dataclass(frozen=True)
class JobView:
    """A job as it stands.

    Args:
        key: Which.
        job: Its state and times.
        lines: What it said last, for people.
        num_lines: All that it said.
        metrics: Its figures, step by step.
        progress: How far it is.
        result: What came of it.
        failure: Why it failed, in its own words.
        usage: What its machine is busy with, where that is known.
        usd: What it has cost so far, at the Hub.
        is_over: Whether there is nothing more to come.
        trouble: Why its log could not be read.
    """

    key: JobKey
    job: runners.Job
    lines: Sequence[str]
    num_lines: int
    metrics: Sequence[runners.Metrics]
    progress: Progress | None
    result: Mapping[str, Any] | None
    failure: str | None
    usage: runners.Usage | None
    usd: float | None
    is_over: bool
    trouble: str | None


class JobList:
    """Jobs of whoever acts.

    Args:
        make_local: Makes the runner of this machine; of the same folder as ``colbert-kit jobs --local`` where None.
        make_hub: Makes the runner of a namespace, with the token of whoever acts.
    """

    def __init__(
        self,
        make_local: Callable[[], runners.LocalRunner] = runners.LocalRunner,
        make_hub: Callable[..., runners.HfJobsRunner] = runners.HfJobsRunner,
    ) -> None:
        self._make_local, self._make_hub = make_local, make_hub
        self._watches = Watches()
        self._flavors: tuple[float, list[runners.Flavor]] = (0.0, [])

    def local(self, actor: Actor) -> runners.LocalRunner:
        """The runner of this machine.

        Raises:
            InvalidInput: It is not the actor's.
        """
        actor.require_machine("A job of this machine")
        return self._make_local()

    def at_hub(self, actor: Actor, namespace: str) -> runners.HfJobsRunner:
        """The runner of a namespace; it acts with the actor's token and no other.

        Raises:
            InvalidInput: Nobody has signed in, or that is no name.
        """
        token = actor.require_token("A job at Hugging Face")
        if not NAMESPACE.fullmatch(namespace):
            raise InvalidInput("choose in whose name: your own, or an organization's.")
        return self._make_hub(namespace, token=token)

    def runner(self, actor: Actor, namespace: str | None) -> runners.Runner:
        """The runner of a job.

        Raises:
            InvalidInput: It is not the actor's.
        """
        return self.local(actor) if namespace is None else self.at_hub(actor, namespace)

    def jobs(self, actor: Actor, namespace: str | None) -> list[tuple[JobKey, runners.Job]]:
        """The newest jobs, of this machine or a namespace.

        Raises:
            ColbertKitError: They are not the actor's, or the Hub does not help.
        """
        found = self.runner(actor, namespace).list_jobs()[:LISTED]
        return [(JobKey(job.id, namespace), job) for job in found if JOB_ID.fullmatch(job.id)]

    def look(self, actor: Actor, key: JobKey) -> JobView:
        """A job as it stands; its log is read in the background from now on, as long as somebody looks.

        Raises:
            JobNotFound: There is none, or it is not the actor's.
            ColbertKitError: As ``jobs``.
        """
        runner = self.runner(actor, key.namespace)
        # Before anything of its log: whether there is such a job for this visitor.
        job = runner.inspect(key.job_id)
        owner = "machine" if key.namespace is None else owner_of(actor)
        watch = self._watches.get((owner, key.namespace, key.job_id), runner, key.job_id)
        is_over = watch.is_over
        if is_over and not job.is_final:
            # It has ended between the two looks.
            job = runner.inspect(key.job_id)
        watch.measure(runner, job)
        log = watch.log
        return JobView(
            key,
            job,
            log.lines(LINES_SHOWN),
            log.num_lines,
            log.metrics(),
            log.progress,
            log.result,
            log.failure,
            None if job.is_final else watch.usage,
            self._usd(actor, key, job),
            is_over,
            watch.trouble,
        )

    def cancel(self, actor: Actor, key: JobKey) -> None:
        """End a job.

        Raises:
            ColbertKitError: As ``look``.
        """
        self.runner(actor, key.namespace).cancel(key.job_id)

    def ceiling(self, actor: Actor, key: JobKey, timeout_seconds: int | None) -> float:
        """What a job may cost if it is launched again.

        Raises:
            ColbertKitError: As ``look``.
        """
        runner = self.runner(actor, key.namespace)
        return runner.cost_ceiling(runner.spec_of(key.job_id, timeout_seconds=timeout_seconds))

    def relaunch(self, actor: Actor, key: JobKey, timeout_seconds: int | None, confirm_usd: float) -> JobKey:
        """Launch an equal job.

        Args:
            actor: Who acts; where the job had a token, it is theirs now.
            key: The job.
            timeout_seconds: How long it may run; as the first one where None, on this machine.
            confirm_usd: What it may cost.

        Raises:
            InvalidInput: It had a secret that nobody knows any more, or may cost more.
            ColbertKitError: As ``look``.
        """
        runner = self.runner(actor, key.namespace)
        spec = runner.spec_of(key.job_id, timeout_seconds=timeout_seconds)
        if others := [name for name in spec.secrets if name != "HF_TOKEN"]:
            raise InvalidInput(
                f"the job was given the secret {', '.join(others)}, which is kept nowhere; launch it from a terminal."
            )
        secrets = {"HF_TOKEN": actor.require_token("This job")} if spec.secrets else {}
        return JobKey(runner.launch(spec, secrets=secrets, confirm_usd=confirm_usd).id, key.namespace)

    def flavors(self, actor: Actor, namespace: str) -> list[runners.Flavor]:
        """The Hub's machines and their prices, asked for now and then.

        Raises:
            ColbertKitError: As ``jobs``.
        """
        since, found = self._flavors
        if not found or time.monotonic() - since > PRICES_SECONDS:
            found = self.at_hub(actor, namespace).flavors()
            self._flavors = (time.monotonic(), found)
        return found

    def _usd(self, actor: Actor, key: JobKey, job: runners.Job) -> float | None:
        """The price of the minutes begun; None where it costs nothing or nobody knows."""
        if key.namespace is None or job.started is None:
            return None
        try:
            flavors = {one.name: one for one in self.flavors(actor, key.namespace)}
        except ColbertKitError:
            return None
        end = job.finished.timestamp() if job.finished else time.time()
        flavor = flavors.get(job.flavor or "")
        return flavor.ceiling_usd(max(1, int(end - job.started.timestamp()))) if flavor else None
