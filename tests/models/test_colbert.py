from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.errors import HubUnreachable, InvalidConfig, InvalidFolder, RepoNotFound

ASK = """
import sys
from colbert_kit import models
for name in sys.argv[1:]:
    try:
        models.ColBERT(name)
    except Exception as error:
        print(f"{type(error).__name__}|{error}")
"""


def ask(endpoint: str, *names: str, home: Path) -> list[list[str]]:
    """What a process that uses another Hub raises for each name: the class, and the lines of the message."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", ASK, *names], capture_output=True, text=True, check=True, env=environment
    )
    return [line.split("|") for line in done.stdout.splitlines()]


class FakeHub(http.server.BaseHTTPRequestHandler):
    """A Hub that has no repository but a gated one."""

    def do_HEAD(self) -> None:
        gated = "/gated/" in self.path
        self.send_response(403 if gated else 404)
        self.send_header("X-Error-Code", "GatedRepo" if gated else "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def fake_hub() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeHub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_factory_returns_the_plain_class(tiny_model: MultiVectorEncoder):
    assert type(tiny_model) is MultiVectorEncoder
    assert not tiny_model.training
    assert tiny_model.device.type == "cpu"


def test_name_of_a_folder_may_be_a_path_or_a_string(tiny_model_folder: Path):
    one, other = models.ColBERT(tiny_model_folder, device="cpu"), models.ColBERT(str(tiny_model_folder), device="cpu")
    assert models.record_of(one) == models.record_of(other)


@pytest.mark.parametrize("argument", ["embedding_size", "query_length", "document_length"])
@pytest.mark.parametrize("count", [0, -1, 1.5, True, "32"])
def test_count_that_is_none_is_refused_by_name(argument: str, count: object, tmp_path: Path):
    with pytest.raises(InvalidConfig, match=f"{argument} must be a whole number of 1 or more"):
        models.ColBERT(tmp_path, **{argument: count})


@pytest.mark.parametrize("name", ["no-such-org/no-such-model", "no-such-model"])
def test_unknown_name_offline_is_one_clear_line(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(HubUnreachable, match=rf"no folder '{name}' here.* HF_HUB_OFFLINE is set") as caught:
        models.ColBERT(name)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ConnectionError)


@pytest.mark.parametrize("name", ["./no/such/folder", "/no/such/folder", "a/b/c", "..", "white space"])
def test_name_that_no_repository_can_have_is_one_clear_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    wrong = (RepoNotFound, InvalidFolder) if name == ".." else RepoNotFound
    with pytest.raises(wrong, match=r"neither a folder here nor a repository name|holds no model") as caught:
        models.ColBERT(name)
    assert "\n" not in str(caught.value)


def test_folder_without_a_model_is_one_clear_line(tmp_path: Path):
    (tmp_path / "README.md").write_text("nothing here")
    with pytest.raises(InvalidFolder, match=r"holds no model: it has neither config.json nor modules.json") as caught:
        models.ColBERT(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_hub_that_refuses_connections_is_one_clear_line(tmp_path: Path):
    [(kind, message)] = ask("http://127.0.0.1:9", "no-such-org/no-such-model", home=tmp_path)
    assert kind == "HubUnreachable"
    assert "no folder 'no-such-org/no-such-model' here" in message
    assert "the Hub cannot be reached" in message


@pytest.mark.slow
def test_missing_and_gated_repositories_are_told_apart(tmp_path: Path, fake_hub: str):
    missing, gated = ask(fake_hub, "some/missing", "gated/model", home=tmp_path)
    assert missing[0] == "RepoNotFound"
    assert "the Hub has no such repository" in missing[1]
    assert gated[0] == "NotAllowed"
    assert "accept its terms on the Hub" in gated[1]
