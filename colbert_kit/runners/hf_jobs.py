"""``HfJobsRunner``: jobs on the Hub's machines."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from huggingface_hub import HfApi, JobInfo, Volume, get_token

from colbert_kit.errors import HubUnreachable, InvalidConfig, NotAllowed
from colbert_kit.hub import redacted
from colbert_kit.runners.again import spec_again
from colbert_kit.runners.commands import command_at_hub
from colbert_kit.runners.flavors import OFFLINE_FLAVORS, Flavor, check_confirmed, find_flavor, flavors_of
from colbert_kit.runners.hub_errors import asking
from colbert_kit.runners.job import Job
from colbert_kit.runners.runner import find_twin, secret_values
from colbert_kit.runners.shipping import ship
from colbert_kit.runners.spec import APP, JobSpec, parse_volume
from colbert_kit.runners.usage import Usage, usage_of

__all__ = ["HfJobsRunner", "login_token"]

logger = logging.getLogger(__name__)

MOST_FAILURES = 8
"""Times in a row that a stream may fail; with the pauses between them, about two minutes."""


class HfJobsRunner:
    """Runs jobs on the Hub's machines, in the name of a user or an organization.

    Args:
        namespace: Who the jobs belong to and who pays; the token's user where None.
        token: An access token; the stored one where None. On a Space it must be given: the Space's own is its
            owner's, not the visitor's.
        endpoint: The Hub's address; ``$HF_ENDPOINT`` or huggingface.co where None.
        files_repo: The dataset repository that scripts and wheels are put into; ``NAMESPACE/colbert-kit-jobs`` where
            None, private.

    Raises:
        NotAllowed: There is no token.

    Example:
        >>> runner = HfJobsRunner("me")  # doctest: +SKIP
        >>> spec = script_spec("train", ["--config", "config.yaml", "--push-to", "me/model"])  # doctest: +SKIP
        >>> runner.launch(spec, confirm_usd=runner.cost_ceiling(spec)).url  # doctest: +SKIP
        'https://huggingface.co/jobs/me/6725...'
    """

    is_elsewhere = True

    def __init__(
        self,
        namespace: str | None = None,
        *,
        token: str | None = None,
        endpoint: str | None = None,
        files_repo: str | None = None,
    ) -> None:
        if token is None and "SPACE_ID" in os.environ:
            raise NotAllowed("on a Space jobs are launched with the token of whoever asks for them; give it (token=).")
        self._token = token or get_token()
        if self._token is None:
            raise NotAllowed("jobs need an access token; log in with: hf auth login")
        self._api = HfApi(endpoint=endpoint, token=self._token)
        if namespace is None:
            with asking("asking for the user", "this token"):
                namespace = str(self._api.whoami()["name"])
        self.namespace = namespace
        self.files_repo = files_repo or f"{namespace}/colbert-kit-jobs"
        self._launching = threading.Lock()

    def __repr__(self) -> str:
        return f"HfJobsRunner({self.namespace!r}, endpoint={self._api.endpoint!r})"

    def flavors(self) -> list[Flavor]:
        """The machines there are, with their prices; those of a dated table where the Hub cannot be asked."""
        try:
            with asking("asking for machines", self.namespace):
                return flavors_of(self._api.list_jobs_hardware())
        except HubUnreachable as error:
            logger.warning("%s Prices are those of %s.", error, OFFLINE_FLAVORS[0].as_of)
            return list(OFFLINE_FLAVORS)

    def cost_ceiling(self, spec: JobSpec) -> float:
        """What a job may cost at most: the machine's price times the timeout.

        Raises:
            InvalidConfig: There is no such machine.
        """
        return find_flavor(self.flavors(), spec.flavor).ceiling_usd(spec.timeout_seconds)

    def launch(self, spec: JobSpec, *, secrets: Mapping[str, str] | None = None, confirm_usd: float = 0.0) -> Job:
        """Start a job, unless an equal one has not ended yet, which is then given back.

        A script of this machine is put into ``files_repo`` first, with a wheel of this kit unless the spec names one,
        and the job gets their addresses and sha256. It needs the secret ``HF_TOKEN`` to fetch them.

        Args:
            spec: The job.
            secrets: Values by the names that the spec has; ``HF_TOKEN`` is this runner's own where it is left out.
            confirm_usd: What the job may cost; less than ``cost_ceiling`` is refused before anything is sent.

        Raises:
            InvalidInput: The job may cost more than was confirmed, or a secret has no value.
            InvalidConfig: There is no such machine, or the kit's wheel cannot be built.
            NotAllowed: The token lacks a permission, or there is no credit.
            HubUnreachable: The Hub cannot be reached.
        """
        check_confirmed(find_flavor(self.flavors(), spec.flavor), spec.timeout_seconds, confirm_usd)
        if spec.is_script_here and "HF_TOKEN" not in spec.secrets:
            raise NotAllowed("a script is fetched from a private repository; its spec must name the secret HF_TOKEN.")
        values = secret_values(spec, self._with_token(spec, secrets or {}))
        with self._launching:
            if spec.is_script_here:
                spec = ship(self._api, spec, self.files_repo)
            if (twin := find_twin(self, spec)) is not None:
                logger.warning("This very job has not ended yet: %s.", twin.id)
                return twin
            with asking("launching a job", self.namespace):
                return _job(self._api.run_job(**_options(spec, values), namespace=self.namespace))

    def inspect(self, job_id: str) -> Job:
        """Look at a job.

        Raises:
            JobNotFound: The namespace has none of this id.
        """
        with asking("looking at a job", self.namespace):
            return _job(self._api.inspect_job(job_id=job_id, namespace=self.namespace))

    def spec_of(self, job_id: str, *, timeout_seconds: int | None = None) -> JobSpec:
        """What a job was made of, to launch it again; of its secrets, the names.

        Args:
            job_id: The job.
            timeout_seconds: How long the new one may run. It must be given: the Hub's client does not say how long the
                first one might.

        Raises:
            JobNotFound: The namespace has none of this id.
            InvalidConfig: There is no timeout, or the job is none that this kit could launch.
        """
        if timeout_seconds is None:
            raise InvalidConfig("a job is launched again with a timeout of its own; give timeout_seconds.")
        with asking("looking at a job", self.namespace):
            return spec_again(self._api.inspect_job(job_id=job_id, namespace=self.namespace), timeout_seconds)

    def usage(self, job_id: str) -> Usage | None:
        """What a job's machine is busy with, after about a second; None where the Hub does not say.

        Raises:
            JobNotFound: The namespace has none of this id.
        """
        with asking("looking at a job's machine", self.namespace):
            samples = iter(self._api.fetch_job_metrics(job_id=job_id, namespace=self.namespace))
            # huggingface_hub 1.33 would go on until the job ends.
            first = next(samples, None)
            return usage_of(first) if first else None

    def list_jobs(self, *, labels: Mapping[str, str] | None = None, states: Iterable[str] = ()) -> list[Job]:
        """The jobs that this kit launched, the newest first.

        Args:
            labels: All of them must be the job's.
            states: One of them must be the job's; any where empty.
        """
        stages: list[Any] = list(states)
        with asking("listing jobs", self.namespace):
            found = self._api.list_jobs(
                labels={"app": APP, **(labels or {})}, status=stages or None, namespace=self.namespace
            )
            return [_job(one) for one in found]

    def logs(self, job_id: str, *, tail: int | None = None) -> list[str]:
        """What a job has said until now. For a job that runs it takes five seconds or more: see ``follow``.

        Args:
            job_id: The job.
            tail: The last lines only, so many.

        Raises:
            JobNotFound: The namespace has none of this id.
        """
        with asking("reading a job's log", self.namespace):
            return list(map(redacted, self._api.fetch_job_logs(job_id=job_id, tail=tail, namespace=self.namespace)))

    def stream_logs(self, job_id: str) -> Iterator[str]:
        """What a job says, from its first line until it has ended; a stream that is cut is taken up again.

        Raises:
            JobNotFound: The namespace has none of this id.
            HubUnreachable: The Hub cannot be reached for two minutes.
        """
        num_seen = num_failures = 0
        while True:
            before = num_seen
            try:
                # Before the reading: what is read after the end is all. Only a read of what has ended is sure to
                # tell when it was cut (huggingface_hub 1.33 and 2.4 keep silent about it where they follow).
                is_over = self.inspect(job_id).is_final
                for line in itertools.islice(self._replayed(job_id, follow=not is_over), num_seen, None):
                    num_seen += 1
                    num_failures = 0
                    yield redacted(line)
            except HubUnreachable:
                num_failures += 1
                if num_failures > MOST_FAILURES:
                    raise
                time.sleep(min(30.0, 0.5 * 2**num_failures))
                continue
            if is_over:
                return
            if num_seen == before:
                # It waits for a machine; huggingface_hub 1.33 does not wait with it.
                time.sleep(1.0)

    def cancel(self, job_id: str) -> Job:
        """End a job, unless it has ended.

        Raises:
            JobNotFound: The namespace has none of this id.
        """
        with asking("canceling a job", self.namespace):
            self._api.cancel_job(job_id=job_id, namespace=self.namespace)
        return self.inspect(job_id)

    def _replayed(self, job_id: str, *, follow: bool) -> Iterator[str]:
        with asking("reading a job's log", self.namespace):
            yield from self._api.fetch_job_logs(job_id=job_id, follow=follow, namespace=self.namespace)

    def _with_token(self, spec: JobSpec, secrets: Mapping[str, str]) -> dict[str, str]:
        own = {"HF_TOKEN": self._token} if "HF_TOKEN" in spec.secrets and self._token else {}
        return {**own, **secrets}


def login_token() -> str | None:
    """The access token of whoever is logged in here: ``$HF_TOKEN``, or what ``hf auth login`` has stored."""
    return get_token()


def _options(spec: JobSpec, secrets: dict[str, str]) -> dict[str, Any]:
    """What the client is given; it leaves out of the request what is None."""
    return {
        "image": spec.image,
        "command": command_at_hub(spec),
        "env": dict(spec.environment),
        "secrets": secrets or None,
        "flavor": spec.flavor,
        "timeout": spec.timeout_seconds,
        "name": f"{APP}-{spec.kind}",
        "labels": spec.all_labels,
        "volumes": [Volume(**parse_volume(one)) for one in spec.volumes] or None,
    }


def _job(info: JobInfo) -> Job:
    flavor = info.flavor
    return Job(
        id=info.id,
        state=str(getattr(info.status.stage, "value", info.status.stage)),
        message=redacted(info.status.message) if info.status.message else None,
        labels=dict(info.labels or {}),
        created=info.created_at,
        started=getattr(info, "started_at", None),
        finished=getattr(info, "finished_at", None),
        flavor=str(getattr(flavor, "value", flavor)) if flavor else None,
        url=info.url,
    )
