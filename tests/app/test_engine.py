"""The service in its own process: the same answers, the same errors, and an end with its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colbert_kit.app.engine import Engine
from colbert_kit.errors import ColbertKitError, InvalidInput


@pytest.fixture(scope="module")
def engine(nasty_index):
    engine = Engine(str(nasty_index))
    engine.start()
    return engine


def test_answers_and_errors_cross_the_process_as_they_are(engine):
    found = engine.search("the library", 2)
    assert [hit.rank for hit in found.hits] == [1, 2]
    assert len(found.matches) == 2
    assert engine.status.stage == "ready"
    assert engine.rerank("the river", ["the city", "the river"]).hits[0].text == "the river"
    assert {hit.id for hit in engine.rerank_bm25("library", 5).hits} == {"template"}
    with pytest.raises(InvalidInput, match="the query is empty"):
        engine.search(" ")


def test_an_index_that_cannot_be_opened_is_one_message_to_every_caller(tmp_path):
    engine = Engine(str(tmp_path))
    engine.start()
    with pytest.raises(ColbertKitError, match="is not an index folder"):
        engine.search("sea")
    assert engine.status.stage == "failed"


def test_the_process_ends_when_the_page_is_killed(nasty_index):
    code = (
        "import sys, time\n"
        "from colbert_kit.app.engine import Engine\n"
        "if __name__ == '__main__':\n"
        f"    engine = Engine({str(nasty_index)!r})\n"
        "    print(engine._manager._process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    path = nasty_index.parent / "page.py"
    path.write_text(code)
    page = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True)
    assert page.stdout is not None
    pid = int(page.stdout.readline())
    page.send_signal(signal.SIGKILL)
    page.wait()
    page.stdout.close()
    for _ in range(300):
        if not _is_alive(pid):
            return
        time.sleep(0.1)
    pytest.fail("the engine outlived the page")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie is dead and waits for somebody to ask.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
