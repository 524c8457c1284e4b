"""Pulling from a Hub on this machine with the real client: only what is named, checked, resumed, and in our words."""

import hashlib
import time

import pytest
from huggingface_hub import constants

from colbert_kit import hub
from colbert_kit.errors import HubError, HubUnreachable, InvalidFolder, InvalidInput, NotAllowed, RepoNotFound

LARGE = bytes(range(256)) * 1000
OTHER = LARGE[::-1]
FILES = {"segments/a [1].npy": LARGE, "segments/b.npy": OTHER, "config.json": b"{}"}
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


@pytest.fixture
def repository(hub_here):
    repository = hub_here.repositories.create("datasets", "alice/index", "private")
    repository.commit({**FILES, "segments/a 1.npy": b"no", "evil.pkl": b"cos\nsystem\n(S'true'\ntR."})
    return repository


def pull(repository, sha256=SHA256, **arguments):
    revision = hub.resolve_revision("alice/index", repo_type="dataset")
    return hub.pull_files("alice/index", sha256, revision=revision, repo_type="dataset", **arguments)


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_exactly_the_files_that_are_named_are_pulled(repository):
    folder = pull(repository)

    assert files_of(folder) == FILES
    assert hub.commit_of(folder) == repository.branches["main"]
    assert all((folder / name).resolve().parent == hub.blobs_of(folder) for name in FILES)


def test_second_pull_fetches_nothing(repository, hub_here):
    pull(repository)
    hub_here.traffic.clear()
    pull(repository)
    assert hub_here.traffic.sent_bytes(path="/objects/*") == 0


@pytest.mark.parametrize("name", ["segments/b.npy", "config.json"])
def test_file_with_one_flipped_byte_is_refused_and_fetched_anew_next_time(repository, name):
    content = bytearray(FILES[name])
    content[1] ^= 1
    repository.tamper(name, bytes(content))
    with pytest.raises(
        InvalidFolder, match=rf"{name} of alice/index at \w{{12}} does not match its sha256 and was rem"
    ):
        pull(repository)

    repository.tamper(name, FILES[name])
    assert files_of(pull(repository)) == FILES


def test_file_of_another_length_is_refused(repository):
    repository.tamper("segments/b.npy", OTHER[:-1])
    with pytest.raises(HubError, match=r"'alice/index' at revision .* did not arrive whole.*Try again"):
        pull(repository)
    repository.tamper("segments/b.npy", OTHER)
    assert files_of(pull(repository)) == FILES


def test_file_that_the_repository_lacks_is_named(repository):
    repository.commit({"segments/b.npy": None})
    with pytest.raises(InvalidFolder, match=r"has no file 'segments/b\.npy', which it should\. Tell its author"):
        pull(repository)


