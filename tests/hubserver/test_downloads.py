"""How the real client downloads."""

import hashlib
from pathlib import Path

import pytest
from huggingface_hub import HfFileSystem, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import get_session

LARGE = bytes(range(256)) * 1000


@pytest.fixture
def index(hub):
    repository = hub.repositories.create("datasets", "alice/index", "private")
    repository.commit({"manifest.json": b'{"generation": 1}', "segments/a b.npy": LARGE, "empty": b""})
    return repository


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_snapshot_holds_every_file_and_costs_one_request_the_second_time(api, hub, index):
    folder = Path(api.snapshot_download("alice/index", repo_type="dataset"))

    assert folder.name == index.branches["main"]
    found = files_of(folder)
    assert found.pop(".gitattributes")
    assert found == {"manifest.json": b'{"generation": 1}', "segments/a b.npy": LARGE, "empty": b""}
    blob = (folder / "segments" / "a b.npy").resolve().name
    assert blob == hashlib.sha256(LARGE).hexdigest()

    hub.traffic.clear()
    assert api.snapshot_download("alice/index", repo_type="dataset") == str(folder)
    assert len(hub.traffic.all()) == 1
    api.snapshot_download("alice/index", repo_type="dataset", revision=index.branches["main"])
    assert len(hub.traffic.all()) == 1


def test_new_snapshot_fetches_what_is_new_only(api, hub, index):
    api.snapshot_download("alice/index", repo_type="dataset")
    index.commit({"manifest.json": b'{"generation": 2}'})
    hub.traffic.clear()

    folder = api.snapshot_download("alice/index", repo_type="dataset")

    assert Path(folder, "manifest.json").read_bytes() == b'{"generation": 2}'
    assert hub.traffic.sent_bytes(path="/objects/*") == 0


def test_patterns_and_local_folder_are_honoured(api, hub, index, tmp_path):
    api.snapshot_download("alice/index", repo_type="dataset", allow_patterns=["*.json"], local_dir=tmp_path / "here")
    assert {name for name in files_of(tmp_path / "here") if not name.startswith(".cache")} == {"manifest.json"}
    assert hub.traffic.all(path="/objects/*") == []


def test_large_file_is_behind_a_redirect_to_a_host_that_sees_no_token(api, hub, index):
    api.hf_hub_download("alice/index", "segments/a b.npy", repo_type="dataset")

    head = hub.traffic.only("HEAD")
    told = dict(head.response_headers)
    assert head.status == 302
    assert told["X-Repo-Commit"] == index.branches["main"]
    assert told["X-Linked-ETag"] == f'"{hashlib.sha256(LARGE).hexdigest()}"'
    assert told["X-Linked-Size"] == str(len(LARGE))
    got = hub.traffic.only("GET")
    assert (got.host, got.header("Authorization")) == ("storage", None)
    assert hashlib.sha256(LARGE).hexdigest() not in dict(got.response_headers)["ETag"]


def test_small_file_is_redirected_to_its_commit(api, hub, index):
    api.hf_hub_download("alice/index", "manifest.json", repo_type="dataset")
    first, second, got = hub.traffic.all()
    assert [(one.method, one.status) for one in (first, second, got)] == [("HEAD", 307), ("HEAD", 200), ("GET", 200)]
    assert dict(second.response_headers)["ETag"] == f'"{index.resolve().files["manifest.json"].oid}"'
    assert dict(second.response_headers)["Content-Length"] == "17"


def test_file_system_reads_ranges_and_no_more(api, hub, index, tokens):
    files = HfFileSystem(endpoint=hub.url, token=tokens.write)
    path = "datasets/alice/index/segments/a b.npy"

    # Without it the client reads 5 MiB ahead, which a test that counts bytes should see.
    assert files.cat_file(path, start=1000, end=1100, cache_type="none") == LARGE[1000:1100]
    (got,) = hub.traffic.all("GET", "/objects/*")
    assert (got.status, got.response_bytes) == (206, 100)
    assert dict(got.response_headers)["Content-Range"] == f"bytes 1000-1099/{len(LARGE)}"

    with files.open(path, block_size=2**10) as file:
        file.seek(-10, 2)
        assert file.read() == LARGE[-10:]
    assert hub.traffic.sent_bytes("GET", "/objects/*") < 3000
    assert files.cat_file("datasets/alice/index/manifest.json", start=2, end=12) == b"generation"
    assert sorted(files.ls("datasets/alice/index/segments", detail=False)) == [path]


@pytest.mark.parametrize(
    ("wanted", "status", "content"),
    [
        ("bytes=0-3", 206, LARGE[:4]),
        ("bytes=255990-", 206, LARGE[255990:]),
        ("bytes=-5", 206, LARGE[-5:]),
        ("bytes=255999-999999", 206, LARGE[-1:]),
        ("bytes=256000-", 416, b""),
        ("bytes=5-4", 416, b""),
        ("lines=1-2", 416, b""),
    ],
)
def test_ranges_are_those_of_http(api, hub, index, wanted, status, content):
    url = hf_hub_url("alice/index", "segments/a b.npy", repo_type="dataset", endpoint=hub.url)
    headers = {"Authorization": f"Bearer {api.token}", "Range": wanted}
    found = get_session().get(url, headers=headers, follow_redirects=True)
    assert (found.status_code, found.content) == (status, content)


def test_address_at_the_storage_works_for_the_one_file_alone(api, hub, index):
    url = hub.objects.signed(hub.storage_url, "GET", index.number, hashlib.sha256(LARGE).hexdigest())
    session = get_session()
    assert session.get(url).content == LARGE
    assert session.head(url).headers["Content-Length"] == str(len(LARGE))
    assert session.get(url.split("?")[0]).status_code == 403
    assert session.get(url, headers={"Authorization": f"Bearer {api.token}"}).status_code == 400


def test_file_that_is_not_there_is_told_from_a_revision_that_is_not(api, index):
    assert not api.file_exists("alice/index", "nothing", repo_type="dataset")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download("alice/index", "nothing", repo_type="dataset")
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download("alice/index", "manifest.json", repo_type="dataset", revision="v9")


def test_revision_may_be_a_branch_a_tag_or_a_hash(api, index):
    first = index.branches["main"]
    index.tags["v1"] = first
    index.branches["next"] = first
    index.commit({"manifest.json": b"new"})
    for revision, expected in [("v1", b"1}"), ("next", b"1}"), (first, b"1}"), (None, b"new")]:
        path = api.hf_hub_download("alice/index", "manifest.json", repo_type="dataset", revision=revision)
        assert Path(path).read_bytes().endswith(expected)


def test_tampered_file_arrives_as_served_under_its_right_name(api, index):
    changed = bytes([LARGE[0] ^ 1]) + LARGE[1:]
    index.tamper("segments/a b.npy", changed)
    index.tamper("manifest.json", b'{"generation": 9}')

    folder = api.snapshot_download("alice/index", repo_type="dataset")

    path = Path(folder, "segments", "a b.npy")
    assert path.read_bytes() == changed
    assert path.resolve().name == hashlib.sha256(LARGE).hexdigest()
    assert Path(folder, "manifest.json").read_bytes() == b'{"generation": 9}'


def test_repository_may_hold_paths_that_no_client_would_commit(api, index):
    index.commit({"../outside": b"x"})
    listed = [one.path for one in api.list_repo_tree("alice/index", repo_type="dataset", recursive=True)]
    assert "../outside" in listed
    with pytest.raises(ValueError, match="outside"):
        api.snapshot_download("alice/index", repo_type="dataset")
