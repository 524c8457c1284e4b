"""A page with an environment of its own."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


@contextlib.contextmanager
def serving(index: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The address of ``python app.py --index FOLDER``, as a user starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--index", str(index), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
            assert process.poll() is None, "the app stopped"
            with contextlib.suppress(OSError):
                urllib.request.urlopen(url, timeout=5).read()
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def visiting(browser: Any, url: str, width: int = 1200) -> Iterator[Any]:
    """A fresh visitor's page; what the browser's console calls an error fails the test."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(url)
    page.wait_for_selector("#query textarea, #query input")
    yield page
    context.close()
    assert errors == [], errors


def open_tab(page: Any, name: str) -> None:
    """Click a tab of the page, also where it does not fit and is in the menu."""
    page.wait_for_selector("#query textarea, #query input", state="attached")
    tab = page.get_by_role("tab", name=name, exact=True)
    if tab.count() and tab.first.is_visible():
        tab.first.click()
    else:
        page.get_by_label("More tabs").first.click()
        page.locator(".overflow-dropdown button", has_text=name).first.click()
    page.locator(f'[role=tab][data-tab-id="{name.lower()}-tab"][aria-selected=true]').wait_for()
