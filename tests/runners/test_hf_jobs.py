"""Jobs at a Hub: the real client speaks to a Hub on this machine, which runs their commands."""

import contextlib
import threading
import time

import pytest

from colbert_kit.errors import HubError, HubUnreachable, InvalidConfig, InvalidInput, JobNotFound, NotAllowed
from colbert_kit.runners import HfJobsRunner, JobSpec, follow, hf_jobs

SECRET = "wandb-" + "s" * 30


@pytest.fixture
def runner(hub_here, tokens):
    return HfJobsRunner("alice", token=tokens.write, endpoint=hub_here.url)


@pytest.fixture
def impatient(monkeypatch):
    """Pauses between attempts take no time."""
    monkeypatch.setattr(time, "sleep", lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.01)))


def program(code, *arguments, **settings):
    return JobSpec(
        **{
            "kind": "test",
            "command": ("python", "-c", code),
            "arguments": arguments,
            "image": "python:3.12",
            "timeout_seconds": 60,
            **settings,
        }
    )


def launched(runner, spec, **options):
    return runner.launch(spec, confirm_usd=0.01, **options)


def test_a_job_is_launched_followed_and_found_again_by_its_labels(runner, hub, tokens):
    spec = program("import sys; print('hello', *sys.argv[1:])", "a", labels={"team": "search"}, flavor="cpu-basic")
    job = launched(runner, spec)
    follower = follow(runner, job.id)

    ended = follower.wait(30)

    assert follower.log.lines() == ["hello a"]
    assert (ended.state, ended.message, ended.flavor) == ("COMPLETED", None, "cpu-basic")
    assert ended.url == f"{hub.url}/jobs/alice/{job.id}"
    assert ended.created <= ended.started <= ended.finished
    # Another process, later: all it knows is who it is.
    again = HfJobsRunner(token=tokens.write, endpoint=hub.url)
    assert again.namespace == "alice"
    assert [one.id for one in again.list_jobs(labels={"team": "search"})] == [job.id]
    assert again.list_jobs(states=["RUNNING", "SCHEDULING"]) == []
    assert again.logs(job.id) == ["hello a"]
    assert ended.labels == {**spec.all_labels, "name": "colbert-kit-test"}


def test_jobs_of_other_programs_are_not_listed(runner, api):
    api.run_job(namespace="alice", image="python:3.12", command=["python", "-c", "pass"])
    assert runner.list_jobs() == []


def test_a_restarted_app_follows_a_running_job_from_its_first_line(runner, hub, tokens):
    job = launched(runner, program("import time; print('first', flush=True); time.sleep(60)", labels={"run": "mine"}))
    lines = runner.stream_logs(job.id)
    assert next(lines) == "first"
    lines.close()

    other = HfJobsRunner("alice", token=tokens.write, endpoint=hub.url)
    [found] = other.list_jobs(labels={"run": "mine"}, states=["RUNNING"])
    follower = follow(other, found.id)
    other.cancel(found.id)

    assert follower.wait(30).state == "CANCELED"
    assert follower.log.lines() == ["first"]


def test_a_failed_job_says_how_and_keeps_its_last_lines(runner):
    job = launched(runner, program("for i in range(50): print(i, flush=True)\nraise SystemExit('no rows')"))
    follower = follow(runner, job.id, keep_lines=3)
    assert follower.wait(30).message == "Job failed with exit code: 1. Reason: Error"
    assert follower.log.lines() == ["48", "49", "no rows"]
    assert runner.logs(job.id, tail=1) == ["no rows"]


def test_a_timeout_is_always_sent_and_ends_the_job(runner, hub):
    job = launched(runner, program("import time; print('up', flush=True); time.sleep(60)", timeout_seconds=1))
    assert hub.traffic.only("POST", "/api/jobs/alice").json()["timeoutSeconds"] == 1
    ended = follow(runner, job.id).wait(30)
    assert (ended.state, ended.message) == ("ERROR", "Job timeout")


def test_cancel_ends_a_job_once(runner):
    job = launched(runner, program("import time; time.sleep(60)"))
    assert runner.cancel(job.id).state == "CANCELED"
    assert runner.cancel(job.id).state == "CANCELED"


