"""The index panel in a real browser: upload, build, search, push to a Hub on this machine."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.app.serving import ROOT, open_tab, serving, visiting
from tests.hubserver import HubServer
from tests.hubserver.fixtures import add_accounts, environment_of

WAIT = 120_000

HOSTILE = {
    "template": "the library ${1+1} `ticks` {{curly}} __proto__",
    "script": '<script>document.title="broken"</script><img src=x onerror="document.title=1"> of the river',
    "markdown": "**the** [city](javascript:alert(1)) # night",
    "rtl": "\u202e the mountain \u0645\u0631\u062d\u0628\u0627",
    "control": "the city\x00\x07 at night",
}
COLUMN = "<b>${2*3}</b>"


@pytest.fixture(scope="module")
def site(nasty_index, tiny_model_folder, tmp_path_factory):
    """A page whose owner is logged in as alice, and the Hub, which has the tiny model."""
    home = tmp_path_factory.mktemp("site")
    with HubServer() as hub:
        tokens = add_accounts(hub)
        environment = {**environment_of(hub, tokens.write, home / "huggingface"), "COLBERT_KIT_CACHE": str(home)}
        command = [sys.executable, "-m", "colbert_kit.cli", "push", str(tiny_model_folder), "alice/tiny"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        with serving(nasty_index, environment) as url:
            yield url, hub
    assert not hub.errors


@pytest.fixture
def visit(browser, site):
    """The Index tab of a fresh visitor; what the browser's console calls an error fails the test."""
    with contextlib.ExitStack() as visits:

        def visit_tab(width=1200, theme="light"):
            page = visits.enter_context(visiting(browser, f"{site[0]}?__theme={theme}", width))
            open_tab(page, "Index")
            page.wait_for_selector("#index-files input", state="attached")
            return page

        yield visit_tab


@pytest.fixture
def songs(tmp_path) -> Path:
    path = tmp_path / "My ${1+1} songs.jsonl"
    rows = [{"id": name, "text": text, "title": name, COLUMN: text} for name, text in HOSTILE.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def upload(page, path) -> None:
    page.locator("#index-files input[type=file]").set_input_files(str(path))
    page.wait_for_selector("#index-preview .ck-card", timeout=WAIT)


def box(page, name):
    return page.locator(f"#{name} textarea, #{name} input").first


def test_an_upload_is_shown_exactly_and_becomes_an_index_that_is_searched_pushed_and_changed(
    visit, site, songs, tiny_model_folder
):
    from colbert_kit import Searcher

    page, hub = visit(), site[1]
    upload(page, songs)
    shown = page.locator("#index-preview .ck-text").all_text_contents()
    printable = HOSTILE["control"].replace("\x00", "\ufffd").replace("\x07", "\ufffd")
    expected = [f"{name} {text}" for name, text in {**HOSTILE, "control": printable}.items()]
    assert [text.strip() for text in shown] == expected
    assert COLUMN in page.locator("#index-columns tbody td:first-child").all_text_contents()
    assert box(page, "index-role-text").input_value() == "text"
    assert "5 documents: about" in page.locator("#index-predicted").inner_text()

    box(page, "index-model").fill(str(tiny_model_folder))
    box(page, "index-name").fill("My songs!")
    page.locator("#index-build").click()
    page.wait_for_selector("#index-job .ck-done", timeout=WAIT)
    assert page.locator("#index-job").inner_text().startswith("Built: 5 documents")
    link = page.locator("#index-job a", has_text="Search it").get_attribute("href")
    folder = parse_qs(urlsplit(link).query)["index"][0]
    assert (Path(folder).name, len(Searcher.open(folder))) == ("my-songs", 5)

    page.get_by_text("Push to the Hub").click()
    page.locator("#push-owners").click()
    page.wait_for_function("document.querySelector('#push-owner input').value === 'alice'")
    assert box(page, "push-name").input_value() == "my-songs"
    box(page, "push-model").fill("alice/tiny")
    page.locator("#push-show").click()
    page.wait_for_selector("#push-card pre", timeout=WAIT)
    assert 'Searcher.from_pretrained("alice/my-songs")' in page.locator("#push-card pre").text_content()
    page.locator("#push-button").click()
    page.wait_for_selector("#index-job :text('Pushed to alice/my-songs')", timeout=WAIT)
    assert hub.repositories["datasets", "alice/my-songs"].is_private

    page.get_by_text("Add or remove documents").click()
    page.locator("#index-ids textarea").fill("rtl\n\ncontrol")
    page.locator("#index-remove").click()
    page.wait_for_selector("#index-job :text('Removed: 3 documents')", timeout=WAIT)
    page.locator("#index-add").click()
    page.wait_for_selector("#index-job .ck-message", timeout=WAIT)
    assert "The document id 'template' is there already" in page.locator("#index-job").inner_text()
    assert page.locator("#index-facts").inner_text().startswith("3 documents")
    assert page.title() == "colbert_kit"


def test_a_build_goes_on_while_the_page_is_closed_and_can_be_canceled_from_another(visit, tmp_path):
    path = tmp_path / "many.csv"
    path.write_text("id,text\n" + "".join(f"{n},{'the old river ' * 40}\n" for n in range(20_000)))
    page = visit()
    upload(page, path)
    box(page, "index-name").fill("many")
    page.locator("#index-build").click()
    page.wait_for_selector("#index-job .ck-bar", timeout=WAIT)
    page.close()
    page = visit()
    page.locator("#index-job .ck-bar").wait_for(timeout=WAIT)
    page.locator("#index-cancel").click()
    page.get_by_text("Canceled. Nothing was changed.").wait_for(timeout=WAIT)


def test_what_cannot_be_read_is_one_line_that_names_the_place(visit, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text('{"id": "1", "text": "a"}\n{oops\n')
    page = visit()
    page.locator("#index-files input[type=file]").set_input_files(str(path))
    page.get_by_text("Broken.jsonl, line 2: not a JSON object a line").wait_for(timeout=WAIT)
    assert not page.locator("#index-build").is_visible()
    box(page, "index-dataset").fill("/etc/passwd")
    page.locator("#index-read").click()
    page.get_by_text("A dataset of the Hub is called OWNER/NAME, got '/etc/passwd'.").wait_for(timeout=WAIT)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_overflows_in_either_theme_at_any_width(visit, songs, theme, width):
    page = visit(width, theme)
    upload(page, songs)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