def test_pull_that_is_cut_goes_on_where_it_was(repository, hub_here, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub_here.faults.cut_response("GET", "/objects/*", after_bytes=100_000)
    assert files_of(pull(repository)) == FILES
    assert hub_here.traffic.sent_bytes("GET", "/objects/*") == 2 * len(LARGE)


REFUSALS = {
    402: (HubError, "the Hub wants to be paid for 'alice/index'"),
    403: (NotAllowed, "may not do this with 'alice/index'"),
    404: (RepoNotFound, "the Hub has no such repository"),
    429: (HubError, "Try again in 7 seconds"),
    500: (HubError, r"the Hub failed at 'alice/index'.*\(500: "),
}
STEPS = {"revision": "/api/datasets/alice/index", "tree": "/api/*/tree/*", "files": "/datasets/*/resolve/*"}
# The client asks so often by itself before it gives up.
TAKES_LONG = [("tree", 429), ("tree", 500), ("files", 429), ("files", 500)]


@pytest.mark.parametrize(
    ("step", "status"),
    [
        pytest.param(step, status, marks=[pytest.mark.slow] if (step, status) in TAKES_LONG else [])
        for step in STEPS
        for status in REFUSALS
    ],
)
def test_refusal_is_one_line_and_the_next_pull_completes(repository, hub_here, step, status):
    kind, message = REFUSALS[status]
    hub_here.faults.refuse("*", STEPS[step], status, times=None, retry_after=7 if status == 429 else None)

    with pytest.raises(kind, match=message) as caught:
        pull(repository)
    assert "\n" not in str(caught.value)

    hub_here.faults.clear()
    assert files_of(pull(repository)) == FILES


def test_one_who_may_not_see_it_is_told_that_there_is_none(repository, tokens):
    with pytest.raises(RepoNotFound, match="or it is private"):
        hub.resolve_revision("alice/index", repo_type="dataset", token=tokens.stranger)


def test_branch_tag_and_commit_are_resolved_to_the_commit(repository):
    first = repository.branches["main"]
    repository.tags["v1"] = first
    second = repository.commit({"config.json": b"{ }"}).oid
    for revision, expected in [(None, second), ("main", second), ("v1", first), (first, first)]:
        assert hub.resolve_revision("alice/index", revision, repo_type="dataset") == expected
    with pytest.raises(RepoNotFound, match="at revision 'v9'"):
        hub.resolve_revision("alice/index", "v9", repo_type="dataset")


def test_file_of_a_data_set_is_found_or_is_none(repository):
    assert hub.find_file("alice/index", "config.json", repo_type="dataset").read_bytes() == b"{}"
    assert hub.find_file("alice/index", "nothing.json", repo_type="dataset") is None


def test_repository_comes_into_a_folder_of_ones_own(repository, tmp_path):
    folder = tmp_path / "deep" / "mine"

    commit = hub.pull_to("alice/index", folder, repo_type="dataset", allow_patterns=["segments/b*", "*.json"])

    assert commit == repository.branches["main"]
    assert files_of(folder) == {"segments/b.npy": OTHER, "config.json": b"{}"}
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]
    with pytest.raises(InvalidInput, match="holds something already"):
        hub.pull_to("alice/index", folder, repo_type="dataset")


def test_folder_of_ones_own_gets_no_damaged_file(repository, tmp_path):
    repository.tamper("segments/b.npy", b"x" + OTHER[1:])
    with pytest.raises(InvalidFolder, match=r"segments/b\.npy of alice/index does not match its sha256"):
        hub.pull_to("alice/index", tmp_path / "mine", repo_type="dataset")
    assert list((tmp_path).glob("*mine*")) == []


def test_hub_that_is_gone_is_no_matter_for_what_is_in_the_cache(repository, hub_here):
    revision = repository.branches["main"]
    pull(repository)
    hub_here.stop()
    assert files_of(hub.pull_files("alice/index", SHA256, revision=revision, repo_type="dataset")) == FILES
    with pytest.raises(HubUnreachable, match="the Hub cannot be reached"):
        hub.pull_folder("alice/other", repo_type="dataset")


@pytest.mark.parametrize("step", STEPS)
def test_connection_that_is_cut_for_good_is_told_and_the_next_pull_completes(repository, hub_here, monkeypatch, step):
    monkeypatch.setattr(time, "sleep", lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.01)))
    hub_here.faults.cut_response("*", STEPS[step], after_bytes=0, times=None)
    with pytest.raises(HubUnreachable) as caught:
        pull(repository)
    assert "\n" not in str(caught.value)
    hub_here.faults.clear()
    assert files_of(pull(repository)) == FILES


def test_hub_that_takes_the_question_and_says_nothing_is_not_waited_for_for_ever(repository, hub_here, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.2)
    hub_here.faults.delay("GET", "/api/datasets/alice/index*", seconds=20, times=None)
    with pytest.raises(HubUnreachable, match="did not answer in time when asked for 'alice/index'"):
        hub.resolve_revision("alice/index", repo_type="dataset")
    hub_here.faults.clear()
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 10)
    assert hub.resolve_revision("alice/index", repo_type="dataset") == repository.branches["main"]


def test_slow_line_takes_its_time_and_the_pull_completes(repository, hub_here):
    began = time.monotonic()
    for step in STEPS.values():
        hub_here.faults.slow("GET", step, bytes_per_second=3000)
    hub_here.faults.slow("GET", "/objects/*", bytes_per_second=len(LARGE) / 0.5)
    assert files_of(pull(repository)) == FILES
    assert time.monotonic() - began > 0.45