@pytest.mark.parametrize("after_bytes", [0, 300, 1000])
def test_a_stream_that_is_cut_loses_no_line_while_the_job_runs_or_after_it_has_ended(
    runner, hub, impatient, after_bytes
):
    job = launched(runner, program("import time\nfor i in range(40): print('line', i, flush=True); time.sleep(0.01)"))
    hub.faults.cut_response("GET", "*/logs", after_bytes=after_bytes, times=3)
    assert list(runner.stream_logs(job.id)) == [f"line {number}" for number in range(40)]

    hub.faults.cut_response("GET", "*/logs", after_bytes=after_bytes, times=3)
    assert list(runner.stream_logs(job.id)) == [f"line {number}" for number in range(40)]
    assert not hub.faults.waiting()


def test_a_job_that_waits_for_a_machine_is_followed_to_its_end(runner, hub, impatient):
    hub.jobs.settings.scheduling_seconds = 0.5
    job = launched(runner, program("print('late')"))
    assert runner.inspect(job.id).state == "SCHEDULING"
    assert list(runner.stream_logs(job.id)) == ["late"]


def test_a_hub_that_is_gone_for_a_while_is_asked_again_and_not_for_ever(runner, hub, impatient, monkeypatch):
    job = launched(runner, program("print('done')"))
    hub.jobs[job.id].wait()
    hub.faults.refuse("GET", "/api/jobs/*", 503, times=hf_jobs.MOST_FAILURES)
    assert list(runner.stream_logs(job.id)) == ["done"]

    hub.faults.refuse("GET", "/api/jobs/*", 503, times=None)
    with pytest.raises(HubUnreachable, match=r"the Hub failed at 'looking at a job for alice' \(503"):
        list(runner.stream_logs(job.id))
    follower = follow(runner, job.id)
    with pytest.raises(HubUnreachable):
        follower.wait(30)


def test_nothing_is_sent_before_what_it_may_cost_is_confirmed(runner, hub):
    spec = program("pass", flavor="l4x1", timeout_seconds=5400)
    assert runner.cost_ceiling(spec) == 1.20
    for confirmed in (0.0, 1.19):
        with pytest.raises(
            InvalidInput, match=r"l4x1 at \$0\.80 an hour for up to 5400 seconds may cost \$1\.20, and .*\(--yes\)"
        ):
            runner.launch(spec, confirm_usd=confirmed)
    assert hub.traffic.all("POST") == []
    assert runner.launch(spec, confirm_usd=1.20).flavor == "l4x1"


def test_machines_and_prices_are_the_hubs_and_else_those_of_a_dated_table(runner, hub):
    live = {one.name: one for one in runner.flavors()}
    assert (live["l4x1"].accelerator, live["l4x1"].cpu, live["l4x1"].as_of) == ("1x L4, 24 GB", "8 vCPU", None)
    hub.faults.refuse("GET", "/api/jobs/hardware", 503)
    offline = {one.name: one for one in runner.flavors()}
    assert {one.as_of for one in offline.values()} == {"August 2026"}
    # The table of this Hub is another copy of the same page.
    assert {name: (one.cpu, one.ram, one.accelerator, one.usd_per_hour) for name, one in offline.items()} == {
        name: (one.cpu, one.ram, one.accelerator, round(one.usd_per_hour, 3)) for name, one in live.items()
    }
    with pytest.raises(InvalidConfig, match=r"flavor must be one of cpu-basic, .*; got 'abacus'"):
        runner.cost_ceiling(program("pass", flavor="abacus"))


