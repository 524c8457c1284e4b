"""What a job's first process does: fetch, check, and only then run."""

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile

import pytest

from colbert_kit.runners import JobSpec
from colbert_kit.runners.commands import command_here

SCRIPT = b"import sys, kit_of_the_test; print('ran with', kit_of_the_test.NAME, *sys.argv[1:])"


def archive(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, text in files.items():
            file.writestr(f"{name}/__init__.py", text)
    return content.getvalue()


WHEEL = archive(kit_of_the_test="NAME = 'the wheel'")


@pytest.fixture
def files(hub, tokens):
    """A private repository of alice's; the wheel is a large file, which lies on another host."""
    repository = hub.repositories.create("datasets", "alice/files", "private")
    repository.commit({"my job.py": SCRIPT})
    commit = repository.commit({"my job.py": SCRIPT, "kit.whl": WHEEL})
    return f"{hub.url}/datasets/alice/files/resolve/{commit.oid}"


@pytest.fixture
def run(files, hub, tokens, tmp_path):
    """The starter as a process: exit code, output, errors."""

    def start(*arguments, **changed):
        spec = JobSpec(
            **{
                "kind": "test",
                "script": f"{files}/my%20job.py",
                "script_sha256": hashlib.sha256(SCRIPT).hexdigest(),
                "kit": f"{files}/kit.whl",
                "kit_sha256": hashlib.sha256(WHEEL).hexdigest(),
                "arguments": arguments,
                "timeout_seconds": 60,
                **changed,
            }
        )
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": tokens.read, "TMPDIR": str(tmp_path)}
        process = subprocess.run(command_here(spec), env=environment, capture_output=True, text=True, check=False)
        return process.returncode, process.stdout, process.stderr

    return start


def test_the_script_runs_with_the_kit_of_the_wheel_and_its_arguments(run):
    assert run("--x", "a b") == (0, "ran with the wheel --x a b\n", "")


@pytest.mark.parametrize("part", ["script", "kit"])
def test_what_has_another_sha256_is_never_run(run, part, tmp_path):
    code, output, errors = run(**{f"{part}_sha256": "0" * 64})
    assert (code, output) == (1, "")
    assert f"must have sha256 {'0' * 64}, got " in errors
    assert errors.strip().endswith("it is not used.")
    assert not list(tmp_path.rglob("kit_of_the_test"))


def test_a_hub_that_is_busy_is_asked_again(run, hub):
    hub.faults.refuse("GET", "*my job.py", 503)
    hub.faults.cut_response("GET", "/objects/*", after_bytes=20)
    code, output, _ = run()
    assert (code, output) == (0, "ran with the wheel\n")
    assert not hub.faults.waiting()


def test_a_file_that_is_not_there_or_not_to_be_seen_is_named(run, files, hub, tokens):
    code, _, errors = run(script=f"{files}/other.py")
    assert code == 1
    assert errors.strip().endswith("other.py cannot be fetched: HTTP Error 404: Not Found")
    assert "Traceback" not in errors


def test_the_token_goes_to_the_hub_alone(run, hub, tokens):
    assert run()[0] == 0
    asked = {(one.host, one.header("authorization") is not None) for one in hub.traffic.all()}
    assert ("hub", True) in asked
    assert ("storage", True) not in asked
    # A script of somebody else's Hub is asked for without it.
    other = hub.url.replace("127.0.0.1", "localhost")
    hub.traffic.clear()
    code, _, errors = run(script=f"{other}/datasets/alice/files/resolve/{'0' * 40}/my%20job.py")
    assert (code, "401" in errors) == (1, True)
    assert hub.traffic.where(tokens.read) == []


def test_what_is_sent_is_small_enough_to_be_read(run):
    spec = JobSpec(kind="x", script="https://x/" + "a" * 40 + "/x.py", script_sha256="0" * 64, timeout_seconds=1)
    [_, flag, program, plan] = command_here(spec)
    assert flag == "-c"
    assert len(program) < 4000
    assert json.loads(plan)["kit"] is None
    assert command_here(spec)[0] == sys.executable
