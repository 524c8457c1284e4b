"""What the real client sends to upload, and what becomes of it."""

import base64
import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import BadRequestError, HfHubHTTPError
from huggingface_hub.utils import get_session

LARGE = bytes(range(256)) * 1000
LARGE_SHA256 = hashlib.sha256(LARGE).hexdigest()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "index"
    (folder / "segments").mkdir(parents=True)
    (folder / "manifest.json").write_text('{"format_version": 1}')
    (folder / "empty").write_text("")
    (folder / "segments" / "codes.npy").write_bytes(LARGE)
    (folder / "README.md").write_text("---\ntags: [plaid]\n---\n# An index\n")
    return folder


@pytest.fixture
def index(hub):
    return hub.repositories.create("datasets", "alice/index")


def push(api, folder, **arguments):
    return api.upload_folder(repo_id="alice/index", repo_type="dataset", folder_path=folder, **arguments)


def test_folder_arrives_as_it_is(api, folder, index):
    commit = push(api, folder, commit_message="An index", commit_description="Of nothing")

    assert commit.oid == index.branches["main"]
    assert commit.commit_url.endswith(f"/datasets/alice/index/commit/{commit.oid}")
    head = index.resolve()
    assert (head.title, head.message, head.author) == ("An index", "Of nothing", "alice")
    for path in ("manifest.json", "empty", "segments/codes.npy", "README.md"):
        assert index.read(path) == (folder / path).read_bytes()
    assert head.files["segments/codes.npy"].sha256 == LARGE_SHA256
    assert head.files["manifest.json"].sha256 is None


def test_requests_are_the_documented_ones(api, folder, hub, index):
    (folder / "README.md").unlink()
    (folder / "empty").unlink()
    push(api, folder, commit_message="An index")

    preupload = hub.traffic.only("POST", "/api/datasets/alice/index/preupload/main").json()
    assert {one["path"]: one["size"] for one in preupload["files"]} == {
        "manifest.json": 21,
        "segments/codes.npy": len(LARGE),
    }
    batch = hub.traffic.only("POST", "/datasets/alice/index.git/info/lfs/objects/batch").json()
    assert batch == {
        "operation": "upload",
        "transfers": ["basic", "multipart"],
        "objects": [{"oid": LARGE_SHA256, "size": len(LARGE)}],
        "hash_algo": "sha256",
        "ref": {"name": "main"},
    }
    verified = hub.traffic.only("POST", "*/info/lfs/objects/verify").json()
    assert verified == {"oid": LARGE_SHA256, "size": len(LARGE)}
    commit = hub.traffic.only("POST", "/api/datasets/alice/index/commit/main").lines()
    assert commit == [
        {"key": "header", "value": {"summary": "An index", "description": ""}},
        {
            "key": "file",
            "value": {
                "content": base64.b64encode(b'{"format_version": 1}').decode(),
                "path": "manifest.json",
                "encoding": "base64",
            },
        },
        {
            "key": "lfsFile",
            "value": {"path": "segments/codes.npy", "algo": "sha256", "oid": LARGE_SHA256, "size": len(LARGE)},
        },
    ]


def test_storage_is_another_host_that_sees_no_token(api, folder, hub, index, tokens):
    push(api, folder)
    put = hub.traffic.only("PUT")
    assert put.host == "storage"
    assert (put.body_bytes, put.body_sha256) == (len(LARGE), LARGE_SHA256)
    assert put.header("Authorization") is None
    assert {place for _, place in hub.traffic.where(tokens.write)} == {"header authorization"}
    assert all(exchange.host == "hub" for exchange in hub.traffic.all() if exchange.header("Authorization"))


def test_second_push_sends_what_is_new_only(api, folder, hub, index):
    first = push(api, folder)
    hub.traffic.clear()
    assert push(api, folder).oid == first.oid
    assert hub.traffic.received_bytes("PUT") == 0
    assert hub.traffic.all("POST", "*/commit/*") == []

    (folder / "segments" / "more.npy").write_bytes(b"\0" * 5000)
    assert push(api, folder).oid != first.oid
    assert hub.traffic.received_bytes("PUT") == 5000
    operations = [one["value"].get("path") for one in hub.traffic.only("POST", "*/commit/*").lines()]
    assert operations == [None, "segments/more.npy"]


def test_files_are_deleted_and_copied(api, folder, index):
    push(api, folder)
    operations = [
        CommitOperationDelete("empty"),
        CommitOperationCopy("segments/codes.npy", "copy.npy"),
        CommitOperationCopy("manifest.json", "copy.json"),
    ]
    api.create_commit("alice/index", operations, commit_message="Tidy", repo_type="dataset")
    api.delete_folder("segments", repo_id="alice/index", repo_type="dataset")

    assert sorted(index.resolve().files) == [".gitattributes", "README.md", "copy.json", "copy.npy", "manifest.json"]
    assert index.read("copy.npy") == LARGE
    with pytest.raises(HfHubHTTPError, match="A file with this name doesn't exist"):
        api.delete_file("nothing", repo_id="alice/index", repo_type="dataset")


