"""Train and Jobs in a real browser: upload, look, launch, watch; at the Hub as whoever signed in."""

import contextlib
import json
import os
import subprocess
import sys

import pytest

from colbert_kit.runners import LocalRunner, follow
from tests.app.jobs import HOSTILE_LINES, TRAINED, job
from tests.app.serving import open_tab, serving, visiting
from tests.hubserver import HubServer
from tests.hubserver.fixtures import add_accounts, environment_of
from tests.training.runs import ROWS

WAIT = 120_000
MOCKED = "mock-oauth-token-for-local-dev"


@pytest.fixture(scope="module")
def hub():
    with HubServer() as server:
        yield server, add_accounts(server)


@pytest.fixture(scope="module")
def site(nasty_index, hub, tmp_path_factory):
    """A page whose owner is logged in as alice; it has one job that has ended."""
    home = tmp_path_factory.mktemp("site")
    runner = LocalRunner(home / "jobs")
    ended = runner.launch(job(TRAINED, labels={"what": "hostile"}))
    follow(runner, ended.id).wait(30)
    environment = {**environment_of(hub[0], hub[1].write, home / "huggingface"), "COLBERT_KIT_CACHE": str(home)}
    with serving(nasty_index, environment) as url:
        yield url, home


@pytest.fixture
def visit(browser):
    """A tab of a fresh visitor; what the browser's console calls an error fails the test."""
    with contextlib.ExitStack() as visits:

        def visit_tab(url, tab, width=1200, theme="light"):
            page = visits.enter_context(visiting(browser, f"{url}?__theme={theme}", width))
            open_tab(page, tab)
            return page

        yield visit_tab


def test_a_file_becomes_a_model_and_each_step_is_seen(visit, site, tiny_model_folder, tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"question": row["query"], "answer": row["positive"], "neg": row["negatives"]} for row in ROWS]
    rows[0]["answer"] = HOSTILE_LINES[0]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = visit(site[0], "Train")
    page.locator("#train-file input[type=file]").set_input_files(str(path))
    page.locator("#train-data-note", has_text="question").wait_for(timeout=WAIT)
    page.locator("#train-model-kind label").nth(2).click()
    page.locator("#train-model textarea, #train-model input").first.fill(str(tiny_model_folder))
    page.locator("#train-batch input").fill("8")
    page.locator("#train-launch").click()
    page.locator("#train-launched", has_text="Check it first").wait_for(timeout=WAIT)
    page.locator("#train-check").click()
    page.wait_for_selector("#train-preview li", timeout=WAIT)
    assert HOSTILE_LINES[0] in page.locator("#train-preview").inner_text()
    assert "Nothing is wrong" in page.locator("#train-findings").inner_text()
    page.locator("#train-config", has_text="batch_size: 8").wait_for()
    page.locator("#train-launch").dblclick()
    page.wait_for_selector("#train-job .ck-result", timeout=WAIT)
    assert page.locator("#train-job svg").count() == 3
    assert (site[1] / "my-models" / "my-model" / "model.safetensors").exists()
    assert len(list((site[1] / "jobs").iterdir())) == 2


def test_a_job_is_found_again_and_what_it_said_is_shown_as_itself(visit, site):
    page = visit(site[0], "Jobs")
    page.locator("#jobs-list label", has_text="Training hostile").click()
    page.wait_for_selector("#jobs-job .ck-result", timeout=WAIT)
    shown = page.locator("#jobs-job .ck-job-log pre").text_content()
    for line in HOSTILE_LINES[:3]:
        assert line in shown
    assert "a NUL\ufffd and a bell\ufffd" in shown
    assert "hf_ttt" not in shown
    assert "/models/<b>mine</b>" in page.locator("#jobs-job .ck-result").inner_text()
    assert page.title() == "colbert_kit"
    assert page.locator("#jobs-job script, #jobs-job img, #jobs-job b").count() == 0


