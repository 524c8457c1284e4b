"""A thousand hostile texts in an index, a file of candidates and a job's log: the page shows them as themselves."""

import json
import os
import random
import sys

import pytest

from colbert_kit.runners import JobSpec, LocalRunner, follow
from tests.app.serving import serving, visiting
from tests.app.test_page import WAIT, cards, search

NUMBER = 1000
SHOWN_AT_ONCE = 100
PIECES = (
    "${1+1}", "${document.title='broken'}", "`", "{{x}}", "{% raw %}", "<script>document.title='broken'</script>",
    "<img src=x onerror=\"document.title='broken'\">", "<svg onload=\"document.title='broken'\">", "</pre></details>",
    "</textarea>", "<!--", "-->", "<b>", "&lt;", "&amp;amp;", '"', "'", "'>\"><i>", "](javascript:alert(1))", "**b**",
    "# h", "$$x^2$$", "\\(x\\)", "\u202e", "\u2066", "\u0645\u0631\u062d\u0628\u0627", "\u2028", "\u00ad", "\ufeff",
    "\x00", "\x07", "\x1b[31m", "\U0001f469\u200d\U0001f52c", "e\u0301", "\\n", "%s", "../", "__proto__", "null",
    "river",
)  # fmt: skip


def hostile_texts() -> list[str]:
    """Each with its number and three to six pieces; two of them a megabyte in one line."""
    random_pieces = random.Random(7)
    texts = []
    for number in range(NUMBER):
        pieces = random_pieces.sample(PIECES, random_pieces.randint(3, 6))
        texts.append(f"the river {number} " + " ".join(pieces) + " end")
    texts[500] += "x" * 1_000_000
    texts[501] += " word" * 200_000
    return texts


TEXTS = hostile_texts()


def shown(text: str) -> str:
    """What a page can show of a text; HTML has one kind of line end."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join("\ufffd" if one == "\x7f" or (one < " " and one not in "\t\n") else one for one in lines)


@pytest.fixture(scope="module")
def site(tiny_model, tmp_path_factory):
    """A page over an index of the texts, which has a job that has said them."""
    from colbert_kit import Searcher

    home = tmp_path_factory.mktemp("hostile")
    documents = [
        {"id": f"{text[:60]}", "text": text, "title": text[10:60], "part": number // SHOWN_AT_ONCE, "note": text[:80]}
        for number, text in enumerate(TEXTS)
    ]
    Searcher.build(home / "index", tiny_model, documents)
    (home / "texts.json").write_text(json.dumps(TEXTS))
    code = f"import json\nfor text in json.load(open({str(home / 'texts.json')!r})):\n    print(text)"
    runner = LocalRunner(home / "cache" / "jobs")
    job = runner.launch(JobSpec(kind="train", command=(sys.executable, "-c", code), timeout_seconds=60))
    follow(runner, job.id).wait(60)
    with serving(home / "index", {**os.environ, "COLBERT_KIT_CACHE": str(home / "cache")}) as url:
        yield url


@pytest.fixture
def page(browser, site):
    with visiting(browser, site) as page:
        yield page
        assert page.title() == "colbert_kit"


def assert_nothing_was_made_of_them(page, elem_id: str) -> None:
    assert page.locator(f"#{elem_id} :is(script, img, svg, i, textarea)").count() == 0


def test_as_hits(page):
    page.get_by_text("Options: number of hits, filter").click()
    page.locator("#hits input[type=number]").fill(str(SHOWN_AT_ONCE))
    seen = set()
    for part in range(NUMBER // SHOWN_AT_ONCE):
        page.locator("#filter textarea, #filter input").first.fill(f"part = {part}")
        search(page, f"the river {part}")
        page.wait_for_function(
            "part => document.querySelector('#results .ck-facts')?.textContent.includes(`part: ${part}`)",
            arg=str(part), timeout=WAIT,
        )  # fmt: skip
        assert cards(page).count() == SHOWN_AT_ONCE
        seen.update(page.locator("#results .ck-why > .ck-text").evaluate_all(
            "all => all.map(one => [...one.childNodes].map(n => n.tagName === 'DETAILS' ? n.lastChild.textContent"
            " : n.textContent).join(''))"
        ))  # fmt: skip
        assert_nothing_was_made_of_them(page, "results")
    assert seen == {shown(text) for text in TEXTS}


def test_as_candidates(page, tmp_path):
    page.get_by_role("tab", name="Rerank").click()
    page.get_by_role("tab", name="Upload").click()
    page.locator("#rerank-query textarea, #rerank-query input").first.fill("the river")
    seen = set()
    for first in range(0, NUMBER, 200):
        path = tmp_path / f"from-{first}.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS[first : first + 200]))
        page.locator("#candidates-file input[type=file]").set_input_files(str(path))
        page.locator("#candidates-file .file-preview", has_text=path.stem).wait_for(timeout=WAIT)
        page.locator("#rerank-file").click()
        page.locator("#reranked .ck-text", has_text=f"the river {first} ").first.wait_for(timeout=WAIT)
        assert page.locator("#reranked tbody tr").count() == 200
        seen.update(page.locator("#reranked .ck-text").evaluate_all(
            "all => all.map(one => (one.querySelector('details > span') ?? one).textContent)"
        ))  # fmt: skip
        assert_nothing_was_made_of_them(page, "reranked")
        page.locator("#candidates-file button[aria-label=Clear]").click()
    assert seen == {shown(text) for text in TEXTS}


def test_as_a_jobs_log(page):
    page.get_by_role("tab", name="Jobs").click()
    page.locator("#jobs-list label").first.click()
    page.locator("#jobs-job pre", has_text=f"the river {NUMBER - 1} ").wait_for(timeout=WAIT)
    log = page.locator("#jobs-job .ck-job-log pre").text_content()
    for text in TEXTS[-200:]:
        assert shown(text) in log
    assert_nothing_was_made_of_them(page, "jobs-job .ck-job-log")
