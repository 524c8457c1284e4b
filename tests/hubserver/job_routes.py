"""The Jobs API: run, list, inspect, follow, cancel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.hubserver.accounts import Account, required
from tests.hubserver.hardware import HARDWARE
from tests.hubserver.jobs import Job
from tests.hubserver.messages import HubError, Request, Response, json_response, page_of
from tests.hubserver.routes import Routes

__all__ = ["routes"]

LABEL = re.compile(r"[A-Za-z0-9_-]{0,100}")
NAME = re.compile(r"[A-Za-z0-9._-]{0,100}")

routes = Routes()


def namespace_of(hub: Any, request: Request, name: str, scope: str) -> Account:
    """The account whose jobs these are, when the caller may read or run them."""
    caller = required(request.caller)
    account: Account | None = hub.accounts.get(name)
    if account is None or not caller.is_member(name):
        raise HubError(403, f"You don't have access to the Jobs of {name!r}")
    if not caller.has(scope) or (scope == "job.write" and not caller.may_write(name)):
        raise HubError(403, f"missing permissions: {scope}")
    return account


def job_of(hub: Any, request: Request, namespace: str, job_id: str, scope: str = "job.read") -> Job:
    account = namespace_of(hub, request, namespace, scope)
    job: Job | None = hub.jobs.get(job_id)
    if job is None or job.owner is not account:
        raise HubError(404, "Job not found")
    return job


@routes.on("POST", "/api/jobs/{namespace}")
def run(hub: Any, request: Request, namespace: str) -> Response:
    owner = namespace_of(hub, request, namespace, "job.write")
    spec = request.json()
    check(spec)
    if not owner.can_pay:
        message = "Pre-paid credit balance is insufficient - add more credits to your account to use Jobs."
        raise HubError(402, message)
    return json_response(hub.jobs.start(owner, required(request.caller).account, spec, hub.url).json())


def check(spec: dict[str, Any]) -> None:
    """Refuse a job that is not described as the API asks for."""
    if not isinstance(spec.get("command"), list) or not spec["command"]:
        raise HubError(400, '"command" must be an array that is not empty')
    for name in ("command", "arguments"):
        if not all(isinstance(word, str) for word in spec.get(name, [])):
            raise HubError(400, f'"{name}" must be an array of strings')
    if ("dockerImage" in spec) == ("spaceId" in spec):
        raise HubError(400, 'exactly one of "dockerImage" and "spaceId" is required')
    if spec.get("flavor") not in HARDWARE:
        raise HubError(400, f'"flavor" must be one of [{", ".join(HARDWARE)}]')
    timeout = spec.get("timeoutSeconds", 1)
    if not isinstance(timeout, int) or timeout < 1:
        raise HubError(400, '"timeoutSeconds" must be a positive number')
    for name in ("environment", "secrets", "labels"):
        for key, value in (spec.get(name) or {}).items():
            if not isinstance(value, str):
                raise HubError(400, f'"{name}.{key}" must be a string')
    check_labels(spec.get("labels") or {})


def check_labels(labels: dict[str, str]) -> None:
    for key, value in labels.items():
        if not LABEL.fullmatch(key) or not (NAME if key == "name" else LABEL).fullmatch(value):
            raise HubError(
                400, f'"labels.{key}" with value "{value}" fails to match the required pattern: {LABEL.pattern}'
            )


@routes.on("GET", "/api/jobs/{namespace}")
def listed(hub: Any, request: Request, namespace: str) -> Response:
    """The jobs in any of the stages and with all of the labels asked for, newest first, in pages."""
    owner = namespace_of(hub, request, namespace, "job.read")
    stages = request.parameters("stage")
    labels = [label.partition("=")[::2] for label in request.parameters("label")]
    found = [
        job.json()
        for job in reversed(hub.jobs.all())
        if job.owner is owner
        and (not stages or job.stage in stages)
        and all((job.labels or {}).get(key) == value for key, value in labels)
    ]
    return page_of(found, request, hub.url, hub.page_size)


@routes.on("GET", "/api/jobs/{namespace}/{job_id}")
def inspect(hub: Any, request: Request, namespace: str, job_id: str) -> Response:
    return json_response(job_of(hub, request, namespace, job_id).json())


@routes.on("POST", "/api/jobs/{namespace}/{job_id}/cancel")
def cancel(hub: Any, request: Request, namespace: str, job_id: str) -> Response:
    job = job_of(hub, request, namespace, job_id, "job.write")
    job.cancel()
    job.thread.join()
    return json_response(job.json())


@routes.on("PUT", "/api/jobs/{namespace}/{job_id}/labels")
def relabel(hub: Any, request: Request, namespace: str, job_id: str) -> Response:
    job = job_of(hub, request, namespace, job_id, "job.write")
    labels = request.json()["labels"]
    check_labels(labels)
    job.labels = labels
    return json_response(job.json())


def events(name: str, items: Iterator[dict[str, Any] | None]) -> Response:
    """A stream of server-sent events. The client reads the lines that begin with ``data: {``."""

    def written() -> Iterator[bytes]:
        for item in items:
            if item is None:
                yield b": keep-alive\n\n"
            else:
                yield f"event: {name}\ndata: {json.dumps(item)}\n\n".encode()

    return Response(200, written(), {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})


@routes.on("GET", "/api/jobs/{namespace}/{job_id}/logs")
def logs(hub: Any, request: Request, namespace: str, job_id: str) -> Response:
    """All lines from the first on, or the last ones, and then each as it comes."""
    job = job_of(hub, request, namespace, job_id)
    tail = int(request.parameters("tail")[-1]) if request.parameters("tail") else None
    return events("log", job.follow(hub.stopping, tail))


@routes.on("GET", "/api/jobs/{namespace}/{job_id}/metrics")
def metrics(hub: Any, request: Request, namespace: str, job_id: str) -> Response:
    job = job_of(hub, request, namespace, job_id)
    if job.is_final:
        raise HubError(406, "The job has finished")

    def measured() -> Iterator[dict[str, Any]]:
        while not job.is_final and not hub.stopping.is_set():
            yield sample(job)
            # Once a second, and not beyond the end.
            job.thread.join(1.0)

    return events("metric", measured())


def sample(job: Job) -> dict[str, Any]:
    """What the job's process uses; only its memory is measured here."""
    machine = HARDWARE[job.spec["flavor"]]
    status = Path(f"/proc/{job.pid}/statm")
    resident_pages = int(status.read_text().split()[1]) if job.pid and status.exists() else 0
    return {
        "cpu_usage_pct": 0,
        "cpu_millicores": 1000 * int(machine["cpu"].split()[0]),
        "memory_used_bytes": resident_pages * 4096,
        "memory_total_bytes": int(machine["ram"].split()[0]) * 10**9,
        "rx_bps": 0,
        "tx_bps": 0,
        "gpus": {},
        "replica": job.id[:5],
    }
