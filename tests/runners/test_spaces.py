"""A Space that searches an index: what reaches the Hub, and what is refused."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from colbert_kit import Searcher, models, runners
from colbert_kit.errors import HubError, InvalidFolder, InvalidInput, NotAllowed, RepoNotFound
from colbert_kit.runners import spaces

ROOT = Path(__file__).resolve().parents[2]
SPACE, INDEX, MODEL = "alice/songs-search", "alice/songs", "alice/tiny"


@pytest.fixture
def small_wheel(monkeypatch):
    """The kit's wheel takes no part here."""
    import zipfile

    def build(folder):
        path = folder / "kit.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("colbert_kit/__init__.py", "")
            wheel.writestr("colbert_kit/scores/kernel/kernel-1.so", "of another machine")
            wheel.writestr("colbert_kit-0.1.0.dist-info/METADATA", "")
        return path

    monkeypatch.setattr(spaces, "build_wheel", build)


@pytest.fixture
def index(hub_here, tiny_model_folder, tiny_documents, tmp_path):
    """An index whose model is on the Hub."""
    models.push_to_hub(models.ColBERT(tiny_model_folder, device="cpu"), MODEL, private=False)
    model = models.ColBERT(MODEL, device="cpu")
    return Searcher.build(tmp_path / "songs", model, tiny_documents, dtype="float32").folder


def files_of(hub):
    return hub.repositories["spaces", SPACE].resolve().files


def read(hub, name):
    return hub.repositories["spaces", SPACE].read(name)


def test_a_folder_goes_into_a_private_space_in_one_commit(hub_here, index, small_wheel):
    made = runners.deploy(index, SPACE)

    space = hub_here.repositories["spaces", SPACE]
    assert (space.is_private, made.revision) == (True, space.branches["main"])
    assert made.url == f"{hub_here.url}/spaces/{SPACE}"
    assert hub_here.traffic.all("POST", "/api/repos/create")[-1].json() == {
        "name": "songs-search", "organization": "alice", "visibility": "private", "type": "space", "sdk": "gradio",
    }  # fmt: skip
    manifest = json.loads(read(hub_here, "index/manifest.json"))
    assert set(files_of(hub_here)) - {".gitattributes"} == {
        "README.md", "app.py", "requirements.txt", "colbert_kit/__init__.py", "index/manifest.json",
        *(f"index/{name}" for name in manifest["files"]),
    }  # fmt: skip
    front = yaml.safe_load(read(hub_here, "README.md").decode().split("---")[1])
    assert (front["title"], front["sdk"], front["app_file"]) == ("Songs search", "gradio", "app.py")
    assert hub_here.repositories["spaces", SPACE].space.runtime(space)["stage"] == "RUNNING"


def test_a_repository_is_named_by_its_commit_and_replaces_what_was_inside(hub_here, index, small_wheel):
    runners.deploy(index, SPACE)
    commit = Searcher.open(index).push_to_hub(INDEX, private=False).revision

    made = runners.deploy(INDEX, SPACE)

    assert made.index == f"{INDEX} at {commit}"
    assert json.loads(read(hub_here, "space.json")) == {"index": INDEX, "revision": commit}
    assert not [name for name in files_of(hub_here) if name.startswith("index/")]
    assert yaml.safe_load(read(hub_here, "README.md").decode().split("---")[1])["datasets"] == [INDEX]
    assert runners.deploy(INDEX, SPACE).revision == made.revision


def test_a_machine_that_costs_is_asked_for_by_name_alone(hub_here, index, small_wheel):
    runners.deploy(index, SPACE)
    assert not hub_here.traffic.all("POST", f"/api/spaces/{SPACE}/hardware")
    runners.deploy(index, SPACE, hardware="t4-small")
    assert hub_here.traffic.only("POST", f"/api/spaces/{SPACE}/hardware").json() == {"flavor": "t4-small"}


