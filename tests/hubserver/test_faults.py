"""Failures on demand, as the real client meets them; and the record of all traffic."""

import time
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import get_session

try:
    from huggingface_hub.utils import httpx
except ImportError:
    import httpx

LARGE = bytes(range(256)) * 1000


@pytest.fixture
def index(hub):
    repository = hub.repositories.create("datasets", "alice/index")
    repository.commit({"codes.npy": LARGE, "manifest.json": b"{}"})
    return repository


@pytest.mark.parametrize("status", [402, 403, 409, 412, 500, 503])
def test_request_is_refused_as_often_as_asked(api, hub, index, status):
    hub.faults.refuse("GET", "/api/datasets/*", status, times=2, message="Not today")
    for _ in range(2):
        with pytest.raises(HfHubHTTPError, match="Not today") as caught:
            api.dataset_info("alice/index")
        assert caught.value.response.status_code == status
    assert api.dataset_info("alice/index").id == "alice/index"
    assert hub.faults.waiting() == []


def test_fault_waits_for_its_turn(api, hub, index):
    hub.faults.refuse("GET", "/api/datasets/*", 404, skip=1)
    assert api.dataset_info("alice/index")
    assert len(hub.faults.waiting()) == 1
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("alice/index")
    assert api.dataset_info("alice/index")
    hub.faults.refuse("*", "*", 500, times=None)
    hub.faults.clear()
    assert api.dataset_info("alice/index")


def test_client_waits_when_told_to_come_again(api, hub, index):
    hub.faults.refuse("PUT", "/objects/*", 429, retry_after=0)
    began = time.monotonic()
    api.upload_file(path_or_fileobj=b"\0", path_in_repo="new.npy", repo_id="alice/index", repo_type="dataset")
    assert time.monotonic() - began >= 1
    refused, _ = hub.traffic.all("PUT")
    assert (refused.status, dict(refused.response_headers)["Retry-After"]) == (429, "0")
    hub.faults.refuse("GET", "/api/datasets/*", 429, retry_after=7)
    with pytest.raises(HfHubHTTPError, match="Retry after 7 seconds"):
        api.dataset_info("alice/index")


def test_download_that_is_cut_is_resumed_where_it_ended(api, hub, index, monkeypatch):
    # What is resumed are whole pieces of this size, of 10 MiB as the client comes.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.faults.cut_response("GET", "/objects/*", after_bytes=100_000)
    path = api.hf_hub_download("alice/index", "codes.npy", repo_type="dataset")
    assert Path(path).read_bytes() == LARGE
    first, second = hub.traffic.all("GET", "/objects/*")
    assert (first.is_cut, first.response_bytes) == (True, 100_000)
    assert second.status == 206
    assert second.response_bytes == len(LARGE) - 100_000


def test_upload_that_is_cut_is_sent_again(api, hub, index):
    hub.faults.cut_upload("PUT", "/objects/*", after_bytes=50_000)
    content = LARGE[::-1]
    api.upload_file(path_or_fileobj=content, path_in_repo="new.npy", repo_id="alice/index", repo_type="dataset")
    assert index.read("new.npy") == content
    first, second = hub.traffic.all("PUT")
    assert (first.is_cut, first.body_bytes) == (True, 50_000)
    assert second.body_bytes == len(content)


def test_commit_whose_answer_is_lost_has_happened(api, hub, index):
    hub.faults.cut_response("POST", "*/commit/*", after_bytes=0)
    upload = {"path_or_fileobj": b"x", "path_in_repo": "new", "repo_id": "alice/index", "repo_type": "dataset"}
    with pytest.raises(httpx.TransportError):
        api.upload_file(**upload)
    head = index.branches["main"]
    assert index.read("new") == b"x"
    assert api.upload_file(**upload).oid == head


def test_commit_that_is_cut_on_the_way_has_not_happened(api, hub, index):
    head = index.branches["main"]
    hub.faults.cut_upload("POST", "*/commit/*", after_bytes=10)
    with pytest.raises(httpx.TransportError):
        api.upload_file(path_or_fileobj=b"x", path_in_repo="new", repo_id="alice/index", repo_type="dataset")
    assert index.branches["main"] == head


def test_slow_answer_takes_its_time(api, hub, index):
    hub.faults.slow("GET", "/objects/*", bytes_per_second=500_000)
    began = time.monotonic()
    api.hf_hub_download("alice/index", "codes.npy", repo_type="dataset")
    assert time.monotonic() - began > len(LARGE) / 500_000 * 0.9
    hub.faults.delay("GET", "/api/datasets/*", seconds=0.5)
    with pytest.raises(httpx.ReadTimeout):
        api.dataset_info("alice/index", timeout=0.1)


def test_server_stops_in_the_middle_of_a_slow_answer(hub, hub_here, index):
    hub.faults.slow("GET", "*", bytes_per_second=1)
    url = hub.objects.signed(hub.storage_url, "GET", index.number, index.resolve().files["codes.npy"].sha256)
    with get_session().stream("GET", url) as response:
        assert response.status_code == 200
        began = time.monotonic()
        hub.stop()
        assert time.monotonic() - began < 60


def test_bodies_are_recorded_whole_or_by_their_hash(api, hub, index):
    hub.traffic.clear()
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a.json", repo_id="alice/index", repo_type="dataset")
    big = bytes(3 * 2**20)
    api.upload_file(path_or_fileobj=big, path_in_repo="b.npy", repo_id="alice/index", repo_type="dataset")
    put = hub.traffic.only("PUT")
    assert (put.body, put.body_bytes) == (None, len(big))
    assert put.body_sha256 == index.resolve().files["b.npy"].sha256
    assert hub.traffic.received_bytes("PUT") == len(big)
    first, _ = hub.traffic.all("POST", "*/commit/*")
    assert first.lines()[1]["value"]["path"] == "a.json"
    with pytest.raises(AssertionError, match=r"2 requests are POST .*commit.*; there were:\n(.*\n)*200 PUT /objects/"):
        hub.traffic.only("POST", "*/commit/*")


def test_text_is_found_wherever_it_went(api, hub, index, tokens):
    api.dataset_info("alice/index")
    session = get_session()
    session.get(f"{hub.url}/api/datasets/alice/index?token={tokens.read}", headers={"X-Mine": tokens.stranger})
    places = {place for _, place in hub.traffic.where(tokens.read)}
    assert places == {"query"}
    assert {place for _, place in hub.traffic.where(tokens.stranger)} == {"header x-mine"}
    assert {place for _, place in hub.traffic.where(index.branches["main"])} == {"response body"}
    assert hub.traffic.where("never") == []


def test_bug_of_the_server_is_kept_for_the_test_to_fail(api, hub, monkeypatch):
    monkeypatch.setattr(hub.repositories, "find", lambda *_: 1 / 0)
    with pytest.raises(HfHubHTTPError, match="hubserver has a bug"):
        api.model_info("alice/x")
    assert "ZeroDivisionError" in hub.errors[0]
    hub._hub.errors.clear()


def test_path_that_nobody_answers_is_a_404(hub, hub_here):
    found = get_session().get(f"{hub.url}/api/collections")
    assert (found.status_code, found.json()["error"]) == (404, "hubserver does not know GET /api/collections")
