"""Pushing to a Hub on this machine with the real client: what arrives, what is sent, what every failure says."""

import hashlib
import logging

import pytest

from colbert_kit import hub
from colbert_kit.errors import HubConflict, HubError, HubUnreachable, InvalidFolder, InvalidInput, NotAllowed

LARGE = bytes(range(256)) * 1000
CARD = hub.make_card({"license": "mit", "tags": ["plaid"]}, "# An index").encode()
FILES = {"manifest.json": b'{"generation": 1}', "segments/codes.npy": LARGE, "README.md": CARD}


def push(files=FILES, repo_id="alice/index", **arguments):
    return hub.push_folder(repo_id, files, message="An index", repo_type="dataset", **arguments)


@pytest.fixture
def index(hub_here):
    push()
    return hub_here.repositories["datasets", "alice/index"]


def paths(repository):
    return sorted(repository.resolve().files)


def test_files_arrive_in_one_commit_of_a_new_private_repository(hub_here, tmp_path):
    (tmp_path / "codes").write_bytes(LARGE)

    pushed = push({**FILES, "segments/codes.npy": tmp_path / "codes"})

    repository = hub_here.repositories["datasets", "alice/index"]
    assert repository.is_private
    assert (pushed.repo_id, pushed.revision) == ("alice/index", repository.branches["main"])
    assert pushed.url == f"{hub_here.url}/datasets/alice/index"
    assert [commit.title for commit in repository.log()] == ["An index", "initial commit"]
    assert {path: repository.read(path) for path in FILES} == FILES
    assert paths(repository) == sorted([*FILES, ".gitattributes"])


def test_a_push_of_the_same_sends_nothing_and_makes_no_commit(index, hub_here):
    head = index.branches["main"]
    hub_here.traffic.clear()

    assert push().revision == head

    assert hub_here.traffic.received_bytes("PUT") == 0
    assert hub_here.traffic.all("POST", "*/commit/*") == []


def test_file_whose_sha256_is_known_and_there_is_not_even_read(index, tmp_path):
    sha256 = {"segments/codes.npy": hashlib.sha256(LARGE).hexdigest()}
    (tmp_path / "codes").write_bytes(b"damaged since")

    push({**FILES, "segments/codes.npy": tmp_path / "codes"}, sha256=sha256)
    assert index.read("segments/codes.npy") == LARGE

    sha256 = {"segments/new.npy": hashlib.sha256(LARGE).hexdigest()}
    with pytest.raises(InvalidFolder, match=r"segments/new\.npy does not match its sha256.*nothing was pushed"):
        push({**FILES, "segments/new.npy": tmp_path / "codes"}, sha256=sha256)
    assert "segments/new.npy" not in paths(index)


def test_what_is_owned_and_not_named_any_more_is_deleted_and_nothing_else(index):
    index.commit({"segments/old.npy": LARGE[::-1], "LICENSE": b"mine", "segments.md": b"mine too"})

    push({**FILES, "segments/new.npy": b"\0\1"}, owned=["segments/*"])

    assert paths(index) == sorted([*FILES, ".gitattributes", "LICENSE", "segments.md", "segments/new.npy"])


def test_the_commit_names_the_head_that_it_was_made_for(index, hub_here):
    head = index.branches["main"]
    hub_here.traffic.clear()

    push({"manifest.json": b"{}"})

    header = hub_here.traffic.only("POST", "*/commit/main").lines()[0]["value"]
    assert header == {"summary": "An index", "description": "", "parentCommit": head}


def test_what_others_push_meanwhile_is_never_overwritten(index, hub_here, monkeypatch):
    from huggingface_hub import HfApi

    upload = HfApi.preupload_lfs_files

    def while_another_pushes(*arguments, **named):
        index.commit({"manifest.json": b"of someone else"})
        return upload(*arguments, **named)

    monkeypatch.setattr(HfApi, "preupload_lfs_files", while_another_pushes)
    with pytest.raises(
        HubConflict, match=r"somebody has changed 'alice/index' meanwhile \(A commit has happened since"
    ):
        push({"manifest.json": b"mine", "new.npy": LARGE[::-1]})
    assert index.read("manifest.json") == b"of someone else"
    assert "new.npy" not in paths(index)


