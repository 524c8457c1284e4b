"""Evaluations by a process of their own; reports listed, opened, compared; and all of it in a real browser."""

import json
import os
import time

import pytest

from colbert_kit.app.evaluate_render import comparison_html, report_html
from colbert_kit.app.evaluating import Evaluating
from colbert_kit.app.local_jobs import LocalJobs
from colbert_kit.errors import InvalidInput
from colbert_kit.runners import LocalRunner
from tests.app.serving import open_tab, serving
from tests.reports import small_report

WAIT = 180_000
HOSTILE = '<script>document.title="broken"</script> ${1+1}'


@pytest.fixture(scope="module")
def beir(tmp_path_factory, tiny_documents):
    """A collection whose first query tries to run."""
    folder = tmp_path_factory.mktemp("beir") / "songs"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": one["id"], "title": "", "text": one["text"]} for one in tiny_documents]
    queries = [{"_id": f"q{n}", "text": " ".join(corpus[n]["text"].split()[:3])} for n in range(12)]
    queries[0]["text"] += f" {HOSTILE}"
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    judged = "".join(f"q{n}\t{corpus[n]['_id']}\t1\n" for n in range(12))
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluated")


@pytest.fixture(scope="module")
def evaluating(cache):
    return Evaluating(cache / "reports", LocalJobs(LocalRunner(cache / "jobs")))


@pytest.fixture(scope="module")
def reports(evaluating, tiny_model_folder, beir):
    """Two of the same model, with other bits."""
    for nbits in (4, 1):
        name = f"bits {nbits}"
        job_id = evaluating.launch(name, str(tiny_model_folder), [f"{beir}:test"], nbits=nbits, exact=nbits == 4)
        for _ in range(900):
            if (view := evaluating.jobs.look(job_id)).is_final:
                break
            time.sleep(0.2)
        assert view.state == "COMPLETED", view
    return evaluating


def test_a_report_is_opened_with_figures_verdicts_texts_and_pictures(reports):
    assert reports.names() == ["bits-1", "bits-4"]
    page = reports.read("bits-4")
    (collection,) = page["collections"]
    assert [one["name"] for one in collection["systems"]] == ["index", "exact MaxSim", "BM25"]
    assert len(collection["verdicts"]) == 2
    assert any(one["text"] for one in collection["examples"])
    shown = report_html(page, reports.plots("bits-4"))
    assert 'src="data:image/svg+xml;base64,' in shown
    assert "songs:test" in shown
    assert "<script" not in shown


def test_two_reports_are_compared_once_in_words_query_by_query_with_texts(reports, monkeypatch):
    runs = []
    run_now = reports.jobs.run_now
    monkeypatch.setattr(reports.jobs, "run_now", lambda *asked: runs.append(asked) or run_now(*asked))
    found = reports.compare("bits-4", "bits-1")
    (collection,) = found["collections"]
    assert collection["verdict"].startswith("bits-1 is ")
    assert "bits-4" in collection["verdict"]
    assert all(one["text"] for one in collection["examples"])
    assert "<script" not in comparison_html(found, "bits-4", HOSTILE)
    assert reports.compare("bits-4", "bits-1") == found
    assert len(runs) == 1


def test_a_report_of_the_command_line_is_opened_too(evaluating):
    folder = evaluating.home / "by-hand"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(small_report().to_json())
    (folder / "report.md").touch()
    os.utime(folder / "report.md", (0, 0))
    assert evaluating.read("by-hand")["collections"][0]["systems"][0]["means"]["nDCG@10"] == 0.625


def test_what_is_missing_or_taken_is_said_at_once(reports):
    with pytest.raises(InvalidInput, match="choose a model or an index"):
        reports.launch("x", " ", ["scifact"])
    with pytest.raises(InvalidInput, match="choose collections"):
        reports.launch("x", "demo", [" "])
    with pytest.raises(InvalidInput, match="there is a report 'bits-4' already"):
        reports.launch("Bits 4", "demo", ["scifact"])
    for name in ("../x", "gone", "", None):
        with pytest.raises(InvalidInput, match="there is no report"):
            reports.read(name)


def test_an_evaluation_is_launched_watched_opened_and_compared_on_the_page(
    browser, reports, nasty_index, cache, beir, tiny_model_folder
):
    errors: list[str] = []
    with serving(nasty_index, {**os.environ, "COLBERT_KIT_CACHE": str(cache)}) as url:
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(url)
        open_tab(page, "Evaluate")
        page.wait_for_selector("#evaluate-report table", timeout=WAIT)
        page.locator("#evaluate-source input").fill(str(tiny_model_folder))
        page.locator("#evaluate-source input").press("Enter")
        page.locator("#evaluate-collections textarea").fill(str(beir))
        page.locator("#evaluate-name textarea, #evaluate-name input").first.fill("from the page")
        page.locator("#evaluate").click()
        page.wait_for_selector("#evaluate-job .ck-done", timeout=WAIT)
        page.wait_for_function("document.querySelector('#evaluate-first input').value === 'from-the-page'")
        assert "12 queries" in page.locator("#evaluate-report").inner_text()
        page.locator("#evaluate-second input").click()
        page.get_by_role("option", name="bits-1").click()
        page.wait_for_selector("#evaluate-report :text('bits-1 against from-the-page')", timeout=WAIT)
        page.get_by_text("The queries that changed most").click()
        assert HOSTILE in page.locator("#evaluate-report").text_content()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.title() == "colbert_kit"
        page.close()
    assert errors == []
