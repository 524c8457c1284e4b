"""The service in its own process: the same answers, the same errors, and an end with its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colbert_kit.app.engine import start_engine
from colbert_kit.app.service import Status
from colbert_kit.errors import ColbertKitError, InvalidInput


@pytest.fixture(scope="module")
def engine(nasty_index):
    return start_engine(str(nasty_index))


def test_answers_and_errors_cross_the_process_as_they_are(engine):
    assert [row["rank"] for row in engine.search("the library", 2, "")] == [1, 2]
    assert "Why this hit?" in engine.search_html("the library", 2, "")
    assert engine.get_status() == Status("ready", 5, 5)
    assert engine.rerank("the river", ["the city", "the river"], 1)[0]["text"] == "the river"
    assert engine.rerank_bm25_html("library").count("<tr>") == 2
    with pytest.raises(InvalidInput, match="the query is empty"):
        engine.search(" ", 2, "")


def test_the_page_gets_answers_without_loading_torch(nasty_index, tmp_path):
    path = tmp_path / "page.py"
    path.write_text(
        "import sys\n"
        "from colbert_kit.app.engine import start_engine\n"
        "if __name__ == '__main__':\n"
        f"    assert start_engine({str(nasty_index)!r}).search('the library', 2, '')\n"
        "    assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, str(path)], check=True)


def test_an_index_that_cannot_be_opened_is_one_message_to_every_caller(tmp_path):
    engine = start_engine(str(tmp_path))
    assert "is not an index folder" in engine.search_html("sea", 2, "")
    with pytest.raises(ColbertKitError, match="is not an index folder"):
        engine.search("sea", 2, "")
    assert engine.get_status().stage == "failed"


def test_the_process_ends_when_the_page_is_killed(nasty_index):
    code = (
        "import multiprocessing, time\n"
        "from colbert_kit.app.engine import start_engine\n"
        "if __name__ == '__main__':\n"
        f"    engine = start_engine({str(nasty_index)!r})\n"
        "    print(multiprocessing.active_children()[0].pid, flush=True)\n"
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


@pytest.mark.parametrize("stage", ["loading", "indexing"])
def test_a_page_that_is_stopped_while_it_loads_or_indexes_says_nothing(tmp_path, stage):
    path = tmp_path / "page.py"
    path.write_text(
        "import time\n"
        "from colbert_kit.app.engine import start_engine\n"
        "if __name__ == '__main__':\n"
        "    engine = start_engine()\n"
        f"    while engine.get_status().stage != {stage!r}:\n"
        "        time.sleep(0.1)\n"
        "    time.sleep(2)\n"  # well inside the stage, with threads at work
    )
    environment = {**os.environ, "COLBERT_KIT_CACHE": str(tmp_path / "cache")}
    page = subprocess.run([sys.executable, str(path)], env=environment, capture_output=True, text=True, timeout=120)
    assert (page.returncode, page.stdout, page.stderr) == (0, "", "")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie is dead and waits for somebody to ask.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
