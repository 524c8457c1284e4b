"""Jobs, launched and followed with the real client; each runs its command here."""

import time
from pathlib import Path

import pytest
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, JobNotFoundError
from huggingface_hub.utils import get_session

SECRET = "hf_" + "s" * 34
FAST = {"namespace": "alice", "image": "python:3.12"}


@pytest.fixture
def run(api, hub):
    """Launch a Python program as a job of alice's, and give the server's view of it."""

    def launch(program, *arguments, **options):
        info = api.run_job(**{**FAST, "command": ["python", "-c", program, *arguments], **options})
        return hub.jobs[info.id]

    return launch


def followed(api, job):
    return list(api.fetch_job_logs(job_id=job.id, namespace="alice", follow=True))


def test_body_of_the_request_is_the_documented_one(api, hub, run):
    run("print(1)", "x", env={"A": "b"}, secrets={"S": SECRET}, timeout="1.5h", labels={"app": "kit"}, name="train")
    assert hub.traffic.only("POST", "/api/jobs/alice").json() == {
        "command": ["python", "-c", "print(1)", "x"],
        "arguments": [],
        "environment": {"A": "b"},
        "flavor": "cpu-basic",
        "secrets": {"S": SECRET},
        "timeoutSeconds": 5400,
        "labels": {"app": "kit", "name": "train"},
        "dockerImage": "python:3.12",
    }


def test_job_runs_with_what_it_was_given_and_nothing_else(api, hub, run, tokens, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", tokens.read)
    names = [
        "GIVEN",
        "SECRET",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "JOB_ID",
        "ACCELERATOR",
        "CPU_CORES",
        "MEMORY",
        "HF_HUB_OFFLINE",
    ]
    program = f"import os; print(*[os.environ.get(name) for name in {names}], sep='\\n'); print(os.getcwd())"
    job = run(program, env={"GIVEN": "1"}, secrets={"SECRET": SECRET}, flavor="t4-small", labels={"app": "kit"})

    *found, folder = followed(api, job)

    assert found == ["1", SECRET, hub.url, "None", job.id, "t4-small", "4", "15Gi", "None"]
    assert not Path(folder).exists()
    info = api.inspect_job(job_id=job.id, namespace="alice")
    assert info.status.stage == "COMPLETED"
    assert info.status.message is None
    assert (info.owner.name, info.flavor, info.docker_image) == ("alice", "t4-small", "python:3.12")
    assert info.labels["app"] == "kit"
    assert info.created_at <= info.started_at <= info.finished_at
    assert info.url == f"{hub.url}/jobs/alice/{job.id}"


def test_secret_is_in_the_launch_alone(api, hub, run, tokens):
    job = run("import os; print(len(os.environ['S']))", secrets={"S": SECRET, "HF_TOKEN": tokens.write})
    assert followed(api, job) == ["37"]
    info = api.inspect_job(job_id=job.id, namespace="alice")
    assert next(iter(api.list_jobs(namespace="alice"))).id == job.id
    assert info.secrets == {"S": None, "HF_TOKEN": None}
    assert hub.traffic.where(SECRET) == [("200 POST /api/jobs/alice", "body")]
    assert {place for _, place in hub.traffic.where(tokens.write)} == {"body", "header authorization"}


def test_logs_stream_while_the_job_runs(api, run):
    job = run("import time\nfor i in range(3): print(i, flush=True); time.sleep(0.3)")
    seen = {line: time.monotonic() for line in api.fetch_job_logs(job_id=job.id, namespace="alice", follow=True)}
    assert list(seen) == ["0", "1", "2"]
    assert seen["2"] - seen["0"] > 0.4


def test_logs_of_both_streams_stay_after_the_end(api, run):
    job = run(
        "import sys; print('out', flush=True); print('err', file=sys.stderr, flush=True); print('no newline', end='')"
    )
    job.wait()
    logs = list(api.fetch_job_logs(job_id=job.id, namespace="alice"))
    assert logs == ["out", "err", "no newline"]
    assert list(api.fetch_job_logs(job_id=job.id, namespace="alice", tail=2)) == ["err", "no newline"]
    assert job.lines[0]["data"].startswith("===== Job started at ")


def test_stream_that_is_cut_is_taken_up_again(api, hub, run):
    # The client takes up the stream of a job that runs; of one that has ended it gives what came before the cut.
    job = run("import time\nfor i in range(20): print('line', i, flush=True)\ntime.sleep(1.2)")
    hub.faults.cut_response("GET", "*/logs", after_bytes=500)
    assert followed(api, job) == [f"line {i}" for i in range(20)]
    assert len(hub.traffic.all("GET", "*/logs")) == 2


def test_stage_may_lag_behind_the_last_line(api, hub, run):
    hub.jobs.settings.stage_lag_seconds = 1.0
    job = run("print('done')")
    # The client waits 5 seconds for a line; on a busy machine a Python may take longer to start.
    end = time.monotonic() + 60
    while job.lines[-1:] == [] or job.lines[-1]["data"] != "done":
        assert time.monotonic() < end
        time.sleep(0.01)
    lines = api.fetch_job_logs(job_id=job.id, namespace="alice", follow=False)
    assert list(lines) == ["done"]
    assert job.stage == "RUNNING"
    assert job.wait() == "COMPLETED"


def test_failing_job_keeps_its_last_lines(api, run):
    job = run("print('before', flush=True); raise SystemExit(3)")
    assert job.wait() == "ERROR"
    info = api.inspect_job(job_id=job.id, namespace="alice")
    assert info.status.message == "Job failed with exit code: 3. Reason: Error"
    assert list(api.fetch_job_logs(job_id=job.id, namespace="alice")) == ["before"]


def test_command_that_does_not_exist_is_a_failure(api, run):
    job = run("", command=["no-such-program"])
    assert job.wait() == "ERROR"
    assert "no-such-program" in job.lines[-1]["data"]


def test_timeout_kills_the_job_and_what_it_started(api, run, tmp_path):
    child = f"import time; time.sleep(2.5); open({str(tmp_path / 'alive')!r}, 'w')"
    start = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}])"
    program = f"{start}; print('up', flush=True); time.sleep(60)"
    job = run(program, timeout=1)
    began = time.monotonic()
    assert job.wait() == "ERROR"
    assert time.monotonic() - began < 30
    assert api.inspect_job(job_id=job.id, namespace="alice").status.message == "Job timeout"
    assert followed(api, job) == ["up"]
    time.sleep(max(0, 3 - (time.monotonic() - began)))
    assert not (tmp_path / "alive").exists()