def test_a_public_repository_is_not_pushed_to_unless_it_is_named_so(hub_here):
    repository = hub_here.repositories.create("datasets", "alice/index")

    with pytest.raises(InvalidInput, match=r"'alice/index' is public.*private=False \(--public\)"):
        push()
    assert paths(repository) == [".gitattributes"]
    push(private=False)
    assert set(FILES) <= set(paths(repository))


def test_a_private_repository_stays_private(index):
    push({"manifest.json": b"{}"}, private=False)
    assert index.is_private


def test_a_card_that_the_hub_refuses_stops_the_push_before_anything_is_sent(hub_here):
    card = hub.make_card({"license": "homemade"}, "# Mine").encode()

    with pytest.raises(
        InvalidInput, match=r'refuses the card of \'alice/index\': - "license" must be one of'
    ) as caught:
        push({**FILES, "README.md": card})

    assert str(caught.value).endswith("Nothing was pushed.")
    assert hub_here.traffic.all("PUT") == []
    assert paths(hub_here.repositories["datasets", "alice/index"]) == [".gitattributes"]


@pytest.mark.parametrize("name", ["index", "alice/index/more", "../index", "alice/..", "", "al ice/x"])
def test_names_that_no_repository_can_have_are_refused(hub_here, name):
    with pytest.raises(InvalidInput, match="named by its owner and its name"):
        push(repo_id=name)
    assert hub_here.traffic.all() == []


def test_a_file_that_is_not_here_is_named(hub_here, tmp_path):
    with pytest.raises(InvalidInput, match=r"segments/codes\.npy: no such file here\. Nothing was pushed"):
        push({**FILES, "segments/codes.npy": tmp_path / "nothing"})
    assert hub_here.traffic.all() == []


# Who may


def test_token_of_a_stranger_may_not_write(index, tokens):
    with pytest.raises(HubError, match="'alice/index'"):
        push({"manifest.json": b"{}"}, token=tokens.stranger)
    assert index.read("manifest.json") == FILES["manifest.json"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("read", "the access token may not do this with 'alice/index': you must use a write token"),
        ("jobs_only", "the access token may not do this with 'alice/index'"),
        ("expired", r"does not accept the access token \(User Access Token .* is expired\)\. Make a new one"),
        ("unknown", r"does not accept the access token \(Invalid credentials"),
    ],
)
def test_token_that_may_not_write_is_told_so(index, hub_here, tokens, kind, message):
    token = getattr(tokens, kind)
    with pytest.raises(NotAllowed, match=message) as caught:
        push({"manifest.json": b"{}"}, token=token)
    error = caught.value
    while error is not None:
        assert token not in str(error) + repr(error)
        error = error.__cause__ or error.__context__
    assert index.read("manifest.json") == FILES["manifest.json"]


