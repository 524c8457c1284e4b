"""The Hub and its clients in other processes: as started by hand, and as a subprocess finds it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.hubserver import HubServer

ROOT = Path(__file__).parents[2]

PUSH_AND_PULL = """
import huggingface_hub
from huggingface_hub import create_repo, hf_hub_download, upload_file, whoami

print(whoami()["name"], huggingface_hub.constants.HF_HUB_OFFLINE)
create_repo("thing", private=True)
upload_file(path_or_fileobj=b"\\0" * 1000, path_in_repo="a.npy", repo_id="alice/thing")
print(hf_hub_download("alice/thing", "a.npy"))
"""


def test_subprocess_needs_no_more_than_its_environment(hub, hub_environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PUSH_AND_PULL], env=hub_environment, capture_output=True, text=True, check=True
    )
    who, path = done.stdout.splitlines()
    assert who == "alice False"
    assert path.startswith(str(tmp_path / "huggingface"))
    assert hub.repositories["models", "alice/thing"].read("a.npy") == b"\0" * 1000


def test_command_line_runs_a_script_at_a_pinned_address(hub, hub_environment, tokens):
    """Given to `hf jobs uv run`, an address is downloaded and shipped through a bucket, which needs Xet."""
    repository = hub.repositories.create("models", "alice/scripts", "private")
    commit = repository.commit({"train.py": b"import sys; print('args', *sys.argv[1:])"})
    script = f"{hub.url}/alice/scripts/resolve/{commit.oid}/train.py"
    options = ["--namespace", "alice", "--timeout", "5m", "--secrets", "HF_TOKEN", "--label", "app=kit"]
    command = [sys.executable, "-m", "huggingface_hub.cli.hf", "jobs", "run", *options, "python:3.12"]
    done = subprocess.run(
        [*command, "uv", "run", script, "1"], env=hub_environment, capture_output=True, text=True, check=True
    )
    assert "args 1" in done.stdout + done.stderr
    spec = hub.traffic.only("POST", "/api/jobs/alice").json()
    assert (spec["timeoutSeconds"], spec["labels"]["app"]) == (300, "kit")
    assert spec["secrets"] == {"HF_TOKEN": tokens.write}


def test_functions_of_this_process_speak_to_the_hub(hub_here, tmp_path):
    from huggingface_hub import HfFileSystem, create_repo, snapshot_download, upload_file, whoami

    assert whoami()["name"] == "alice"
    create_repo("thing", private=True)
    upload_file(path_or_fileobj=b"\0" * 1000, path_in_repo="a.npy", repo_id="alice/thing")
    assert hub_here.repositories["models", "alice/thing"].is_private
    assert snapshot_download("alice/thing").startswith(str(tmp_path))
    assert HfFileSystem().cat_file("alice/thing/a.npy") == b"\0" * 1000


def test_hub_that_has_stopped_leaves_nothing_behind():
    threads = set(threading.enumerate())
    with HubServer() as hub:
        user = hub.accounts.add_user("alice")
        repository = hub.repositories.create("models", "alice/thing")
        repository.commit({"a.npy": b"x"})
        stored = hub.objects.path(repository.number, repository.resolve().files["a.npy"].sha256)
        assert stored.exists()
        spec = {"command": ["sleep", "60"], "flavor": "cpu-basic"}
        job = hub.jobs.start(user, user, spec, hub.url)
        port = int(hub.url.rsplit(":")[-1])
        idle = socket.create_connection(("127.0.0.1", port))
    with idle:
        assert idle.recv(1) == b""
    assert job.stage == "CANCELED"
    assert not stored.exists()
    assert set(threading.enumerate()) == threads


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_hub_is_started_and_ended_by_hand(tmp_path, number):
    command = [sys.executable, "-m", "tests.hubserver", "--port", "0", "--user", "carol:hf_carol", "--user", "dave"]
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "temporary")}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as server:
        lines = [server.stdout.readline() for _ in range(3)]
        exported = dict(re.findall(r"(\w+)=(\S+)", "".join(lines[:2])))
        program = "from huggingface_hub import whoami; print(whoami()['name'])"
        environment |= {**exported, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        server.send_signal(number)
        assert server.wait(10) == 0
    assert list((tmp_path / "temporary").iterdir()) == []
    assert done.stdout == "carol\n"
    assert lines[0].startswith("export HF_ENDPOINT=http://127.0.0.1:")
    assert lines[1] == "export HF_TOKEN=hf_carol  # carol\n"
    assert re.fullmatch(r"export HF_TOKEN=hf_\w{34}  # dave\n", lines[2])