def test_process_that_heeds_no_signal_is_killed(hub, run):
    hub.jobs.settings.grace_seconds = 0.2
    job = run(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
        timeout=1,
    )
    assert job.wait() == "ERROR"
    assert job.message == "Job timeout"


def test_canceled_job_ends_at_once_and_says_so(api, run):
    job = run("import time; print('up', flush=True); time.sleep(60)")
    lines = api.fetch_job_logs(job_id=job.id, namespace="alice", follow=True)
    assert next(iter(lines)) == "up"

    api.cancel_job(job_id=job.id, namespace="alice")

    assert api.inspect_job(job_id=job.id, namespace="alice").status.stage == "CANCELED"
    assert list(lines) == []
    api.cancel_job(job_id=job.id, namespace="alice")


def test_job_can_be_canceled_before_it_runs(api, hub, run):
    hub.jobs.settings.scheduling_seconds = 60
    job = run("print('never')")
    assert api.inspect_job(job_id=job.id, namespace="alice").status.stage == "SCHEDULING"
    api.cancel_job(job_id=job.id, namespace="alice")
    assert job.stage == "CANCELED"
    assert job.lines == []


def test_jobs_are_found_by_label_and_stage_in_pages(api, hub, run):
    jobs = [run("pass", labels={"app": "kit", "kind": kind}) for kind in ("train", "index", "train")]
    run("pass")
    hub.page_size = 2
    for job in hub.jobs.all():
        job.wait()

    def found(**options):
        return [one.id for one in api.list_jobs(namespace="alice", **options)]

    assert found(labels={"app": "kit"}) == [one.id for one in reversed(jobs)]
    assert found(labels={"app": "kit", "kind": "train"}, status="COMPLETED") == [jobs[2].id, jobs[0].id]
    assert found(status=["RUNNING", "SCHEDULING"]) == []
    assert len(found()) == 4
    api.update_job_labels(job_id=jobs[0].id, labels={"app": "other"}, namespace="alice")
    assert found(labels={"app": "other"}) == [jobs[0].id]


