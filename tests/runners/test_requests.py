"""The requests that reach the Hub, word for word; run with both versions of its client.

https://huggingface.co/docs/huggingface_hub/guides/jobs and the client's own ``_jobs_api.py`` of 1.33.0 and 2.4.0.
"""

import json
import re
from pathlib import Path

import pytest

from colbert_kit.runners import HfJobsRunner, JobSpec, script_spec, shipping, starter
from tests.runners.test_hf_jobs import SECRET, launched, program


@pytest.fixture
def runner(hub_here, tokens):
    return HfJobsRunner("alice", token=tokens.write, endpoint=hub_here.url)


@pytest.fixture
def small_wheel(monkeypatch):
    """The kit's wheel takes no part here."""

    def build(folder):
        path = folder / "colbert_kit-0.1.0-py3-none-any.whl"
        path.write_bytes(b"PK not really")
        return path

    monkeypatch.setattr(shipping, "build_wheel", build)


def test_a_command_is_launched_as_documented_and_nothing_more_is_said(runner, hub, tokens):
    spec = program(
        "print(1)", "x", environment={"A": "b"}, secrets=("HF_TOKEN", "KEY"), labels={"team": "search"},
        volumes=("hf://buckets/alice/work:/work", "hf://datasets/alice/corpus@v1:/corpus:ro"), timeout_seconds=60,
    )  # fmt: skip
    hub.jobs.settings.scheduling_seconds = 60
    job = launched(runner, spec, secrets={"KEY": SECRET})

    sent = hub.traffic.only("POST", "/api/jobs/alice")

    assert sent.json() == {
        "command": ["python", "-c", "print(1)", "x"],
        "arguments": [],
        "environment": {"A": "b"},
        "flavor": "cpu-basic",
        "secrets": {"HF_TOKEN": tokens.write, "KEY": SECRET},
        "timeoutSeconds": 60,
        "labels": {
            "app": "colbert-kit", "kind": "test", "name": "colbert-kit-test", "run": spec.digest, "team": "search"
        },
        "volumes": [
            {"type": "bucket", "source": "alice/work", "mountPath": "/work"},
            {
                "type": "dataset", "source": "alice/corpus", "mountPath": "/corpus", "revision": "v1", "readOnly": True
            },
        ],
        "dockerImage": "python:3.12",
    }  # fmt: skip
    assert sent.header("authorization") == f"Bearer {tokens.write}"
    runner.cancel(job.id)


def test_the_least_that_is_sent(runner, hub):
    spec = JobSpec(kind="test", command=("true",), image="hf.co/spaces/alice/tools", timeout_seconds=1)
    launched(runner, spec)
    assert hub.traffic.only("POST", "/api/jobs/alice").json() == {
        "command": ["true"],
        "arguments": [],
        "environment": {},
        "flavor": "cpu-basic",
        "timeoutSeconds": 1,
        "labels": {"app": "colbert-kit", "kind": "test", "name": "colbert-kit-test", "run": spec.digest},
        "spaceId": "alice/tools",
    }


def test_all_other_requests_name_the_namespace_and_have_no_body(runner, hub):
    job = launched(runner, program("print(1)"))
    hub.jobs[job.id].wait()
    hub.traffic.clear()

    runner.inspect(job.id)
    runner.list_jobs(labels={"kind": "test"}, states=["RUNNING", "SCHEDULING"])
    runner.logs(job.id, tail=3)
    runner.cancel(job.id)
    runner.flavors()

    made = [(one.method, f"{one.path}?{one.query}".rstrip("?")) for one in hub.traffic.all()]
    assert {entry for entry in made if entry[0] == "GET"} == {
        ("GET", f"/api/jobs/alice/{job.id}"),
        ("GET", "/api/jobs/alice?stage=RUNNING&stage=SCHEDULING&label=app%3Dcolbert-kit&label=kind%3Dtest"),
        ("GET", f"/api/jobs/alice/{job.id}/logs?tail=3"),
        ("GET", "/api/jobs/hardware"),
    }
    assert [entry for entry in made if entry[0] != "GET"] == [("POST", f"/api/jobs/alice/{job.id}/cancel")]
    assert all(not one.body for one in hub.traffic.all())


def test_a_script_is_launched_by_addresses_that_name_a_commit_and_sha256(runner, hub, small_wheel):
    spec = script_spec(
        "mine_hard_negatives",
        ["--pairs", "alice/pairs", "--corpus", "alice/corpus", "--model", "alice/model", "--push-to", "alice/rows"],
    )
    hub.jobs.settings.scheduling_seconds = 60
    job = runner.launch(spec, confirm_usd=1.0)

    sent = hub.traffic.only("POST", "/api/jobs/alice").json()
    command = sent.pop("command")
    place = command.index("python")

    assert command[:5] == ["uv", "run", "--no-project", "--python", "3.12"]
    assert command[5:place:2] == ["--with"] * len(spec.dependencies)
    assert tuple(command[6:place:2]) == spec.dependencies
    assert command[place + 1] == "-c"
    assert command[place + 2] == Path(starter.__file__).read_text()
    assert command[place + 4 :] == list(spec.arguments)
    *_, commit = hub.repositories["datasets", "alice/colbert-kit-jobs"].commits.values()
    address = f"{hub.url}/datasets/alice/colbert-kit-jobs/resolve/{commit.oid}"
    named = json.loads(command[place + 3])
    assert named["script"]["url"] == f"{address}/mine_hard_negatives.py"
    assert named["kit"]["url"] == f"{address}/colbert_kit-0.1.0-py3-none-any.whl"
    assert all(re.fullmatch("[0-9a-f]{64}", named[one]["sha256"]) for one in ("script", "kit"))
    assert sent["dockerImage"] == "ghcr.io/astral-sh/uv:python3.12-bookworm"
    assert (sent["flavor"], sent["timeoutSeconds"]) == ("t4-small", 3600)
    assert sorted(sent["labels"]) == ["app", "kind", "name", "run"]
    runner.cancel(job.id)


def test_a_published_kit_is_installed_by_uv_and_only_the_script_is_uploaded(runner, hub):
    spec = script_spec(
        "mine_hard_negatives",
        ["--pairs", "alice/pairs", "--corpus", "alice/corpus", "--model", "alice/model", "--push-to", "alice/rows"],
        kit="colbert-kit==0.1.0",
    )
    hub.jobs.settings.scheduling_seconds = 60
    job = runner.launch(spec, confirm_usd=1.0)
    command = hub.traffic.only("POST", "/api/jobs/alice").json()["command"]
    place = command.index("python")
    assert command[place - 2 : place] == ["--with", "colbert-kit==0.1.0"]
    assert json.loads(command[place + 3])["kit"] is None
    runner.cancel(job.id)


def test_what_is_there_already_is_not_uploaded_again(runner, hub, small_wheel):
    spec = script_spec(
        "build_index", ["--corpus", "alice/corpus", "--model", "alice/model", "--push-to", "alice/index"]
    )
    hub.jobs.settings.scheduling_seconds = 60
    first = runner.launch(spec, confirm_usd=1.0)
    num_commits = len(hub.traffic.all("POST", "*/commit/*"))

    assert runner.launch(spec, confirm_usd=1.0).id == first.id

    assert len(hub.traffic.all("POST", "*/commit/*")) == num_commits == 1
    assert hub.repositories["datasets", "alice/colbert-kit-jobs"].visibility == "private"
    runner.cancel(first.id)
