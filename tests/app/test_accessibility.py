"""What axe-core, the checker of screen reader and contrast rules, finds in each panel."""

import pytest

from tests.app.serving import open_tab
from tests.app.test_page import WAIT, cards, search

axe_of = pytest.importorskip("axe_playwright_python.sync_playwright")

TABS = ["Search", "Rerank", "Index", "Train", "Evaluate", "Jobs"]


def search_with_everything_open(page) -> None:
    page.locator("#how").get_by_label("BM25").check()
    search(page, "the library")
    cards(page).first.locator("summary", has_text="Why this hit?").click()
    cards(page).first.locator("summary", has_text="Token by token").click()
    page.locator("#results .ck-matrix").first.wait_for(timeout=WAIT)
    page.get_by_text("Options: number of hits, filter").click()
    page.get_by_text("Link, Python, command line, curl").click()
    page.locator("#programs pre").first.wait_for(timeout=WAIT)


@pytest.mark.parametrize(("theme", "width"), [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)])
def test_no_panel_breaks_a_serious_rule(browser, page_url, theme, width):
    page = browser.new_page(viewport={"width": width, "height": 1000})
    page.goto(f"{page_url}?__theme={theme}")
    page.wait_for_selector("#query textarea, #query input")
    search_with_everything_open(page)
    found = []
    for name in TABS:
        open_tab(page, name)
        if name == "Rerank":
            page.locator("#rerank").click()
            page.wait_for_selector("#reranked table", timeout=WAIT)
        # What is new fades in, and half of its contrast is too little.
        page.wait_for_timeout(1000)
        for rule in axe_of.Axe().run(page).response["violations"]:
            if rule["impact"] in ("serious", "critical"):
                found.append((name, rule["id"], rule["nodes"][0]["html"]))
    page.close()
    assert found == []