def test_a_private_index_is_not_read_with_a_token_of_ones_own(hub_here, index, small_wheel):
    Searcher.open(index).push_to_hub(INDEX)
    with pytest.raises(InvalidInput, match=r"is private.*colbert-kit pull alice/songs FOLDER"):
        runners.deploy(INDEX, SPACE)
    assert ("spaces", SPACE) not in hub_here.repositories


def test_what_is_somebody_elses_is_left_alone(hub_here, api, index, small_wheel):
    api.create_repo(SPACE, repo_type="space", space_sdk="gradio", private=True)
    api.upload_file(path_or_fileobj=b"mine", path_in_repo="app.py", repo_id=SPACE, repo_type="space")
    with pytest.raises(InvalidInput, match="colbert-kit has not made it"):
        runners.deploy(index, SPACE)
    assert read(hub_here, "app.py") == b"mine"
    runners.deploy(index, SPACE, override=True)
    assert read(hub_here, "app.py") == (ROOT / "spaces/search/app.py").read_bytes()


@pytest.mark.parametrize("token", ["expired", "unknown", "read"])
def test_without_the_right_to_write_nothing_is_made(hub_here, index, small_wheel, tokens, token):
    with pytest.raises(NotAllowed):
        runners.deploy(index, SPACE, token=getattr(tokens, token))
    assert ("spaces", SPACE) not in hub_here.repositories


def test_what_cannot_be_deployed_is_refused_before_the_hub_is_written_to(
    hub_here, index, small_wheel, tmp_path, tiny_model_folder, tiny_documents, monkeypatch
):
    with pytest.raises(RepoNotFound):
        runners.deploy("alice/nothing", SPACE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidFolder):
        runners.deploy(tmp_path / "empty", SPACE)
    own = Searcher.build(tmp_path / "own", models.ColBERT(tiny_model_folder, device="cpu"), tiny_documents).folder
    with pytest.raises(InvalidInput, match="model of this index lies in the folder"):
        runners.deploy(own, SPACE)
    monkeypatch.setattr(spaces, "MAX_INDEX_BYTES", 1000)
    with pytest.raises(InvalidInput, match="Push it"):
        runners.deploy(index, SPACE)
    assert ("spaces", SPACE) not in hub_here.repositories


def test_the_command_says_where_it_is_or_what_is_wrong(call, refused, hub_here, index, small_wheel, tmp_path):
    assert "say where to" in refused("deploy", index)
    assert "name an index" in refused("deploy", "--space", SPACE)
    code, output, _ = call("deploy", index, "--space", SPACE)
    assert (code, f"{hub_here.url}/spaces/{SPACE} at " in output) == (0, True)
    code, output, _ = call("deploy", index, "--output", tmp_path / "space")
    assert (code, "searches index/" in output) == (0, True)
    assert "not empty" in refused("deploy", index, "--output", tmp_path / "space")


@pytest.mark.parametrize("folder", [".", "spaces/search", "spaces/studio"])
def test_front_matter_is_what_the_hub_takes(api, folder):
    readme = ROOT / folder / "README.md"
    text = readme.read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["sdk_version"] == version("gradio")
    assert (readme.parent / front["app_file"]).is_file()
    assert len(front["short_description"]) <= 60
    api.create_repo("alice/try", repo_type="space", space_sdk="gradio")
    for name in ("README.md", "app.py", "requirements.txt"):
        api.upload_file(
            path_or_fileobj=(readme.parent / name), path_in_repo=name, repo_id="alice/try", repo_type="space"
        )
    assert api.get_space_runtime("alice/try").stage == "RUNNING"


def test_the_studio_asks_for_no_more_than_to_make_repositories_and_run_jobs():
    front = yaml.safe_load((ROOT / "spaces/studio/README.md").read_text().split("---")[1])
    assert (front["hf_oauth"], front["hf_oauth_scopes"]) == (True, ["contribute-repos", "jobs"])
    assert "hf_oauth" not in yaml.safe_load((ROOT / "spaces/search/README.md").read_text().split("---")[1])
    # What a Space shows and what is installed is the same; signing in is all that differs.
    assert (ROOT / "spaces/studio/app.py").read_bytes() == (ROOT / "spaces/search/app.py").read_bytes()


