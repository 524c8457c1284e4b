"""`uv run` where there is no uv: the script runs with this Python, and the log says so."""

import sys

import pytest

SCRIPT = """# /// script
# dependencies = ["torch"]
# ///
import sys
print("args", *sys.argv[1:])
"""


@pytest.fixture
def script(hub):
    """A pinned address of a script in a private repository of alice's."""
    repository = hub.repositories.create("models", "alice/scripts", "private")
    commit = repository.commit({"jobs/my train.py": SCRIPT.encode()})
    return f"{hub.url}/alice/scripts/resolve/{commit.oid}/jobs/my%20train.py"


def logs(hub, api, script, **options):
    options = {"namespace": "alice", "flavor": "cpu-basic", **options}
    job = hub.jobs[api.run_uv_job(script, **options).id]
    return job.wait(), [line["data"] for line in job.lines[1:]]


def test_script_at_a_pinned_address_runs_with_its_arguments(hub, api, script, tokens):
    stage, lines = logs(
        hub, api, script, script_args=["--x", "1"], dependencies=["torch", "numpy"], secrets={"HF_TOKEN": tokens.read}
    )
    assert stage == "COMPLETED"
    assert lines == [
        f"hubserver: uv is not used here; running with Python {sys.version.split()[0]} as it is",
        "hubserver: not installed for this job: torch, numpy",
        "args --x 1",
    ]
    assert hub.traffic.only("POST", "/api/jobs/alice").json()["command"] == [
        *("uv", "run", "--with", "torch", "--with", "numpy", script, "--x", "1")
    ]


def test_script_of_a_private_repository_needs_the_jobs_own_token(hub, api, script):
    stage, lines = logs(hub, api, script)
    assert stage == "ERROR"
    assert "Failed to download" in lines[-1]
    assert "401" in lines[-1]


def test_public_address_means_this_hub(hub, api, script):
    hub.repositories["models", "alice/scripts"].visibility = "public"
    stage, lines = logs(hub, api, script.replace(hub.url, "https://huggingface.co"))
    assert (stage, lines[-1]) == ("COMPLETED", "args")
    stage, lines = logs(hub, api, "https://example.com/train.py")
    assert (stage, "is not on this Hub" in lines[-1]) == ("ERROR", True)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["uv", "run", "python", "-c", "print('x')"], "x"),
        (["uv", "run", "--python", "3.12", "--with=numpy", "--", "python3", "-c", "print('x')"], "x"),
        (["uv", "run", "-q", "-m", "platform"], None),
        (["uv", "run", "echo", "x"], "x"),
        (["uv", "run", "no-such-program"], "error: Failed to spawn: `no-such-program`: No such file or directory"),
        (["uv", "run"], "uv run: no command given"),
    ],
)
def test_forms_of_the_command(hub, api, command, expected):
    job = hub.jobs[api.run_job(namespace="alice", image="any", command=command).id]
    stage = job.wait()
    last = job.lines[-1]["data"]
    if expected is None:
        assert (stage, "Linux" in last or "Darwin" in last) == ("COMPLETED", True)
    else:
        assert last == expected
        assert stage == ("COMPLETED" if expected == "x" else "ERROR")


def test_uv_itself_is_used_where_it_is_given(hub, api, tmp_path):
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\necho real uv "$@"\n')
    uv.chmod(0o755)
    hub.jobs.settings.uv = str(uv)
    stage, lines = logs(hub, api, "https://example.com/train.py")
    assert (stage, lines) == ("COMPLETED", ["real uv run https://example.com/train.py"])
