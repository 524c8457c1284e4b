"""Parts of files, read where they lie on a Hub on this machine."""

import time

import pytest

from colbert_kit.errors import HubError, HubUnreachable, RepoNotFound
from colbert_kit.hub import RemoteFiles

LARGE = bytes(range(256)) * 1000


@pytest.fixture
def repository(hub_here):
    repository = hub_here.repositories.create("datasets", "alice/index", "private")
    repository.commit({"texts.parquet": LARGE, "small.json": b'{"a": 1}'})
    return repository


@pytest.fixture
def files(repository):
    return RemoteFiles("alice/index", repository.branches["main"], repo_type="dataset")


def test_ranges_come_in_the_order_asked_and_nothing_else_is_sent(files, hub_here):
    found = files.read([("texts.parquet", 1000, 1100), ("texts.parquet", 5, 6), ("texts.parquet", 255_990, 256_000)])

    assert found == [LARGE[1000:1100], LARGE[5:6], LARGE[-10:]]
    got = hub_here.traffic.all("GET")
    assert [one.status for one in got] == [206, 206, 206]
    assert sum(one.response_bytes for one in got) == 111


def test_where_a_file_lies_is_asked_once(files, hub_here):
    for _ in range(3):
        files.read([("texts.parquet", 0, 10), ("texts.parquet", 20, 30)])
    assert len(hub_here.traffic.all("*", "/datasets/alice/index/resolve/*")) == 1
    assert len(hub_here.traffic.all("GET", "/objects/*")) == 6


def test_address_that_has_expired_is_asked_for_again(files, hub_here):
    files.read([("texts.parquet", 0, 10)])
    hub_here.faults.refuse("GET", "/objects/*", 403)
    assert files.read([("texts.parquet", 10, 20)]) == [LARGE[10:20]]
    assert len(hub_here.traffic.all("*", "/datasets/alice/index/resolve/*")) == 2


def test_small_file_of_a_private_repository_is_read_with_the_token(files, tokens, hub_here):
    assert files.read([("small.json", 2, 3)]) == [b"a"]
    assert hub_here.traffic.only("GET").header("Authorization") == f"Bearer {tokens.write}"


def test_storage_sees_no_token(files, tokens, hub_here):
    files.read([("texts.parquet", 0, 10)])
    assert hub_here.traffic.only("GET").header("Authorization") is None
    given = RemoteFiles(files.repo_id, files.revision, repo_type="dataset", token=tokens.read)
    assert given.read([("texts.parquet", 0, 1)]) == [LARGE[:1]]
    assert tokens.read not in repr(given)


def test_request_that_is_cut_is_made_again(files, hub_here):
    hub_here.faults.cut_response("GET", "/objects/*", after_bytes=50)
    assert files.read([("texts.parquet", 0, 100)]) == [LARGE[:100]]


def test_answer_of_another_length_is_refused(files, repository):
    repository.tamper("texts.parquet", LARGE[:150])
    with pytest.raises(
        HubError, match=r"texts\.parquet of alice/index: asked for 100 bytes, the Hub sent 50\. Try again"
    ):
        files.read([("texts.parquet", 100, 200)])


def test_file_that_is_not_there_and_a_hub_that_is_not_there_are_told_apart(files, hub_here, tokens):
    stranger = RemoteFiles(files.repo_id, files.revision, repo_type="dataset", token=tokens.stranger)
    with pytest.raises(RepoNotFound, match="'alice/index'"):
        stranger.read([("texts.parquet", 0, 1)])
    with pytest.raises(HubError, match="'alice/index'"):
        files.read([("nothing.parquet", 0, 1)])
    hub_here.stop()
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        files.read([("texts.parquet", 0, 1)])


@pytest.mark.parametrize("status", [402, 404, 409, 412, 429, 500, 503])
@pytest.mark.parametrize("step", ["/datasets/*/resolve/*", "/objects/*"])
def test_refusal_is_one_line_and_the_next_read_completes(files, hub_here, monkeypatch, step, status):
    monkeypatch.setattr(time, "sleep", lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.01)))
    hub_here.faults.refuse("*", step, status, times=None, retry_after=0 if status == 429 else None)
    with pytest.raises(HubError, match="'alice/index'") as caught:
        files.read([("texts.parquet", 0, 100)])
    assert "\n" not in str(caught.value)
    hub_here.faults.clear()
    assert files.read([("texts.parquet", 0, 100)]) == [LARGE[:100]]


def test_slow_line_takes_its_time(files, hub_here):
    hub_here.faults.slow("GET", "/objects/*", bytes_per_second=500)
    assert files.read([("texts.parquet", 0, 100)]) == [LARGE[:100]]