@pytest.mark.parametrize("kind", ["search", "studio"])
def test_a_space_says_what_was_not_tested(kind):
    text = (ROOT / "spaces" / kind / "README.md").read_text()
    said = text.partition("## What was tested, and what was not")[2]
    assert {"Xet", "bills", "ZeroGPU"} <= set(re.findall(r"\w+", said))
    assert ("OAuth" in said) == (kind == "studio")


def test_a_studio_is_deployed_with_or_without_an_index(call, hub_here, index, small_wheel, tmp_path):
    made = runners.deploy(None, SPACE, kind="studio")
    front = yaml.safe_load(read(hub_here, "README.md").decode().split("---")[1])
    assert (made.index, front["title"], front["hf_oauth"]) == ("SciFact's abstracts", "Songs search", True)
    assert not [name for name in files_of(hub_here) if name.startswith("index/")]

    code, output, _ = call("deploy", index, "--studio", "--space", SPACE)
    assert (code, "It searches index/" in output) == (0, True)
    assert read(hub_here, "README.md").decode().count("hf_oauth: true") == 1
    assert "index/manifest.json" in files_of(hub_here)

    code, output, _ = call("deploy", "--studio", "--output", tmp_path / "studio")
    assert (code, "searches SciFact" in output) == (0, True)
    assert "title: Studio" in (tmp_path / "studio/README.md").read_text()


def test_a_machine_that_is_refused_leaves_a_space_that_the_next_call_completes(hub_here, index, small_wheel):
    hub_here.faults.refuse("POST", f"/api/spaces/{SPACE}/hardware", 402)
    with pytest.raises(HubError, match=f"the Hub wants to be paid for '{SPACE}'"):
        runners.deploy(index, SPACE, hardware="t4-small")
    assert "index/manifest.json" in files_of(hub_here)
    runners.deploy(index, SPACE, hardware="t4-small")
    assert hub_here.repositories["spaces", SPACE].space.hardware == "t4-small"


@pytest.mark.parametrize("folder", [ROOT / "spaces/search", ROOT / "spaces/studio"], ids=["search", "studio"])
def test_a_space_installs_what_the_kit_and_its_page_need(folder):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert sorted(lines[1:], key=str.lower) == sorted(
        [*project["dependencies"], *extras["app"], *extras["demo"]], key=str.lower
    )


@pytest.mark.slow
def test_the_folder_alone_answers_as_the_index_does(hub_here, hub_environment, index, tmp_path):
    expected = [hit.id for hit in Searcher.open(index, dtype="float32").search("the old song", 3)]
    runners.write_space(tmp_path / "space", index)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **hub_environment, "SYSTEM": "spaces", "SPACE_ID": SPACE, "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SERVER_NAME": "127.0.0.1", "COLBERT_KIT_CACHE": str(tmp_path / "cache"), "PYTHONPATH": "",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=tmp_path / "space", env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert found_ids(f"http://127.0.0.1:{port}") == expected
        # The kit that answers is the folder's own.
        maps = Path(f"/proc/{process.pid}/cwd").resolve()
        assert maps == tmp_path / "space"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()


def found_ids(url):
    deadline = time.monotonic() + 120
    while True:
        try:
            body = json.dumps({"data": ["the old song", 3, "", "colbert", ""]}).encode()
            call = f"{url}/gradio_api/call/search"
            request = urllib.request.Request(call, body, {"Content-Type": "application/json"})
            event = json.load(urllib.request.urlopen(request, timeout=60))["event_id"]
            answer = urllib.request.urlopen(f"{call}/{event}", timeout=60).read().decode()
            [data] = re.findall(r"^data: (\[.*)$", answer, re.MULTILINE)[-1:]
            return [row["id"] for row in json.loads(data)[0]]
        except OSError:
            assert time.monotonic() < deadline, "the page did not come"
            time.sleep(0.2)