def test_metrics_are_of_the_running_process(api, run):
    job = run("import time; print('up', flush=True); time.sleep(60)", flavor="l4x1")
    next(iter(api.fetch_job_logs(job_id=job.id, namespace="alice", follow=True)))
    sample = next(iter(api.fetch_job_metrics(job_id=job.id, namespace="alice")))
    assert 1e6 < sample["memory_used_bytes"] < sample["memory_total_bytes"] == 30e9
    assert sample["cpu_millicores"] == 8000
    api.cancel_job(job_id=job.id, namespace="alice")
    # The client of 1.33 raises what the one of 2.4 takes for the end.
    url = f"{api.endpoint}/api/jobs/alice/{job.id}/metrics"
    assert get_session().get(url, headers={"Authorization": f"Bearer {api.token}"}).status_code == 406


def test_hardware_has_prices_per_minute(api):
    found = {one.name: one for one in api.list_jobs_hardware()}
    assert found["t4-small"].unit_cost_usd * 60 == pytest.approx(0.40, abs=1e-4)
    assert found["t4-small"].unit_label == "minute"
    assert found["t4-small"].accelerator.model == "T4"
    assert found["cpu-basic"].accelerator is None


def test_job_runs_on_a_space(api, hub):
    info = api.run_job(namespace="alice", image="hf.co/spaces/alice/tools", command=["python", "-c", "pass"])
    assert (info.space_id, info.docker_image) == ("alice/tools", None)


def test_job_must_be_described_as_the_api_says(api, run):
    with pytest.raises(BadRequestError, match='"flavor" must be one of'):
        run("pass", flavor="abacus")
    with pytest.raises(BadRequestError, match=r'"environment\.N" must be a string'):
        run("pass", env={"N": 1})
    with pytest.raises(BadRequestError, match=r'"labels\.app" with value "a b" fails to match'):
        run("pass", labels={"app": "a b"})
    with pytest.raises(BadRequestError, match='"command" must be an array'):
        run("pass", command=[])


def test_jobs_need_the_scope_the_membership_and_the_credit(api, hub, run, tokens):
    for token, namespace, message in [
        (tokens.without_jobs, "alice", "403 Forbidden: missing permissions: job.write"),
        (tokens.read, "alice", "403 Forbidden: missing permissions: job.write"),
        (tokens.stranger, "alice", "403 Forbidden: You don't have access to the Jobs of 'alice'"),
        (tokens.stranger, "acme", "403 Forbidden: missing permissions: job.write"),
        (tokens.expired, "alice", '401.*\n*.*\n*.*User Access Token "tests" is expired'),
        (False, "alice", "Invalid username or password"),
    ]:
        with pytest.raises(HfHubHTTPError, match=message):
            run("pass", namespace=namespace, token=token)
    job = run("pass", token=tokens.jobs_only)
    assert next(iter(api.list_jobs(namespace="alice", token=tokens.read))).id == job.id
    with pytest.raises(HfHubHTTPError, match=r"missing permissions: job\.read"):
        list(api.list_jobs(namespace="alice", token=tokens.without_jobs))
    with pytest.raises(HfHubHTTPError, match=r"missing permissions: job\.write"):
        api.cancel_job(job_id=job.id, namespace="alice", token=tokens.read)
    hub.accounts.get("alice").can_pay = False
    with pytest.raises(HfHubHTTPError, match=r"402.*\n*.*\n*.*Pre-paid credit balance is insufficient"):
        run("pass")


def test_unknown_job_is_a_404(api, run):
    with pytest.raises(JobNotFoundError):
        api.inspect_job(job_id="0" * 24, namespace="alice")
    job = run("pass")
    with pytest.raises(JobNotFoundError):
        api.inspect_job(job_id=job.id, namespace="acme")
