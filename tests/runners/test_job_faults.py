"""Every fault at every call about jobs: one clear line, and the next call does what was asked, once."""

import pytest

from colbert_kit.errors import HubConflict, HubUnreachable, JobNotFound, NotAllowed, RepoNotFound
from colbert_kit.runners import HfJobsRunner
from tests.runners.test_hf_jobs import impatient, launched, program  # noqa: F401 - a fixture

RUNS = program("import time; print('up', flush=True); time.sleep(60)")

CALLS = {
    "launch": ("POST", "/api/jobs/alice", lambda runner, _: launched(runner, RUNS).state),
    "inspect": ("GET", "/api/jobs/alice/*", lambda runner, job_id: runner.inspect(job_id).state),
    "list": ("GET", "/api/jobs/alice", lambda runner, _: [one.state for one in runner.list_jobs()]),
    "logs": ("GET", "*/logs", lambda runner, job_id: runner.logs(job_id)),
    "usage": ("GET", "*/metrics", lambda runner, job_id: runner.usage(job_id) is not None),
    "cancel": ("POST", "*/cancel", lambda runner, job_id: runner.cancel(job_id).state),
}
REFUSALS = {
    402: (NotAllowed, "for 'alice' is not allowed: .*settings/billing"),
    403: (NotAllowed, "for 'alice' is not allowed: .*permissions for Jobs"),
    404: (JobNotFound, "'alice' has no such job"),
    409: (HubConflict, "for 'alice' is refused, as something stands against it: Conflict"),
    412: (HubConflict, "for 'alice' is refused, as something stands against it"),
    429: (HubUnreachable, "Try again in 7 seconds"),
    500: (HubUnreachable, r"the Hub failed at .* for alice. \(500"),
    503: (HubUnreachable, r"the Hub failed at .* for alice. \(503"),
}


@pytest.fixture
def runner(hub_here, tokens, impatient):  # noqa: F811
    return HfJobsRunner("alice", token=tokens.write, endpoint=hub_here.url)


@pytest.fixture
def job_id(runner, hub):
    """A job that waits for a machine; the launch's own tests start without one."""
    hub.jobs.settings.scheduling_seconds = 60
    job = launched(runner, program("pass", labels={"waits": "yes"}))
    yield job.id
    runner.cancel(job.id)


def check_that_it_is_clear(error, tokens):
    assert "\n" not in str(error)
    while error is not None:
        assert not any(token in f"{error} {error!r}" for token in tokens)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("call", "status"),
    # With 500 the Hub used to say that a job that has ended has no figures any more: no fault to the client.
    [(call, status) for call in CALLS for status in REFUSALS if (call, status) != ("usage", 500)],
)
def test_refusal_of_any_call_is_told_and_the_next_call_does_it(runner, hub, tokens, job_id, call, status):
    method, path, ask = CALLS[call]
    hub.faults.refuse(method, path, status, times=None, retry_after=7 if status == 429 else None)
    kind, message = REFUSALS[status]
    if status == 404 and call in ("launch", "list"):
        kind, message = RepoNotFound, "jobs? for alice' .*Check the spelling"
    with pytest.raises(kind, match=message) as caught:
        ask(runner, job_id)
    assert type(caught.value) is kind
    check_that_it_is_clear(caught.value, tokens)
    hub.faults.clear()

    check_that_it_is_done_once(runner, hub, call, ask, job_id)


# What a machine is busy with is asked anew every second; of an answer that is lost huggingface_hub 1.33 says nothing.
@pytest.mark.parametrize("call", sorted(CALLS.keys() - {"usage"}))
def test_answer_that_is_lost_is_told_and_the_next_call_does_it_once(runner, hub, tokens, job_id, call):
    method, path, ask = CALLS[call]
    hub.faults.cut_response(method, path, after_bytes=0, times=None)
    with pytest.raises(HubUnreachable, match=r"the connection to the Hub broke while .* for alice") as caught:
        ask(runner, job_id)
    check_that_it_is_clear(caught.value, tokens)
    hub.faults.clear()

    check_that_it_is_done_once(runner, hub, call, ask, job_id)


@pytest.mark.parametrize("call", CALLS)
def test_slow_answer_is_waited_for(runner, hub, job_id, call):
    method, path, ask = CALLS[call]
    hub.faults.slow(method, path, bytes_per_second=3000)
    check_that_it_is_done_once(runner, hub, call, ask, job_id)


def check_that_it_is_done_once(runner, hub, call, ask, job_id):
    expected = {
        "launch": "SCHEDULING", "inspect": "SCHEDULING", "list": ["SCHEDULING"], "logs": [], "cancel": "CANCELED"
    }  # fmt: skip
    if call == "usage":
        assert ask(runner, job_id) in (True, False)
        return
    assert ask(runner, job_id) == expected[call]
    if call == "launch":
        [made] = [job for job in hub.jobs.all() if job.id != job_id]
        runner.cancel(made.id)
