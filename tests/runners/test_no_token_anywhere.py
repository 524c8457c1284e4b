"""After jobs here and at the Hub, a push and refusals: where tokens are, in all that was recorded and shown."""

import contextlib
import logging
import traceback
from pathlib import Path

import pytest

from colbert_kit import hub as hub_room
from colbert_kit.errors import ColbertKitError
from colbert_kit.runners import HfJobsRunner, JobSpec, LocalRunner, follow

SAYS_IT = (
    "import os, sys; print('token', os.environ['HF_TOKEN']); print('and', os.environ['HF_TOKEN'], file=sys.stderr)"
)


def program(code, **settings):
    return JobSpec(
        kind="test", command=("python", "-c", code), image="python:3.12", timeout_seconds=60, secrets=("HF_TOKEN",),
        **settings,
    )  # fmt: skip


@pytest.fixture
def said(caplog):
    """All that is shown: texts of exceptions with what they came from, reprs, logs of jobs."""
    caplog.set_level(logging.DEBUG)
    return []


def run(runner, spec, said, **options):
    job = runner.launch(spec, **options)
    follower = follow(runner, job.id)
    said += [repr(one) for one in (runner, spec, job, follower, follower.wait(60))]
    said += [*follower.log.lines(), *runner.logs(job.id), repr(runner.list_jobs()), spec.to_json()]
    assert any("hf_***" in line or "***" in line for line in follower.log.lines())


def refuse(ask, said):
    with pytest.raises(ColbertKitError) as caught:
        ask()
    said += [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]


def texts_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes()


def test_tokens_are_in_headers_and_among_secrets_of_launches_and_nowhere_else(
    hub_here, tokens, call, tmp_path, said, caplog, capsys
):
    there = HfJobsRunner("alice", token=tokens.write, endpoint=hub_here.url)
    run(there, program(SAYS_IT), said, confirm_usd=1.0)
    here = LocalRunner(tmp_path / "jobs")
    run(here, program(SAYS_IT), said, secrets={"HF_TOKEN": tokens.write})
    waiting = here.launch(program("import time; time.sleep(60)"), secrets={"HF_TOKEN": tokens.write})
    assert not any(tokens.write.encode() in line for line in command_lines())
    here.cancel(waiting.id)
    card = hub_room.make_card({"license": "mit"}, "# Mine").encode()
    said.append(repr(hub_room.push_folder("alice/mine", {"README.md": card, "x.npy": bytes(20)}, message="Mine")))
    hub_room.pull_folder("alice/mine")
    said += [str(call("jobs", *one)) for one in (["list"], ["flavors"])]

    for kind in ("expired", "unknown", "read", "stranger"):
        token = getattr(tokens, kind)
        alice = HfJobsRunner("alice", token=token, endpoint=hub_here.url)
        refuse(lambda alice=alice: alice.launch(program("pass"), confirm_usd=1.0), said)
        refuse(lambda token=token: hub_room.push_folder("alice/mine", {"a": b"b"}, message="No", token=token), said)
    for status in (402, 403, 404, 409, 412, 429, 503):
        hub_here.faults.refuse("POST", "*", status)
        refuse(lambda: there.launch(program("pass"), confirm_usd=1.0), said)
    hub_here.faults.cut_response("POST", "/api/jobs/alice", after_bytes=0)
    refuse(lambda: there.launch(program("1"), confirm_usd=1.0), said)
    refuse(lambda: program("pass", environment={"KEY": tokens.write}), said)
    refuse(lambda: program(f"print('{tokens.write}')"), said)

    written = capsys.readouterr()
    repositories = [
        content
        for kind in ("models", "datasets", "spaces")
        for repository in hub_here.repositories.all(kind)
        for content in repository.blobs.values()
    ]
    for token in tokens:
        assert not [one for one in (*said, caplog.text, written.out, written.err) if token in one]
        assert not [path for path, content in texts_of(tmp_path).items() if token.encode() in content]
        assert not [content for content in repositories if token.encode() in content]
        check_traffic(hub_here, token)
    assert len(said) > 50
    assert {place for _, place in hub_here.traffic.where(tokens.write)} >= {"header authorization", "body"}


def check_traffic(hub, token):
    """It is in the header that says who asks, among the secrets of launches, and where a job has printed it."""
    for exchange in hub.traffic.all():
        places = {place for place, content in exchange.texts().items() if token in content}
        if exchange.method == "POST" and exchange.path == "/api/jobs/alice":
            told = exchange.json()
            assert told.pop("secrets") == {"HF_TOKEN": token} or "body" not in places
            assert token not in str(told)
            places -= {"body"}
        if exchange.path.endswith("/logs"):
            # The job of this test printed it: the Hub keeps what a job prints.
            places -= {"response body"}
        assert places <= {"header authorization"}, exchange
