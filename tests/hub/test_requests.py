"""The requests of a push and a pull, word for word; run with both versions of the Hub's client.

https://huggingface.co/docs/hub/api, https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md, and the client's
``hf_api.py``, ``_commit_api.py`` and ``lfs.py`` of 1.33.0 and 2.4.0. The server's checks take no part: what is compared
is what it has recorded.
"""

import base64
import hashlib

import pytest

from colbert_kit import hub

LARGE = bytes(range(256)) * 1000
LARGE_SHA256 = hashlib.sha256(LARGE).hexdigest()
CARD = hub.make_card({"license": "mit"}, "# An index")
FILES = {"manifest.json": b'{"generation": 1}', "segments/codes.npy": LARGE, "README.md": CARD.encode()}


def push(files, **arguments):
    return hub.push_folder("alice/index", files, message="An index", repo_type="dataset", **arguments)


def base64_of(content):
    return base64.b64encode(content).decode()


def made(server):
    """Method and address of every request, in their order."""
    return [(one.method, f"{one.path}?{one.query}".rstrip("?")) for one in server.traffic.all()]


@pytest.mark.parametrize(
    ("repo_type", "prefix", "more"),
    [
        ("model", "models", {"type": "model"}),
        ("dataset", "datasets", {"type": "dataset"}),
        ("space", "spaces", {"type": "space", "sdk": "gradio"}),
    ],
)
@pytest.mark.parametrize("private", [True, False])
def test_a_repository_is_made_as_documented(hub_here, tokens, repo_type, prefix, more, private):
    hub.make_repository("alice/index", repo_type=repo_type, private=private)

    assert made(hub_here) == [
        ("GET", f"/api/{prefix}/alice/index?blobs=true"),
        ("POST", "/api/repos/create"),
        ("GET", f"/api/{prefix}/alice/index?blobs=true"),
        ("GET", f"/api/{prefix}/alice/index/auth-check/write"),
    ]
    sent = hub_here.traffic.only("POST")
    visibility = "private" if private else "public"
    assert sent.json() == {"name": "index", "organization": "alice", "visibility": visibility, **more}
    assert sent.header("content-type") == "application/json"
    assert {one.header("authorization") for one in hub_here.traffic.all()} == {f"Bearer {tokens.write}"}


def test_a_push_asks_sends_and_commits_as_documented(hub_here, tokens):
    hub.make_repository("alice/index", repo_type="dataset")
    head = hub_here.repositories["datasets", "alice/index"].branches["main"]
    hub_here.traffic.clear()

    push(FILES)

    *asked, put, verified, committed = hub_here.traffic.all()
    assert [(one.method, one.path, one.query) for one in asked] == [
        ("GET", "/api/datasets/alice/index", "blobs=true"),
        ("POST", "/api/validate-yaml", ""),
        ("POST", "/api/datasets/alice/index/preupload/main", ""),
        ("POST", "/datasets/alice/index.git/info/lfs/objects/batch", ""),
    ]
    _, card, question, batch = asked
    assert card.json() == {"content": CARD, "repoType": "dataset"}
    assert question.json() == {
        "files": [
            {"path": name, "sample": base64_of(content[:512]), "size": len(content)} for name, content in FILES.items()
        ]
    }
    assert batch.json() == {
        "operation": "upload",
        "transfers": ["basic", "multipart"],
        "objects": [{"oid": LARGE_SHA256, "size": len(LARGE)}],
        "hash_algo": "sha256",
        "ref": {"name": "main"},
    }
    for header in ("accept", "content-type"):
        assert batch.header(header) == "application/vnd.git-lfs+json"
    assert (put.host, put.method, put.body, put.header("authorization")) == ("storage", "PUT", LARGE, None)
    assert (verified.method, verified.path) == ("POST", "/datasets/alice/index.git/info/lfs/objects/verify")
    assert verified.json() == {"oid": LARGE_SHA256, "size": len(LARGE)}
    assert (committed.method, committed.path) == ("POST", "/api/datasets/alice/index/commit/main")
    assert (committed.header("content-type"), committed.query) == ("application/x-ndjson", "")
    header, *files = committed.lines()
    assert header == {"key": "header", "value": {"summary": "An index", "description": "", "parentCommit": head}}
    assert files == [
        file_line("manifest.json"),
        {
            "key": "lfsFile",
            "value": {"path": "segments/codes.npy", "algo": "sha256", "oid": LARGE_SHA256, "size": len(LARGE)},
        },
        file_line("README.md"),
    ]
    of_the_hub = [one for one in hub_here.traffic.all() if one.host == "hub"]
    assert {one.header("authorization") for one in of_the_hub} == {f"Bearer {tokens.write}"}


def file_line(name):
    value = {"content": base64_of(FILES[name]), "path": name, "encoding": "base64"}
    return {"key": "file", "value": value}


def test_a_deletion_is_a_line_of_the_commit_and_a_large_file_that_is_there_is_named_alone(hub_here):
    push(FILES)
    hub_here.traffic.clear()

    push({"README.md": FILES["README.md"], "segments/again.npy": LARGE}, owned=["manifest.json", "segments/*"])

    assert hub_here.traffic.all("PUT") == hub_here.traffic.all("POST", "*/verify") == []
    assert hub_here.traffic.only("POST", "*/commit/main").lines()[1:] == [
        {
            "key": "lfsFile",
            "value": {"path": "segments/again.npy", "algo": "sha256", "oid": LARGE_SHA256, "size": len(LARGE)},
        },
        {"key": "deletedFile", "value": {"path": "manifest.json"}},
        {"key": "deletedFile", "value": {"path": "segments/codes.npy"}},
    ]


def test_a_pull_only_asks_and_names_the_commit(hub_here):
    commit = push(FILES).revision
    hub_here.traffic.clear()

    found = hub.resolve_revision("alice/index", repo_type="dataset")
    hub.pull_files(
        "alice/index",
        {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()},
        revision=found,
        repo_type="dataset",
    )

    sent = [one for one in hub_here.traffic.all() if one.host == "hub"]
    assert {one.method for one in sent} == {"GET", "HEAD"}
    assert not any(one.body for one in sent)
    api = "/api/datasets/alice/index"
    # Where the Hub itself sends the client on to is its own matter.
    chosen = {(one.path, one.query) for one in sent if not one.path.startswith("/api/resolve-cache/")}
    assert chosen == {
        (api, ""),
        (f"{api}/tree/{commit}", "recursive=true&expand=false"),
        *((f"/datasets/alice/index/resolve/{commit}/{name}", "") for name in FILES),
    }


def test_parts_of_a_file_are_asked_for_by_their_bytes(hub_here):
    commit = push(FILES).revision
    hub_here.traffic.clear()
    hub.RemoteFiles("alice/index", commit, repo_type="dataset").read([("segments/codes.npy", 1000, 1100)])
    looked, got = hub_here.traffic.all()
    assert (looked.method, looked.path) == ("HEAD", f"/datasets/alice/index/resolve/{commit}/segments/codes.npy")
    assert (got.host, got.method, got.header("range")) == ("storage", "GET", "bytes=1000-1099")


def test_whose_a_token_is_is_asked_as_documented(hub_here, tokens):
    assert hub.find_namespaces(tokens.write) == ("alice", "acme")
    asked = hub_here.traffic.only("GET")
    assert (asked.path, asked.query, asked.body) == ("/api/whoami-v2", "", b"")
    assert asked.header("authorization") == f"Bearer {tokens.write}"
