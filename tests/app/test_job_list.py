"""A visitor's jobs, without a browser: theirs alone, bounded, found again."""

import time

import pytest

from colbert_kit.app.actor import Actor
from colbert_kit.app.job_list import JobKey, JobList
from colbert_kit.app.jobs_html import job_label, job_view_html
from colbert_kit.app.who import namespaces_of
from colbert_kit.errors import InvalidConfig, InvalidInput, JobNotFound, NotAllowed
from colbert_kit.runners import HfJobsRunner, LocalRunner
from tests.app.jobs import TOKEN, TRAINED, job

OWNER = Actor("local", None)
WAITING = "import time; print('begun', flush=True); time.sleep(600)"


@pytest.fixture
def jobs(tmp_path):
    return JobList(lambda: LocalRunner(tmp_path / "jobs", grace_seconds=0.5))


def until(look, is_so, seconds=30):
    for _ in range(int(10 * seconds)):
        view = look()
        if is_so(view):
            return view
        time.sleep(0.1)
    pytest.fail(f"not so after {seconds} seconds: {view}")


def test_a_job_is_listed_with_its_log_its_curves_and_its_result(jobs):
    launched = jobs.local(OWNER).launch(job(TRAINED, labels={"what": "pairs"}))
    [(key, listed)] = jobs.jobs(OWNER, None)
    assert (key, job_label(listed).split(" · ")[0]) == (JobKey(launched.id), "Training pairs")
    view = until(lambda: jobs.look(OWNER, JobKey.parse(str(key))), lambda view: view.is_over)
    assert view.job.state == "COMPLETED"
    assert [one.step for one in view.metrics] == [*range(1, 21), 20]
    assert view.result["best"] == 0.75
    shown = job_view_html(view)
    for text in ("0.5000 before, <strong>0.7500</strong> after", "nDCG@10", "/models/&lt;b&gt;mine&lt;/b&gt;"):
        assert text in shown
    assert TOKEN not in shown
    assert "<script" not in shown
    # A line of a megabyte is cut.
    assert "1,000,000 characters" in shown
    assert len(shown) < 20_000


def test_a_page_that_was_restarted_finds_its_jobs_and_reads_them_from_the_first_line(jobs, tmp_path):
    launched = jobs.local(OWNER).launch(job(WAITING))
    until(lambda: jobs.look(OWNER, JobKey(launched.id)), lambda view: view.lines == ["begun"])
    again = JobList(lambda: LocalRunner(tmp_path / "jobs", grace_seconds=0.5))
    [(key, _)] = again.jobs(OWNER, None)
    until(lambda: again.look(OWNER, key), lambda view: view.lines == ["begun"])
    again.cancel(OWNER, key)
    assert until(lambda: again.look(OWNER, key), lambda view: view.is_over).job.state == "CANCELED"


def test_a_job_that_has_ended_is_launched_again_and_one_that_runs_is_not_launched_twice(jobs):
    first = JobKey(jobs.local(OWNER).launch(job("print('once')")).id)
    until(lambda: jobs.look(OWNER, first), lambda view: view.is_over)
    second = jobs.relaunch(OWNER, first, None, 0.0)
    assert second != first
    assert until(lambda: jobs.look(OWNER, second), lambda view: view.is_over).lines == ["once"]
    running = JobKey(jobs.local(OWNER).launch(job(WAITING)).id)
    assert jobs.relaunch(OWNER, running, None, 0.0) == running
    jobs.cancel(OWNER, running)


def test_a_secret_that_is_kept_nowhere_is_named(jobs):
    spec = job("print('x')", secrets=("WANDB_API_KEY",))
    launched = jobs.local(OWNER).launch(spec, secrets={"WANDB_API_KEY": "w" * 20})
    with pytest.raises(InvalidInput, match="the secret WANDB_API_KEY, which is kept nowhere"):
        jobs.relaunch(OWNER, JobKey(launched.id), None, 0.0)


@pytest.mark.parametrize("text", ["", "/", "/../../etc", "a b/123", "//x", "alice/../x", "/x\n", "/" + "a" * 65])
def test_what_is_no_job_is_refused(text):
    with pytest.raises(InvalidInput, match="that is no job"):
        JobKey.parse(text)


@pytest.mark.parametrize("place", ["space", "server"])
def test_jobs_of_the_machine_are_its_owners_alone(jobs, place):
    launched = jobs.local(OWNER).launch(job("print('x')"))
    for what in (
        lambda actor: jobs.jobs(actor, None),
        lambda actor: jobs.look(actor, JobKey(launched.id)),
        lambda actor: jobs.cancel(actor, JobKey(launched.id)),
        lambda actor: jobs.relaunch(actor, JobKey(launched.id), None, 0.0),
    ):
        with pytest.raises(InvalidInput, match="needs your own machine"):
            what(Actor(place, "hf_visitor"))


def test_jobs_at_the_hub_are_seen_by_whose_token_may_see_them_also_while_another_follows(hub_here, tokens):
    jobs = JobList(make_hub=lambda namespace, token: HfJobsRunner(namespace, token=token, endpoint=hub_here.url))
    alice, bob = Actor("space", tokens.write), Actor("space", tokens.stranger)
    assert namespaces_of(alice) == ("alice", "acme")
    spec = job(
        "print('hers'); import time; time.sleep(600)",
        command=("python", "-uc", "print('hers'); import time; time.sleep(600)"),
    )
    launched = jobs.at_hub(alice, "alice").launch(spec, confirm_usd=1.0)
    key = JobKey(launched.id, "alice")
    view = until(lambda: jobs.look(alice, key), lambda view: view.lines == ["hers"] and view.usage)
    assert view.usage.total_bytes > 0
    assert view.usd == 0.01
    assert "Processor" in job_view_html(view)
    with pytest.raises(NotAllowed):
        jobs.look(bob, key)
    with pytest.raises(NotAllowed):
        jobs.cancel(bob, key)
    with pytest.raises(InvalidInput, match="sign in above"):
        jobs.look(Actor("space"), key)
    with pytest.raises(JobNotFound):
        jobs.look(alice, JobKey("0" * 24, "alice"))
    jobs.cancel(alice, key)
    assert until(lambda: jobs.look(alice, key), lambda view: view.is_over).job.state == "CANCELED"


def test_a_job_at_the_hub_is_launched_again_for_what_was_agreed_to_and_no_more(hub_here, tokens):
    jobs = JobList(make_hub=lambda namespace, token: HfJobsRunner(namespace, token=token, endpoint=hub_here.url))
    alice = Actor("space", tokens.write)
    spec = job("", command=("python", "-c", "import os; print(len(os.environ['HF_TOKEN']))"), secrets=("HF_TOKEN",))
    key = JobKey(jobs.at_hub(alice, "alice").launch(spec, confirm_usd=1.0).id, "alice")
    until(lambda: jobs.look(alice, key), lambda view: view.is_over)
    with pytest.raises(InvalidConfig, match="give timeout_seconds"):
        jobs.relaunch(alice, key, None, 0.0)
    usd = jobs.ceiling(alice, key, 7200)
    assert usd == 0.02
    with pytest.raises(InvalidInput, match=r"may cost \$0.02, and \$0.01 are confirmed"):
        jobs.relaunch(alice, key, 7200, 0.01)
    second = jobs.relaunch(alice, key, 7200, usd)
    assert second != key
    assert until(lambda: jobs.look(alice, second), lambda view: view.is_over).lines == [str(len(tokens.write))]
    assert hub_here.jobs[second.job_id].timeout_seconds == 7200
    assert jobs.jobs(alice, "alice")[0][0] == second