def test_an_equal_job_is_not_launched_twice_while_it_runs(runner, hub):
    spec = program("import time; time.sleep(60)")
    jobs = []
    threads = [threading.Thread(target=lambda: jobs.append(launched(runner, spec).id)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(jobs)) == 1
    assert len(hub.traffic.all("POST", "/api/jobs/alice")) == 1
    runner.cancel(jobs[0])
    assert launched(runner, spec).id != jobs[0]


def test_a_launch_whose_answer_was_lost_is_found_by_the_next_one(runner, hub):
    spec = program("import time; time.sleep(60)")
    hub.faults.cut_response("POST", "/api/jobs/alice", after_bytes=0)
    with pytest.raises(HubUnreachable, match="connection to the Hub broke while 'launching a job for alice'"):
        launched(runner, spec)
    [lost] = hub.jobs.all()
    assert launched(runner, spec).id == lost.id


def test_the_namespace_is_always_named(runner, hub, tokens):
    runner = HfJobsRunner("acme", token=tokens.write, endpoint=hub.url)
    job = launched(runner, program("print(1)"))
    follow(runner, job.id).wait(30)
    runner.list_jobs(), runner.logs(job.id), runner.cancel(job.id), runner.flavors()
    asked = {exchange.path for exchange in hub.traffic.all()}
    assert {path for path in asked if not path.startswith("/api/jobs/acme")} == {"/api/jobs/hardware"}


def test_what_the_hub_refuses_is_one_line_that_says_what_to_do(runner, hub, tokens):
    def refused(token=tokens.write, namespace="alice"):
        with pytest.raises(HubError) as error:
            launched(HfJobsRunner(namespace, token=token, endpoint=hub.url), program("pass"))
        assert "\n" not in str(error.value)
        assert token not in str(error.value)
        return type(error.value), str(error.value)

    kind, said = refused(tokens.expired)
    assert (kind, "is expired). Make a new one, and log in with: hf auth login" in said) == (NotAllowed, True)
    kind, said = refused(tokens.read)
    assert (kind, "missing permissions: job.write" in said, "permissions for Jobs" in said) == (NotAllowed, True, True)
    assert refused(tokens.stranger)[0] is NotAllowed
    hub.accounts.get("alice").can_pay = False
    kind, said = refused()
    assert (kind, "https://huggingface.co/settings/billing" in said) == (NotAllowed, True)
    hub.accounts.get("alice").can_pay = True
    hub.faults.refuse("POST", "/api/jobs/alice", 429, retry_after=7)
    kind, said = refused()
    assert (kind, "Try again in 7 seconds" in said) == (HubUnreachable, True)
    hub.faults.refuse("POST", "/api/jobs/alice", 400, message="no such thing")
    assert refused() == (HubError, "the Hub refused 'launching a job for alice' (400): no such thing")


def test_a_job_of_no_such_id_is_named(runner):
    for ask in (runner.inspect, runner.logs, lambda job_id: next(runner.stream_logs(job_id)), runner.cancel):
        with pytest.raises(JobNotFound, match="'alice' has no such job; colbert-kit jobs list --namespace alice"):
            ask("0" * 24)


def test_a_token_is_needed_and_on_a_space_it_is_the_visitors(hub_here, tokens, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "alice/studio")
    with pytest.raises(NotAllowed, match="with the token of whoever asks for them"):
        HfJobsRunner("alice", endpoint=hub_here.url)
    assert HfJobsRunner("bob", token=tokens.stranger, endpoint=hub_here.url).list_jobs() == []
    monkeypatch.delenv("SPACE_ID")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(NotAllowed, match="jobs need an access token"):
        HfJobsRunner("alice", endpoint=hub_here.url)


def test_secrets_and_tokens_are_in_the_launch_alone(runner, hub, tokens):
    code = "import os; print(len(os.environ['KEY']), os.environ['HF_TOKEN'][:3], os.environ['HF_TOKEN'])"
    spec = program(code, secrets=("HF_TOKEN", "KEY"))
    job = launched(runner, spec, secrets={"KEY": SECRET})
    follower = follow(runner, job.id)
    follower.wait(30)
    runner.list_jobs()

    # What a job prints of its own the Hub keeps; what is shown here does not have it.
    assert follower.log.lines() == [f"{len(SECRET)} hf_ hf_***"]
    assert runner.logs(job.id) == follower.log.lines()
    assert hub.traffic.where(SECRET) == [("200 POST /api/jobs/alice", "body")]
    places = {place for exchange, place in hub.traffic.where(tokens.write) if not exchange.endswith("/logs")}
    assert places == {"body", "header authorization"}
    assert hub.traffic.only("POST", "/api/jobs/alice").json()["secrets"] == {"HF_TOKEN": tokens.write, "KEY": SECRET}
    for thing in (runner, spec, job, follower):
        assert tokens.write not in repr(thing)
        assert SECRET not in repr(thing)


def test_a_secret_needs_a_value(runner, hub):
    with pytest.raises(InvalidInput, match="needs the secret KEY"):
        launched(runner, program("pass", secrets=("HF_TOKEN", "KEY")))
    assert hub.traffic.all("POST") == []


def test_a_follower_can_be_stopped_and_the_job_goes_on(runner, hub):
    job = launched(runner, program("import time\nwhile True: print('x', flush=True); time.sleep(0.05)"))
    follower = follow(runner, job.id)
    follower.stop()
    with contextlib.suppress(TimeoutError):
        follower.wait(30)
    assert follower.is_over
    assert runner.cancel(job.id).state == "CANCELED"
