"""The page in a real browser: what a visitor types, clicks and sees."""

import pytest

from tests.app.conftest import NASTY

WAIT = 60_000


def search(page, query: str) -> None:
    box = page.locator("#query textarea, #query input").first
    box.fill(query)
    box.press("Enter")


def fill(page, selector: str, text: str) -> None:
    """Until it stays: once, on two busy cores, what was typed at once was not what the page then reranked."""
    box = page.locator(selector).first
    for _ in range(20):
        box.fill(text)
        page.wait_for_timeout(500)
        if box.input_value() == text:
            return
    raise AssertionError(f"{selector} does not keep {text!r}")


def cards(page):
    page.wait_for_selector("#results .ck-card", timeout=WAIT)
    return page.locator("#results .ck-card")


def test_a_search_shows_hits_with_scores_and_the_time_of_each_stage(page):
    search(page, "the library")
    assert cards(page).count() == len(NASTY)
    timings = page.locator("#results .ck-timings").inner_text()
    for stage in ("encode", "score", "fetch", "ms"):
        assert stage in timings
    scores = [float(text) for text in page.locator("#results .ck-score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)


def test_the_demos_examples_are_not_offered_for_another_index(page):
    assert page.get_by_role("button", name="Search").is_visible()
    assert page.get_by_text("aspirin").count() == 0


def test_a_click_shows_which_query_word_met_which_word_of_the_document(page):
    search(page, "the library")
    card = cards(page).filter(has_text="curly")
    assert not card.locator(".ck-pairs").is_visible()
    card.locator("summary", has_text="Why this hit?").click()
    assert card.locator(".ck-pairs").is_visible()
    assert "library" in card.locator(".ck-pairs").inner_text()


def test_texts_that_try_to_run_are_shown_as_exactly_those_texts(page):
    search(page, "the")
    cards(page)
    page.locator("#results .ck-why summary").evaluate_all("all => all.forEach(one => one.click())")
    shown = page.locator("#results .ck-why > .ck-text").all_text_contents()
    for name in ("template", "script", "rtl"):
        assert NASTY[name] in shown
    assert NASTY["control"].replace("\x00", "\ufffd").replace("\x07", "\ufffd") in shown
    assert page.title() == "colbert_kit"
    assert page.locator("#results script, #results img").count() == 0


def test_a_text_of_more_than_20000_characters_is_whole_behind_a_click(page):
    search(page, "the song")
    card = cards(page).filter(has_text="Show all 27,009 characters")
    card.locator(".ck-why > summary").click()
    rest = card.get_by_text("ends here")
    assert not rest.is_visible()
    card.get_by_text("Show all 27,009 characters").click()
    assert rest.is_visible()


def test_bad_input_is_one_readable_line_on_the_page(page):
    page.locator("#search").click()
    page.wait_for_selector("#results .ck-message")
    assert page.locator("#results").inner_text().strip() == "The query is empty; type at least one word."
    page.get_by_text("Options: number of hits, filter").click()
    page.locator("#filter textarea, #filter input").first.fill("yaer > 3")
    search(page, "the city")
    page.get_by_text("There is no column 'yaer' to filter by; the columns are: id, title.").wait_for(timeout=WAIT)


def test_pasted_candidates_are_reranked_beside_their_old_places(page):
    page.get_by_role("tab", name="Rerank").click()
    fill(page, "#candidates textarea", "the river\nthe library of the city\n\nan old song")
    fill(page, "#rerank-query textarea, #rerank-query input", "the library of the city")
    page.locator("#rerank").click()
    page.wait_for_selector("#reranked table", timeout=WAIT)
    first = page.locator("#reranked tbody tr").first.locator("td").all_inner_texts()
    assert (first[0], first[1], first[2]) == ("1", "2", "▲ 1")
    assert first[4].startswith("the library of the city")


def test_bm25_candidates_of_the_index_are_reranked(page):
    page.get_by_role("tab", name="Rerank").click()
    page.get_by_role("tab", name="From an index").click()
    fill(page, "#rerank-query textarea, #rerank-query input", "mountain library")
    page.locator("#rerank-bm25").click()
    page.wait_for_selector("#reranked table", timeout=WAIT)
    assert page.locator("#reranked tbody tr").count() == 2
    assert "BM25" in page.locator("#reranked .ck-timings").inner_text()


def test_a_link_with_a_query_fills_the_box(browser, page_url):
    page = browser.new_page()
    page.goto(f"{page_url}?q=the+old+river")
    box = page.locator("#query textarea, #query input").first
    page.wait_for_function("document.querySelector('#query textarea, #query input')?.value === 'the old river'")
    assert box.input_value() == "the old river"
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_overflows_in_either_theme_at_any_width(browser, page_url, theme, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(f"{page_url}?__theme={theme}")
    page.wait_for_selector("#query textarea, #query input")
    search(page, "the library")
    cards(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
