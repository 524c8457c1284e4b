"""``colbert-kit jobs``: launched with its cost, listed, followed and canceled from a terminal."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from colbert_kit import Searcher, cli, models
from colbert_kit.runners import HfJobsRunner, LocalRunner, scripts, shipping
from tests.runners.test_hf_jobs import launched, program

SCRIPT = '''# /// script
# dependencies = ["numpy"]
# [tool.hf-jobs]
# flavor = "t4-small"
# timeout = "30m"
# secrets = ["HF_TOKEN"]
# ///
"""Say hello."""
import os, sys
from colbert_kit import runners

def arguments():
    parser = runners.JobArguments(__doc__)
    parser.add_argument("--name", required=True, help="whom to greet")
    return parser

if __name__ == "__main__":
    with runners.reporting() as report:
        print("hello", arguments().parse_args().name, len(os.environ["HF_TOKEN"]), flush=True)
        report.metrics(1, {"loss": 0.5})
        report.result(repo_id="alice/x")
'''


@pytest.fixture
def hello(tmp_path, monkeypatch):
    """The kit's only script is a small one, and its wheel is this checkout, by PYTHONPATH."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "hello.py").write_text(SCRIPT)
    monkeypatch.setattr(scripts, "_folder", lambda: tmp_path / "jobs")

    def build(folder):
        import zipfile

        with zipfile.ZipFile(folder / "colbert_kit-0.1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("nothing.txt", "")
        return folder / "colbert_kit-0.1.0-py3-none-any.whl"

    monkeypatch.setattr(shipping, "build_wheel", build)
    monkeypatch.setenv("COLBERT_KIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def call(monkeypatch, capsys):
    """The command in this process: exit code, output, errors."""

    def run_here(*arguments):
        monkeypatch.setattr(sys, "argv", ["colbert-kit", "jobs", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        output = capsys.readouterr()
        return stop.value.code or 0, output.out, output.err

    return run_here


def test_a_launch_says_what_it_may_cost_and_needs_a_yes(call, hub_here, hello):
    code, output, errors = call("launch", "hello", "--name", "Bo", "--flavor", "l4x1", "--timeout", "2h")
    assert (code, output) == (2, "")
    assert errors.splitlines() == [
        "hello on l4x1, ended after 2 h: at most $1.60.",
        "Error: nobody is there to agree to $1.60; --yes does.",
    ]
    assert hub_here.traffic.all("POST") == []

    code, output, errors = call("launch", "hello", "--yes", "--name", "Bo", "--follow")
    assert code == 0
    assert output.endswith("\nhello Bo 37\nrepo_id=alice/x\n")
    assert "at most $0.20." in errors
    assert re.search(r"^[0-9a-f]{24}  COMPLETED$", errors, re.MULTILINE)


@pytest.mark.parametrize(
    ("answer", "code", "says"), [("y", 0, "Its log: colbert-kit jobs logs"), ("n", 2, "not launched")]
)
def test_in_a_terminal_it_asks(hub_here, hub_environment, answer, code, says):
    arguments = [
        "build_index",
        "--corpus",
        "alice/c",
        "--model",
        "alice/m",
        "--push-to",
        "alice/i",
        "--kit",
        "colbert-kit==1",
    ]
    command = [sys.executable, "-m", "colbert_kit.cli", "jobs", "launch", *arguments]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=hub_environment)
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    said = b""
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert process.wait(60) == code
    assert b"build_index on t4-small, ended after 1 h: at most $0.40." in said
    assert b"Launch it? [y/N]" in said
    assert says in said.decode()
    assert len(hub_here.traffic.all("POST", "/api/jobs/alice")) == (1 if answer == "y" else 0)


def test_a_job_of_this_machine_costs_nothing_and_is_found_by_its_folder(call, hub_here, hello, tmp_path):
    code, output, _ = call("launch", "hello", "--local", "--name", "Bo", "--follow")
    assert (code, output) == (0, "hello Bo 37\nrepo_id=alice/x\n")
    [job] = LocalRunner(tmp_path / "cache" / "jobs").list_jobs()
    assert call("list", "--local")[1].split() == [
        job.id,
        "COMPLETED",
        *f"{job.created:%Y-%m-%d %H:%M}".split(),
        "hello",
    ]
    assert call("list", "--local", "--running")[1] == "No jobs.\n"
    assert call("logs", job.id, "--local", "--tail", "1")[1] == "repo_id=alice/x\n"
    assert call("cancel", job.id, "--local")[1] == f"{job.id}  COMPLETED\n"


@pytest.mark.slow
def test_an_index_of_a_job_is_searched_where_it_was_pushed(
    call, hub_here, hub_environment, api, tiny_model_folder, tiny_documents, tmp_path, monkeypatch
):
    for name in ("HF_ENDPOINT", "HF_HOME", "HF_HUB_DISABLE_XET"):  # the job has them from here
        monkeypatch.setenv(name, hub_environment[name])
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    api.create_repo("alice/tiny", private=True)
    api.upload_folder(repo_id="alice/tiny", folder_path=tiny_model_folder)
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(one) + "\n" for one in tiny_documents))
    options = ["--corpus", str(corpus), "--model", "alice/tiny", "--push-to", "alice/index"]

    code, output, errors = call("launch", "build_index", "--local", "--follow", *options)

    assert (code, "repo_id=alice/index" in output) == (0, True), output + errors
    found = Searcher.from_pretrained("alice/index")
    here = Searcher.build(tmp_path / "here", models.ColBERT("alice/tiny", device="cpu"), tiny_documents)
    for one in tiny_documents[:5]:
        assert [hit.id for hit in found.search(one["text"])] == [hit.id for hit in here.search(one["text"])]
    assert str(tmp_path) not in hub_here.repositories["datasets", "alice/index"].read("README.md").decode()


def test_jobs_of_the_hub_are_listed_shown_and_canceled(call, hub_here, tokens):
    runner = HfJobsRunner("alice", token=tokens.write, endpoint=hub_here.url)
    failed = launched(runner, program("print('one'); print('two', flush=True); 1/0"))
    running = launched(runner, program("import time; time.sleep(60)"))
    hub_here.jobs[failed.id].wait()

    _, listed, _ = call("list")
    assert [line.split()[0] for line in listed.splitlines()] == [running.id, failed.id]
    assert " ERROR " in listed.splitlines()[1]
    code, output, errors = call("logs", failed.id, "--follow")
    assert (code, output.splitlines()[:2]) == (1, ["one", "two"])
    assert "ERROR  Job failed with exit code: 1. Reason: Error" in errors
    assert call("logs", failed.id, "--tail", "1")[1] == "ZeroDivisionError: division by zero\n"
    assert call("cancel", running.id)[:2] == (0, f"{running.id}  CANCELED\n")
    assert call("list", "--running")[1] == "No jobs.\n"


def test_machines_are_listed_by_price(call, hub_here):
    lines = call("flavors")[1].splitlines()
    assert lines[0].split() == ["cpu-basic", "$", "0.01", "2", "vCPU", "16", "GB"]
    assert any(line.startswith("l4x1") and line.endswith("1x L4, 24 GB") for line in lines)


def test_what_a_user_can_fix_is_one_line(call, hub_here, hello, monkeypatch):
    def refused(*arguments):
        code, output, errors = call(*arguments)
        assert (code, output) == (2, "")
        assert "Traceback" not in errors
        return errors.splitlines()[-1]

    assert "the kit's scripts are hello; got 'mine'" in refused("launch", "mine")
    assert "the following arguments are required: --name" in refused("launch", "hello", "--yes")
    assert "unrecognized arguments: --nme x" in refused("launch", "hello", "--yes", "--name", "y", "--nme", "x")
    assert "flavor must be one of cpu-basic" in refused("launch", "hello", "--yes", "--name", "y", "--flavor", "abacus")
    assert "a timeout is seconds" in refused("launch", "hello", "--yes", "--name", "y", "--timeout", "soon")
    assert "has no such job" in refused("logs", "0" * 24)
    assert "there is no job 'x'" in refused("cancel", "x", "--local")
    assert "leave out --tail" in refused("logs", "x", "--follow", "--tail", "3")
    assert "leave out --namespace or --local" in refused("list", "--local", "--namespace", "acme")
    assert "the secret KEY has no value here" in refused("launch", "hello", "--yes", "--name", "y", "--secret", "KEY")
    monkeypatch.delenv("HF_TOKEN")
    assert "log in with: hf auth login" in refused("list")


def test_what_a_script_takes_can_be_asked_for(call):
    code, output, _ = call("options", "train")
    assert code == 0
    assert output.startswith("usage: train.py [-h] --config CONFIG --push-to REPO")
    assert "Train a late-interaction model and push it." in output


def test_a_secret_of_the_terminal_reaches_the_job_and_no_command(call, hub_here, hello, monkeypatch, tokens):
    secret = "wandb-" + "s" * 30
    monkeypatch.setenv("WANDB_API_KEY", secret)
    code, output, errors = call("launch", "hello", "--yes", "--name", "y", "--secret", "WANDB_API_KEY", "--follow")
    assert code == 0
    assert secret not in output + errors
    assert tokens.write not in output + errors
    assert hub_here.traffic.where(secret) == [("200 POST /api/jobs/alice", "body")]
    sent = hub_here.traffic.only("POST", "/api/jobs/alice").json()
    assert set(sent["secrets"]) == {"HF_TOKEN", "WANDB_API_KEY"}
    assert secret not in json.dumps({name: value for name, value in sent.items() if name != "secrets"})
