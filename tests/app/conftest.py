"""A page in a process of its own, over an index of texts that try to break it, and a browser to look at it."""

import os
import shutil
from pathlib import Path

import pytest

from tests.app.serving import serving, visiting

BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

NASTY = {
    "template": "the library ${1+1} and `backticks` and {{curly}}",
    "script": '<script>document.title = "broken"</script><img src=x onerror="document.title=1"> of the river',
    "rtl": "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd the mountain \\n ${HOME}",
    "control": "the city\x00\x07 at night \ufffd \u202e and \u2066 mirrored",
    "long": "the song " * 3000 + "ends here",
}


@pytest.fixture(scope="session")
def nasty_index(tiny_model, tmp_path_factory) -> Path:
    from colbert_kit import Searcher

    folder = tmp_path_factory.mktemp("nasty") / "index"
    documents = [{"id": name, "text": text, "title": text[:30]} for name, text in NASTY.items()]
    Searcher.build(folder, tiny_model, documents)
    return folder


@pytest.fixture(scope="session")
def second_index(tiny_model, tiny_documents, tmp_path_factory) -> Path:
    """Thirty documents with a year and a topic, compressed."""
    from colbert_kit import Searcher

    folder = tmp_path_factory.mktemp("second") / "index"
    Searcher.build(folder, tiny_model, tiny_documents, exact_below=0)
    return folder


@pytest.fixture(scope="session")
def page_url(nasty_index):
    """``python app.py --index FOLDER``, as a user starts it."""
    with serving(nasty_index, os.environ) as url:
        yield url


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, page_url):
    """A fresh visitor; what the browser's console calls an error fails the test."""
    with visiting(browser, page_url) as page:
        yield page
