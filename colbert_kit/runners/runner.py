"""``Runner``: what whoever launches jobs can rely on, wherever they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from colbert_kit.errors import InvalidInput
from colbert_kit.runners.job import FINAL_STATES, Job
from colbert_kit.runners.spec import JobSpec

__all__ = ["Runner", "find_twin", "secret_values"]


class Runner(Protocol):
    """Launches jobs, and finds them again by their labels. ``LocalRunner`` and ``HfJobsRunner`` are two."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether jobs run on another machine, which has none of the files here."""
        ...

    def cost_ceiling(self, spec: JobSpec) -> float:
        """What a job may cost at most, in US dollars."""
        ...

    def launch(self, spec: JobSpec, *, secrets: Mapping[str, str] | None = None, confirm_usd: float = 0.0) -> Job:
        """Start a job, unless an equal one has not ended yet, which is then given back."""
        ...

    def inspect(self, job_id: str) -> Job:
        """Look at a job."""
        ...

    def list_jobs(self, *, labels: Mapping[str, str] | None = None, states: Iterable[str] = ()) -> list[Job]:
        """The kit's jobs, the newest first."""
        ...

    def spec_of(self, job_id: str, *, timeout_seconds: int | None = None) -> JobSpec:
        """What a job was made of, to launch it again."""
        ...

    def logs(self, job_id: str, *, tail: int | None = None) -> list[str]:
        """What a job has said until now."""
        ...

    def stream_logs(self, job_id: str) -> Iterator[str]:
        """What a job says, from its first line until it has ended."""
        ...

    def cancel(self, job_id: str) -> Job:
        """End a job, unless it has ended."""
        ...


def find_twin(runner: Runner, spec: JobSpec) -> Job | None:
    """A job of an equal spec that has not ended: the first of two clicks."""
    twins = runner.list_jobs(labels={"run": spec.all_labels["run"]})
    return next((job for job in twins if job.state not in FINAL_STATES), None)


def secret_values(spec: JobSpec, given: Mapping[str, str]) -> dict[str, str]:
    """The values of the secrets that a spec names.

    Raises:
        InvalidInput: One is missing or empty, or one is given that the spec does not name.
    """
    if unknown := sorted(given.keys() - set(spec.secrets)):
        raise InvalidInput(
            f"the job names no secret {', '.join(unknown)}; it names {', '.join(spec.secrets) or 'none'}."
        )
    if missing := [name for name in spec.secrets if not given.get(name)]:
        raise InvalidInput(f"the job needs the secret {', '.join(missing)}; give its value to launch (secrets=).")
    return {name: given[name] for name in spec.secrets}
