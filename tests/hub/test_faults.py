"""Every fault at every step of a push: one line, no manifest that names what is not there, and the next call completes.

Pulls are in ``test_pull.py`` and ``test_ranges.py``, jobs in ``runners/test_job_faults.py``, whole indexes in
``searcher/test_hub.py``.
"""

import hashlib
import json
import threading
import time

import pytest

from colbert_kit import hub
from colbert_kit.errors import HubConflict, HubError, HubUnreachable, NotAllowed, RepoNotFound

REPO = "alice/index"
OLD, NEW = bytes(range(256)) * 300, bytes(range(255, -1, -1)) * 300


def files_with(codes, generation):
    """A small index: what its manifest names, by sha256."""
    manifest = {"generation": generation, "files": {"segments/codes.npy": hashlib.sha256(codes).hexdigest()}}
    card = hub.make_card({"license": "mit"}, f"# Generation {generation}")
    return {"manifest.json": json.dumps(manifest).encode(), "segments/codes.npy": codes, "README.md": card.encode()}


BEFORE, AFTER = files_with(OLD, 1), files_with(NEW, 2)

STEPS = {
    "look": ("GET", "/api/datasets/alice/index"),
    "create": ("POST", "/api/repos/create"),
    "card": ("POST", "/api/validate-yaml"),
    "question": ("POST", "*/preupload/*"),
    "addresses": ("POST", "*/objects/batch"),
    "bytes": ("PUT", "/objects/*"),
    "verification": ("POST", "*/objects/verify"),
    "commit": ("POST", "*/commit/*"),
}
REFUSALS = {
    402: (HubError, "the Hub wants to be paid for 'alice/index'"),
    403: (NotAllowed, "the access token may not do this with 'alice/index'"),
    404: (RepoNotFound, "'alice/index'.* Check the spelling"),
    409: (HubConflict, "somebody has changed 'alice/index' meanwhile"),
    412: (HubConflict, "somebody has changed 'alice/index' meanwhile"),
    429: (HubUnreachable, "too many requests.*'alice/index'.* Try again in 7 seconds"),
    500: (HubUnreachable, r"the Hub failed at 'alice/index' \(500: .*Try again later"),
    503: (HubUnreachable, r"the Hub failed at 'alice/index' \(503: .*Try again later"),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Pauses of the client between its attempts take no time."""
    monkeypatch.setattr(time, "sleep", lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.01)))


def push(files, **arguments):
    return hub.push_folder(REPO, files, message="An index", repo_type="dataset", owned=["segments/*"], **arguments)


def prepare(step):
    """The index is there already, except where it is to be created."""
    if step != "create":
        push(BEFORE)


def check_that_it_is_whole(server):
    """Whoever comes now finds a manifest whose files are all there as it says, or none."""
    if ("datasets", REPO) not in server.repositories:
        return None
    repository = server.repositories["datasets", REPO]
    if "manifest.json" not in repository.resolve().files:
        return None
    manifest = json.loads(repository.read("manifest.json"))
    for name, sha256 in manifest["files"].items():
        assert hashlib.sha256(repository.read(name)).hexdigest() == sha256
    return manifest["generation"]


def check_that_it_is_clear(error, tokens):
    """One line, and no token or signed address in it or in what it came from."""
    assert "\n" not in str(error)
    while error is not None:
        assert not any(secret in f"{error} {error!r}" for secret in tokens)
        error = error.__cause__ or error.__context__


def check_that_the_next_push_completes(server):
    server.faults.clear()
    push(AFTER)
    assert check_that_it_is_whole(server) == 2
    repository = server.repositories["datasets", REPO]
    assert {name: repository.read(name) for name in AFTER} == AFTER


@pytest.mark.parametrize(
    ("step", "status"),
    # 409 is how the Hub says that a repository is there already: see the next test.
    [(step, status) for step in STEPS for status in REFUSALS if (step, status) != ("create", 409)],
)
def test_refusal_at_any_step_is_told_and_leaves_what_was_there(hub_here, tokens, step, status):
    prepare(step)
    hub_here.faults.refuse(*STEPS[step], status, times=None, retry_after=7 if status == 429 else None)

    kind, message = REFUSALS[status]
    with pytest.raises(kind, match=message) as caught:
        push(AFTER)

    assert type(caught.value) is kind
    check_that_it_is_clear(caught.value, tokens)
    assert "signature" not in str(caught.value)
    assert check_that_it_is_whole(hub_here) == (None if step == "create" else 1)
    check_that_the_next_push_completes(hub_here)


def test_repository_that_another_made_meanwhile_is_pushed_to(hub_here):
    push(BEFORE)
    hub_here.traffic.clear()
    hub_here.faults.refuse(*STEPS["look"], 404)
    push(AFTER)
    assert hub_here.traffic.only("POST", "/api/repos/create").status == 409
    assert check_that_it_is_whole(hub_here) == 2


@pytest.mark.parametrize("cut", ["answer", "request"])
@pytest.mark.parametrize("step", STEPS)
def test_connection_that_is_cut_at_any_step_is_told_and_leaves_a_whole_index(hub_here, tokens, step, cut):
    prepare(step)
    if cut == "answer":
        hub_here.faults.cut_response(*STEPS[step], after_bytes=0, times=None)
    else:
        hub_here.faults.cut_upload(*STEPS[step], after_bytes=5, times=None)

    with pytest.raises(HubUnreachable, match="the connection to the Hub broke while 'alice/index'") as caught:
        push(AFTER)

    check_that_it_is_clear(caught.value, tokens)
    # What was asked for has happened where the answer alone was lost; the manifest came with all that it names.
    there = 2 if (step, cut) == ("commit", "answer") else None if step == "create" else 1
    assert check_that_it_is_whole(hub_here) == there
    check_that_the_next_push_completes(hub_here)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("step", ["bytes", "verification"])
def test_busy_storage_is_asked_again_and_the_push_completes(hub_here, step, status):
    push(BEFORE)
    hub_here.faults.refuse(*STEPS[step], status, times=2, retry_after=0 if status == 429 else None)
    push(AFTER)
    assert check_that_it_is_whole(hub_here) == 2
    assert not hub_here.faults.waiting()


@pytest.mark.parametrize("step", STEPS)
def test_slow_line_takes_its_time_and_the_push_completes(hub_here, step):
    prepare(step)
    method, path = STEPS[step]
    hub_here.faults.slow_upload(method, path, bytes_per_second=len(NEW) / 0.5)
    hub_here.faults.slow(method, path, bytes_per_second=3000)
    push(AFTER)
    assert check_that_it_is_whole(hub_here) == 2


def test_while_a_slow_push_is_under_way_others_find_the_old_index(hub_here):
    push(BEFORE)
    seconds = 1.0
    hub_here.faults.slow_upload("PUT", "/objects/*", bytes_per_second=len(NEW) / seconds)
    began = time.monotonic()
    pushing = threading.Thread(target=push, args=[AFTER])
    pushing.start()
    while not hub_here.traffic.all("PUT", "/objects/*")[1:]:
        time.sleep(0.01)
    generations = []
    while pushing.is_alive():
        generations.append(check_that_it_is_whole(hub_here))
        time.sleep(0.01)
    pushing.join()
    assert time.monotonic() - began > seconds * 0.9
    assert generations[0] == 1
    assert generations == sorted(generations)
    assert check_that_it_is_whole(hub_here) == 2
