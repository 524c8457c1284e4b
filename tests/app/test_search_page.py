"""The search panel beyond its first search: other indexes, ways to rank, tokens, links, programs, history."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.app.test_page import WAIT, cards, search


def fill(page, elem_id: str, text: str):
    box = page.locator(f"#{elem_id} textarea, #{elem_id} input").first
    box.fill(text)
    return box


def choose(page, elem_id: str, option: str) -> None:
    page.locator(f"#{elem_id} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def open_index(page, index: Path) -> None:
    fill(page, "index", str(index)).press("Enter")
    page.locator("#status").get_by_text("30 documents, ready.").wait_for(timeout=WAIT)


def test_a_folder_that_is_typed_is_opened_searched_and_described(page, second_index):
    open_index(page, second_index)
    facts = page.locator("#status .ck-index-facts").inner_text()
    for fact in ("On disk", "a document", "4 bits", "tiny"):
        assert fact in facts
    assert str(second_index.parent) not in facts
    search(page, "the library")
    assert cards(page).count() == 10


def test_an_index_that_does_not_exist_is_one_line(page):
    fill(page, "index", "/no/such/folder").press("Enter")
    page.locator("#status").get_by_text("There is no such folder").wait_for(timeout=WAIT)


def test_ways_to_rank_stand_side_by_side_with_their_times(page, second_index):
    open_index(page, second_index)
    for name in ("Exact MaxSim", "BM25", "Hybrid"):
        page.locator("#how").get_by_label(name).check()
    search(page, "the library of the city")
    cards(page)
    assert page.locator("#results h2").all_inner_texts() == ["ColBERT", "Exact MaxSim", "BM25", "Hybrid"]
    assert page.locator("#results .ck-timings").filter(has_text="fuse").count() == 1
    assert page.locator("#results .ck-place").filter(has_text="in the first column").count() > 0
    hybrid = page.locator("#results .ck-column").nth(3)
    hybrid.locator("summary", has_text="Why this hit?").first.click()
    assert re.search(r"1/\(60 \+ \d+\) for place \d+ by ColBERT", hybrid.locator(".ck-note").first.inner_text())


def test_a_filter_is_put_together_from_the_columns_that_there_are(page, second_index):
    open_index(page, second_index)
    page.get_by_text("Options: number of hits, filter").click()
    choose(page, "column", "topic")
    page.wait_for_function("document.querySelector('#operator input').value === '='")
    choose(page, "value", "music")
    page.locator("#add-condition").click()
    page.wait_for_function("document.querySelector('#filter textarea, #filter input').value === 'topic = \"music\"'")
    search(page, "the library")
    assert all("topic: music" in text for text in cards(page).locator(".ck-facts").all_inner_texts())


def test_the_best_passage_is_marked_and_a_click_compares_every_token(page):
    search(page, "the library")
    card = cards(page).filter(has_text="curly")
    assert card.locator("mark.ck-passage").first.is_visible()
    assert page.locator(".ck-matrix").count() == 0
    card.locator("summary", has_text="Token by token").click()
    table = card.locator(".ck-matrix table")
    table.wait_for(timeout=WAIT)
    assert table.get_by_role("rowheader", name="library").is_visible()
    assert table.locator("thead th").filter(has_text="[CLS]").is_hidden()
    card.get_by_label("Show markers").check()
    assert table.locator("thead th").filter(has_text="[CLS]").is_visible()
    score = float(card.locator(".ck-score").inner_text())
    adds = [float(text) for text in table.locator(".ck-adds").all_inner_texts()]
    assert abs(sum(adds) - score) < 0.02 * len(adds)
    for width in (1200, 390, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert card.bounding_box()["width"] <= width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert table.locator(".ck-adds").first.is_visible()


def test_every_hostile_text_has_its_tokens_compared(page):
    search(page, "the")
    count = cards(page).count()
    page.locator("#results .ck-heat > summary").evaluate_all("all => all.forEach(one => one.click())")
    page.wait_for_function(f"document.querySelectorAll('#results .ck-matrix').length === {count}", timeout=WAIT)
    assert page.locator("#results script, #results img").count() == 0
    assert page.title() == "colbert_kit"


def test_a_link_restores_index_query_and_settings(page, browser, second_index):
    open_index(page, second_index)
    page.locator("#how").get_by_label("BM25").check()
    page.get_by_text("Options: number of hits, filter").click()
    fill(page, "filter", "year >= 2010")
    fill(page, "hits", "3")
    search(page, "the library & ${1+1} #1")
    cards(page)
    page.wait_for_function("location.search.includes('q=')")
    other = browser.new_page()
    other.goto(page.url)
    other.wait_for_selector("#results h2", timeout=WAIT)
    assert other.locator("#query textarea, #query input").first.input_value() == "the library & ${1+1} #1"
    assert other.locator("#results h2").all_inner_texts() == ["ColBERT", "BM25"]
    assert other.locator("#results .ck-column").first.locator(".ck-card").count() == 3
    assert other.locator("#index textarea, #index input").first.input_value() == str(second_index)
    other.close()


def test_the_programs_find_what_the_page_found(page, second_index):
    open_index(page, second_index)
    page.get_by_text("Options: number of hits, filter").click()
    fill(page, "filter", "year >= 2005 and topic in city, music")
    fill(page, "hits", "2")
    search(page, "the 'old' library's $HOME")
    ids = [card.locator("bdi").first.inner_text() for card in cards(page).locator(".ck-facts").all()]
    page.get_by_text("Link, Python, command line, curl").click()
    page.locator("#programs pre").first.wait_for(timeout=WAIT)
    python, command, curl = page.locator("#programs pre").all_text_contents()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for words in ([sys.executable, "-c", python], ["bash", "-c", command], ["bash", "-c", curl]):
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert list(dict.fromkeys(re.findall(r"\bd\d\d\b", done.stdout))) == ids, words


def test_the_last_queries_are_kept_in_the_browser(page):
    search(page, "the old mountain")
    cards(page)
    page.locator("#recent").get_by_text("the old mountain").wait_for(timeout=WAIT)
    # Beside the first one: Gradio complains in the console if a page is left while it is still at work.
    again = page.context.new_page()
    again.goto(page.url.split("?")[0])
    again.locator("#recent").get_by_text("the old mountain").click(timeout=WAIT)
    cards(again)
    assert again.locator("#query textarea, #query input").first.input_value() == "the old mountain"


def test_a_file_of_candidates_is_reranked_explained_and_downloaded(page, tmp_path):
    path = tmp_path / "candidates.jsonl"
    path.write_text('{"id": "a", "text": "the river"}\n{"id": "b", "text": "the library ${1+1} <b>"}\n')
    page.get_by_role("tab", name="Rerank").click()
    fill(page, "rerank-query", "the library")
    page.get_by_role("tab", name="Upload").click()
    page.locator("#candidates-file input[type=file]").set_input_files(path)
    page.locator("#candidates-file").get_by_text("candidates").first.wait_for(timeout=WAIT)
    page.wait_for_selector("#candidates-file .file-preview", timeout=WAIT)
    page.locator("#rerank-file").click()
    page.wait_for_selector("#reranked table", timeout=WAIT)
    first = page.locator("#reranked tbody tr").first
    assert first.locator("td").nth(2).inner_text() == "▲ 1"
    first.locator("summary", has_text="Token by token").click()
    first.locator(".ck-matrix").wait_for(timeout=WAIT)
    for name in ("CSV", "JSON"):
        with page.expect_download() as download:
            page.get_by_text(f"Download {name}").click()
        content = Path(download.value.path()).read_text()
        assert "the library ${1+1} <b>" in content
        assert download.value.suggested_filename == f"reranked.{name.lower()}"