def test_one_who_is_not_logged_in_is_told_to_log_in(hub_here, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(NotAllowed, match=r"[lL]og in with: hf auth login"):
        push()


def test_another_ones_namespace_is_refused(hub_here):
    with pytest.raises(NotAllowed, match="don't have the rights to create a dataset under the namespace"):
        push(repo_id="bob/index")


# Failures on the way: each ends in one line, and the same call again completes

STEPS = {
    "look": ("GET", "/api/datasets/alice/index"),
    "question": ("POST", "*/preupload/*"),
    "addresses": ("POST", "*/objects/batch"),
    "commit": ("POST", "*/commit/*"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (402, HubError, "the Hub wants to be paid for 'alice/index'"),
        (403, NotAllowed, "the access token may not do this with 'alice/index'"),
        (409, HubConflict, "somebody has changed 'alice/index' meanwhile"),
        (412, HubConflict, "somebody has changed 'alice/index' meanwhile"),
    ],
)
def test_refusal_is_one_line_and_the_next_push_completes(index, hub_here, step, status, kind, message):
    before = index.branches["main"]
    hub_here.faults.refuse(*STEPS[step], status)

    with pytest.raises(kind, match=message) as caught:
        push({**FILES, "segments/codes.npy": LARGE[::-1]})
    assert "\n" not in str(caught.value)
    assert index.branches["main"] == before

    push({**FILES, "segments/codes.npy": LARGE[::-1]})
    assert index.read("segments/codes.npy") == LARGE[::-1]


def test_repository_that_vanishes_is_named(index, hub_here):
    hub_here.faults.refuse("POST", "*/commit/*", 404)
    with pytest.raises(HubError, match="the Hub has no such repository"):
        push({"manifest.json": b"{}"})


def test_too_many_requests_say_when_to_come_again(index, hub_here):
    hub_here.faults.refuse("GET", "/api/datasets/*", 429, retry_after=7)
    with pytest.raises(HubError, match=r"too many requests.*'alice/index'\. Try again in 7 seconds"):
        push()
    push()


def test_failure_of_the_hub_itself_is_told_from_ours(index, hub_here):
    hub_here.faults.refuse("POST", "*/commit/*", 503)
    with pytest.raises(
        HubError, match=r"the Hub failed at 'alice/index' \(503: Service Unavailable\)\. Try again later"
    ):
        push({"manifest.json": b"{}"})
    push({"manifest.json": b"{}"})
    assert index.read("manifest.json") == b"{}"


def test_upload_that_is_refused_names_the_repository_and_no_address(index, hub_here):
    hub_here.faults.refuse("PUT", "/objects/*", 403)
    with pytest.raises(NotAllowed, match="may not do this with 'alice/index'") as caught:
        push({"segments/codes.npy": LARGE[::-1]})
    assert "signature" not in str(caught.value)


def test_large_files_that_arrived_before_the_cut_are_not_sent_again(index, hub_here):
    files = {f"segments/{number}.npy": bytes([number]) * 50_000 for number in range(1, 5)}
    hub_here.faults.cut_upload("POST", "*/commit/*", after_bytes=10)
    with pytest.raises(HubUnreachable, match="the connection to the Hub broke while 'alice/index' was on its way"):
        push(files)
    assert "segments/1.npy" not in paths(index)
    hub_here.traffic.clear()

    push(files)

    assert hub_here.traffic.received_bytes("PUT") == 0
    assert index.read("segments/4.npy") == files["segments/4.npy"]


def test_commit_whose_answer_was_lost_is_found_by_the_next_push(index, hub_here):
    hub_here.faults.cut_response("POST", "*/commit/*", after_bytes=0)
    with pytest.raises(HubUnreachable, match="Try again: what has arrived whole is not sent a second time"):
        push({"segments/codes.npy": LARGE[::-1]}, owned=["manifest.json"])
    head = index.branches["main"]

    assert push({"segments/codes.npy": LARGE[::-1]}, owned=["manifest.json"]).revision == head


def test_hub_that_is_not_there_is_named_so(hub_here):
    hub_here.stop()
    with pytest.raises(HubUnreachable, match="the Hub cannot be reached"):
        push()


def test_token_goes_to_the_hub_in_its_header_and_nowhere_else(hub_here, tokens, caplog):
    caplog.set_level(logging.DEBUG)
    pushed = push(token=tokens.without_jobs)

    assert {place for _, place in hub_here.traffic.where(tokens.without_jobs)} == {"header authorization"}
    assert tokens.without_jobs not in caplog.text + repr(pushed)
    repository = hub_here.repositories["datasets", "alice/index"]
    assert not any(tokens.without_jobs.encode() in repository.read(path) for path in paths(repository))