def test_commit_on_a_head_that_has_moved_is_refused(api, hub, index):
    old = index.branches["main"]
    index.commit({"other": b"of someone else"})
    add = CommitOperationAdd("file", b"mine")

    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as caught:
        api.create_commit("alice/index", [add], commit_message="x", repo_type="dataset", parent_commit=old)

    assert caught.value.response.status_code == 412
    assert "file" not in index.resolve().files
    head = index.branches["main"]
    api.create_commit("alice/index", [add], commit_message="x", repo_type="dataset", parent_commit=head)
    assert index.read("file") == b"mine"


def test_commit_goes_to_the_branch_it_names(api, index):
    api.create_branch("alice/index", branch="next", repo_type="dataset")
    arguments = {"repo_id": "alice/index", "repo_type": "dataset", "path_in_repo": "new"}
    api.upload_file(path_or_fileobj=b"x", revision="next", **arguments)
    assert "new" in index.resolve("next").files
    assert "new" not in index.resolve("main").files
    with pytest.raises(HfHubHTTPError, match="Invalid rev id: nowhere"):
        api.upload_file(path_or_fileobj=b"x", revision="nowhere", **arguments)


def test_commits_of_many_at_once_all_arrive(api, index):
    def upload(number):
        content = b"\0" * (number + 1)
        api.upload_file(
            path_or_fileobj=content, path_in_repo=f"{number}.npy", repo_id="alice/index", repo_type="dataset"
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upload, range(8)))
    assert len(index.resolve().files) == 9
    assert len(list(index.log())) == 9


def test_attributes_say_which_files_are_large(api, index):
    index.commit({".gitattributes": b"*.jsonl filter=lfs diff=lfs merge=lfs -text\n"})
    for path, content in [
        ("a.jsonl", b"{}"),
        ("a.json", b"{}"),
        ("a.npy", b"text"),
        ("binary", b"\0\1"),
        ("b.npy", b""),
    ]:
        api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id="alice/index", repo_type="dataset")
    large = {path for path, entry in index.resolve().files.items() if entry.sha256}
    assert large == {"a.jsonl", "binary"}


def test_object_that_was_never_sent_cannot_be_committed(api, index):
    def commit(*values):
        lines = [{"key": "header", "value": {"summary": "x", "description": ""}}, *values]
        url = f"{api.endpoint}/api/datasets/alice/index/commit/main"
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        headers = {"Authorization": f"Bearer {api.token}", "Content-Type": "application/x-ndjson"}
        return get_session().post(url, content=body, headers=headers)

    pointer = {"path": "codes.npy", "algo": "sha256", "oid": LARGE_SHA256, "size": len(LARGE)}
    refused = commit({"key": "lfsFile", "value": pointer})
    assert refused.status_code == 400
    assert "an LFS pointer pointed to a file that does not exist: codes.npy" in refused.json()["error"]

    index.objects.keep(index.number, LARGE_SHA256, io.BytesIO(LARGE))
    assert commit({"key": "lfsFile", "value": {**pointer, "size": 7}}).status_code == 400
    assert commit({"key": "lfsFile", "value": pointer}).status_code == 200
    for path in ("../up", "/abs", "a/../b", ".git/config", "a//b"):
        value = {"path": path, "content": "eA==", "encoding": "base64"}
        assert commit({"key": "file", "value": value}).status_code == 400, path
    bad = {"path": "x", "content": "no base64", "encoding": "base64"}
    assert commit({"key": "file", "value": bad}).status_code == 400
    assert sorted(index.resolve().files) == [".gitattributes", "codes.npy"]


def test_object_with_other_bytes_than_its_name_says_is_refused(hub, hub_here, index):
    url = hub.objects.signed(hub.storage_url, "PUT", index.number, LARGE_SHA256)
    session = get_session()
    refused = session.put(url, content=b"something else")
    assert (refused.status_code, "BadDigest" in refused.text) == (400, True)
    assert session.put(url.replace(LARGE_SHA256, "0" * 64), content=LARGE).status_code == 403
    assert session.get(url).status_code == 403
    assert session.put(url, content=LARGE, headers={"Authorization": "Bearer hf_x"}).status_code == 400
    assert not hub.objects.has(index.number, LARGE_SHA256)
    # In chunks of a length that is not told before.
    assert session.put(url, content=iter([LARGE[:1000], LARGE[1000:]])).status_code == 200
    assert hub.objects.size(index.number, LARGE_SHA256) == len(LARGE)


def test_card_with_wrong_metadata_is_refused_before_anything_is_uploaded(api, folder, hub, index):
    (folder / "README.md").write_text("---\nlicense: homemade\n---\n")
    with pytest.raises(ValueError, match=r'Invalid metadata in README.md.\n- "license" must be one of \[apache-2.0'):
        push(api, folder)
    assert hub.traffic.all("PUT") == []


def test_card_is_checked_again_at_the_commit(api, hub, index):
    hub.faults.refuse("POST", "/api/validate-yaml", 200, message="")
    with pytest.raises(BadRequestError, match='"license" must be one of'):
        api.upload_file(
            path_or_fileobj=b"---\nlicense: homemade\n---\n",
            path_in_repo="README.md",
            repo_id="alice/index",
            repo_type="dataset",
        )


def test_client_that_would_use_xet_is_told_so(api, hub, index, monkeypatch):
    url = f"{hub.url}/api/datasets/alice/index/xet-write-token/main"
    found = get_session().get(url, headers={"Authorization": f"Bearer {api.token}"})
    assert (found.status_code, "HF_HUB_DISABLE_XET=1" in found.json()["error"]) == (501, True)