def test_a_running_job_is_canceled_and_launched_again(visit, site):
    waiting = job("print('begun', flush=True); import time; time.sleep(600)", kind="evaluate", timeout_seconds=900)
    LocalRunner(site[1] / "jobs").launch(waiting)
    page = visit(site[0], "Jobs")
    page.locator("#jobs-list label", has_text="Evaluation").click()
    page.locator("#jobs-job pre", has_text="begun").wait_for(timeout=WAIT)
    page.locator("#jobs-cancel").click()
    page.locator("#jobs-job", has_text="canceled").wait_for(timeout=WAIT)
    page.locator("#jobs-again").click()
    page.locator("#jobs-job", has_text="running").wait_for(timeout=WAIT)
    page.locator("#jobs-cancel").click()
    page.locator("#jobs-job", has_text="canceled").wait_for(timeout=WAIT)
    page.locator("#jobs-list label", has_text="canceled").nth(1).wait_for(timeout=WAIT)


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1200, "light")])
@pytest.mark.parametrize("tab", ["Train", "Jobs"])
def test_nothing_overflows(visit, site, tab, width, theme):
    page = visit(site[0], tab, width, theme)
    page.wait_for_timeout(1000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_jobs_at_the_hub_are_listed_in_a_name_and_their_price_is_agreed_to_before_they_run_again(visit, site, hub):
    page = visit(site[0], "Jobs")
    hub[0].jobs.start(
        hub[0].accounts.get("alice"),
        hub[0].accounts.get("alice"),
        {
            "command": ["python", "-c", "print('at the hub')"],
            "dockerImage": "python:3.12",
            "flavor": "cpu-basic",
            "labels": {"app": "colbert-kit", "kind": "train", "run": "r1"},
        },
        hub[0].url,
    )
    page.locator("#jobs-where label", has_text="Hugging Face").click()
    page.wait_for_function("document.querySelector('#jobs-namespace input')?.value === 'alice'", timeout=WAIT)
    page.locator("#jobs-list label", has_text="Training").first.click(timeout=WAIT)
    page.locator("#jobs-job pre", has_text="at the hub").wait_for(timeout=WAIT)
    page.locator("#jobs-agree-again", has_text="up to $0.02").wait_for(timeout=WAIT)
    page.locator("#jobs-again").click()
    page.locator("#jobs-job", has_text="Tick that you agree").wait_for(timeout=WAIT)
    assert len(hub[0].jobs.all()) == 1
    page.locator("#jobs-agree-again input").check()
    # Nothing that still follows the refusal takes the tick back.
    page.wait_for_timeout(1500)
    assert page.locator("#jobs-agree-again input").is_checked()
    page.locator("#jobs-again").click()
    page.locator("#jobs-list label").nth(1).wait_for(timeout=WAIT)
    assert len(hub[0].jobs.all()) == 2


def test_a_visitor_of_a_space_sees_jobs_once_signed_in_and_acts_with_that_token(
    browser, nasty_index, hub, tmp_path_factory
):
    pytest.importorskip("itsdangerous")
    home = tmp_path_factory.mktemp("space")
    # What Gradio signs in with where it plays the Hub's part; the machine's own token is bob's.
    hub[0].accounts.add_token("alice", value=MOCKED)
    environment = {**environment_of(hub[0], hub[1].stranger, home / "huggingface"), "COLBERT_KIT_CACHE": str(home)}
    with serving(nasty_index, {**environment, "SPACE_ID": "owner/search"}) as url:
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("tab", name="Jobs").click()
        page.locator("#jobs-note", has_text="sign in above").wait_for(timeout=WAIT)
        # What a training would cost is told to everybody, before any sign-in.
        page.get_by_role("tab", name="Train").click()
        page.locator("#train-cost", has_text="at most $").wait_for(timeout=WAIT)
        assert not page.locator("#train-agree").is_visible()
        page.get_by_role("tab", name="Jobs").click()
        assert page.locator("#jobs-where").count() == 0 or not page.locator("#jobs-where").is_visible()
        with page.expect_navigation(url="**/", timeout=WAIT):
            page.locator(".ck-sign-in:visible").click()
        page.get_by_role("tab", name="Jobs").click()
        # A tab that is not open is not drawn.
        page.locator(".ck-sign-in:visible", has_text="Sign out (bob)").wait_for(timeout=WAIT)
        page.wait_for_function("document.querySelector('#jobs-namespace input')?.value === 'alice'", timeout=WAIT)
        page.close()


@pytest.mark.parametrize("tab", ["Train", "Jobs"])
def test_a_server_for_others_says_what_to_do_and_has_nothing_to_click(nasty_index, tab):
    code = (
        "import gradio as gr\n"
        "from colbert_kit.app.job_list import JobList\n"
        "from colbert_kit.app.jobs_panel import add_jobs_panel\n"
        "from colbert_kit.app.train_panel import add_train_panel\n"
        "from colbert_kit.app.launching_training import TrainingDesk\n"
        "with gr.Blocks() as page:\n"
        "    jobs = JobList()\n"
        f"    add_jobs_panel(page, jobs) if {tab!r} == 'Jobs' else add_train_panel(page, TrainingDesk(jobs))\n"
        "print([one['type'] for one in page.get_config_file()['components']])"
    )
    environment = {**os.environ, "GRADIO_SERVER_NAME": "0.0.0.0"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "['html']"
