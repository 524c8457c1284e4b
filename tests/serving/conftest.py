"""A real server in a process of its own, over an index of the tiny model."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from colbert_kit import Searcher


@pytest.fixture(scope="module")
def index(tiny_model, tiny_documents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "words"
    Searcher.build(folder, tiny_model, tiny_documents)
    return folder


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Start ``colbert-kit serve``; returns its process and a client that waits until the index is loaded.

    ``first`` is Python that the process runs before, to give it a bug or a gate.
    """
    started = []

    def start(*arguments, token=None, wait=True, first=""):
        code = f"{first}\nfrom colbert_kit.cli import main\nmain()"
        log = (tmp_path_factory.mktemp("log") / "errors").open("w+")
        process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", *map(str, arguments), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"} | ({"COLBERT_KIT_TOKEN": token} if token else {}),
        )
        line = process.stdout.readline()
        found = re.search(r"http://\S+:\d+", line)
        assert found, line
        client = httpx.Client(base_url=found[0], timeout=120)
        server = SimpleNamespace(process=process, client=client, log=log, errors=Path(log.name).read_text)
        started.append(server)
        if wait:
            wait_for(client)
        return server

    yield start
    for server in started:
        server.client.close()
        server.process.kill()
        server.process.wait()
        server.process.stdout.close()
        server.log.close()


@pytest.fixture
def gate(tmp_path):
    """What to run ``first`` so that a method of ``Searcher`` ends only when the gate is opened."""

    def hold(method):
        return GATED.format(folder=str(tmp_path), method=method)

    return SimpleNamespace(
        hold=hold,
        entered=lambda: len(list(tmp_path.glob("entered-*"))),
        open=lambda: (tmp_path / "open").touch(),
    )


GATED = """
import pathlib, time, uuid
from colbert_kit import Searcher
folder, ungated = pathlib.Path({folder!r}), Searcher.{method}
def gated(*arguments, **options):
    result = ungated(*arguments, **options)
    (folder / f"entered-{{uuid.uuid4()}}").touch()
    while not (folder / "open").exists():
        time.sleep(0.02)
    return result
Searcher.{method} = gated
"""


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_for(client):
    for _ in range(600):
        if client.get("/health").json()["status"] == "ready":
            return
        time.sleep(0.2)
    raise AssertionError("the index was not loaded in two minutes")
