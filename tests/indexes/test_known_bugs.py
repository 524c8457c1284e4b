"""Bugs of other late-interaction engines, each shown not to be one of ours.

The numbers are those of a reading of fast-plaid 1.4 to 1.7; a test's name says how it should be.
"""

import json
import os
import pickle

import numpy as np
import pytest

from colbert_kit import Searcher
from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Snapshot
from colbert_kit.indexes import PLAID, IndexReader
from colbert_kit.searcher.downloads import Download
from tests.indexes.corpora import DIM, decoded, found, plaid_of, queries_for, some_documents

DOCUMENTS = some_documents(60)
QUERIES, _ = queries_for(DOCUMENTS, 3)


@pytest.fixture(params=[0, 10**9], ids=["compressed", "small"])
def index(tmp_path, request):
    return plaid_of(tmp_path, DOCUMENTS, exact_below=request.param)


@pytest.fixture(params=[0, 10**9], ids=["compressed", "small"])
def searcher(tmp_path, tiny_model, tiny_documents, request):
    return Searcher.build(tmp_path / "s", tiny_model, tiny_documents, dtype="float32", exact_below=request.param)


def test_1_a_filter_that_matched_nothing_finds_nothing_and_not_everything(index, searcher):
    assert found(index, QUERIES[0], subset=[]) == []
    assert searcher.search("rain", subset=[]) == []
    assert searcher.search("rain", filters=[("year", ">", 9999)]) == []


def test_2_a_small_update_keeps_the_bits_of_the_index(tmp_path):
    plaid_of(tmp_path, DOCUMENTS, exact_below=0, nbits=2)

    plaid_of(tmp_path).update_documents(["d001"], [DOCUMENTS["d002"]])

    assert Snapshot.open(tmp_path / "plaid").section("index")["nbits"] == 2


def test_3_metadata_added_to_an_index_without_any_are_kept(tmp_path, tiny_model):
    searcher = Searcher.build(tmp_path / "bare", tiny_model, [{"id": "a", "text": "the river"}], dtype="float32")

    searcher.add([{"id": "b", "text": "the song", "year": 1999}])

    assert [hit.id for hit in searcher.search("song", filters=[("year", "=", 1999)])] == ["b"]


def test_4_an_index_built_over_another_has_none_of_its_metadata(searcher, tiny_model):
    again = Searcher.build(
        searcher.folder, tiny_model, [{"id": "d00", "text": "the city"}], dtype="float32", override=True
    )

    assert again.metadata_columns == ["id"]
    assert again.search("city")[0].metadata == {}
    with pytest.raises(InvalidInput, match="year"):
        again.search("city", filters=[("year", ">", 0)])


def test_5_documents_may_be_removed_in_any_order_and_twice_named(index, searcher):
    index.remove_documents(["d050", "d003", "d021", "d003"])
    searcher.remove(["d20", "d01", "d11", "d01"])

    assert (len(index), len(searcher)) == (57, 27)
    for one in ("d002", "d004", "d049", "d051"):
        assert found(index, DOCUMENTS[one], 1)[0][0] == one
    assert {hit.id: hit.text for hit in searcher.search("rain", 99)} == {
        one["id"]: one["text"] for one in searcher.documents()
    }


def test_6_any_number_of_ids_can_be_removed_and_asked_for_at_once(tmp_path):
    ids = [f"n{number}" for number in range(40_000)]
    index = plaid_of(tmp_path)
    index.add_documents(ids, [np.eye(1, DIM, dtype=np.float32)] * len(ids))

    assert len(index.get_embeddings(ids)) == 40_000
    assert len(found(index, QUERIES[0], 40_000, subset=ids[:35_000])) == 35_000
    index.remove_documents(ids[:35_000])

    assert len(index) == 5000


def test_7_an_error_in_search_is_raised_and_not_an_empty_result(tmp_path):
    plaid_of(tmp_path, DOCUMENTS, exact_below=0)
    [path] = (tmp_path / "plaid/segments").glob("*/codes.npy")
    raw = bytearray(path.read_bytes())
    raw[128:] = b"\xff" * (len(raw) - 128)
    path.write_bytes(raw)

    index = plaid_of(tmp_path)

    with pytest.raises(InvalidFolder, match=r"code or row is out of range\. Build or download"):
        found(index, QUERIES[0])


def test_8_an_index_that_cannot_be_loaded_raises(tmp_path, index):
    next((tmp_path / "plaid/segments").glob("*/id_offsets.npy")).unlink()

    with pytest.raises(InvalidFolder, match="is missing"):
        plaid_of(tmp_path)


@pytest.mark.parametrize("gone", [55, 57, 59])
def test_9a_removing_what_was_added_last_removes_that_and_loses_nothing(tmp_path, index, gone):
    recent = some_documents(50, seed=3, prefix="recent")
    index.add_documents(list(recent), list(recent.values()))
    one = f"recent{gone - 10:03d}"

    index.remove_documents([one])
    far = some_documents(400, seed=77, prefix="far", lengths=(6, 10))
    index.add_documents(list(far), list(far.values()))

    every = DOCUMENTS | recent | far
    assert len(index) == len(every) - 1
    with pytest.raises(InvalidInput, match="not in the index"):
        index.get_embeddings([one])
    stored = decoded(index, [name for name in every if name != one])
    assert all(len(stored[name]) == len(every[name]) for name in stored)
    neighbour = f"recent{gone - 11:03d}"
    assert found(index, recent[neighbour], 1)[0][0] == neighbour


def test_9b_a_rebuild_holds_what_was_appended_since_the_first_build(tmp_path):
    first = some_documents(1000, lengths=(1, 3))
    appended = some_documents(50, seed=4, lengths=(3, 5), prefix="appended")
    index = plaid_of(tmp_path, first)
    index.add_documents(list(appended), list(appended.values()))
    index.remove_documents(list(first)[:60])

    index.add_documents(["last"], [DOCUMENTS["d000"]])
    index.compact()

    assert len(index) == 991
    assert all(found(index, tokens, 1)[0][0] == one for one, tokens in list(appended.items())[::7])


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_10_nothing_is_ever_unpickled(tmp_path, index):
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    for name in ("embeddings.npy", "buffer.npy", "segments/0009/buffer.npy"):
        (tmp_path / "plaid" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "plaid" / name).write_bytes(bomb)

    again = plaid_of(tmp_path)
    again.update_documents(["d001"], [DOCUMENTS["d002"]])
    again.remove_documents(["d003"])
    again.compact()
    manifest = json.loads((tmp_path / "plaid/manifest.json").read_text())
    for name, entry in manifest["files"].items():
        if name.endswith("ids.npy"):
            np.save(tmp_path / "plaid" / name, np.array([Bomb(tmp_path / "exploded")], dtype=object), allow_pickle=True)
            entry |= {"dtype": "object", "shape": [1], "size": (tmp_path / "plaid" / name).stat().st_size}
    (tmp_path / "plaid/manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(InvalidFolder, match="is not a plain array file"):
        plaid_of(tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_11_opening_a_wrong_path_makes_no_folder(tmp_path, tiny_model):
    for opening in (
        lambda: Searcher.open(tmp_path / "typo", tiny_model),
        lambda: Snapshot.open(tmp_path / "typo"),
        lambda: IndexReader(Snapshot.open(tmp_path / "typo")),
    ):
        with pytest.raises(InvalidFolder, match="is not an index folder"):
            opening()
    assert list(tmp_path.iterdir()) == []


def test_12_columns_take_lists_and_refuse_a_change_of_type_by_name(tmp_path, tiny_model):
    documents = [{"id": "a", "text": "rain", "tags": [], "n": None}, {"id": "b", "text": "song", "tags": ["x", "y"]}]
    searcher = Searcher.build(tmp_path / "lists", tiny_model, documents, dtype="float32")

    searcher.add([{"id": "c", "text": "city", "n": 3}])

    assert {hit.id: hit.metadata.get("tags") for hit in searcher.search("rain")}["b"] == ["x", "y"]
    assert [hit.id for hit in searcher.search("rain", filters=[("n", "=", 3)])] == ["c"]
    with pytest.raises(InvalidInput, match="column 'n' holds whole numbers in this index, got texts"):
        searcher.add([{"id": "d", "text": "river", "n": "three"}])


def test_13_every_token_is_in_the_postings_of_its_centroid_after_every_change(tmp_path):
    index = plaid_of(tmp_path, DOCUMENTS, exact_below=0)
    far = some_documents(400, seed=77, prefix="far", lengths=(6, 10))
    index.add_documents(list(far), list(far.values()))
    index.remove_documents(list(DOCUMENTS)[:5])

    for _ in range(2):
        reader = IndexReader(Snapshot.open(tmp_path / "plaid"))
        for segment in reader.coded:
            rows = np.repeat(np.arange(len(segment)), np.diff(segment.offsets))
            lists = np.repeat(np.arange(len(segment.posting_offsets) - 1), np.diff(segment.posting_offsets))
            assert set(zip(segment.codes.tolist(), rows.tolist(), strict=True)) == set(
                zip(lists.tolist(), segment.postings.tolist(), strict=True)
            )
            assert segment.codes.max() < len(reader.codec.view.centroids)
        index.compact()


@pytest.mark.parametrize(("dim", "nbits"), [(12, 4), (128, 3)])
def test_14_dims_and_bits_that_cannot_be_packed_are_refused_before_anything_is_written(tmp_path, dim, nbits):
    with pytest.raises(InvalidInput, match=r"multiple of 8, got 12|nbits must be one of 1, 2, 4, 8, got 3"):
        PLAID(tmp_path, "x", nbits=nbits).add_documents(["a"], [np.ones((1, dim), np.float32)])
    assert not (tmp_path / "x/segments").exists() or not list((tmp_path / "x/segments").iterdir())


def test_index_of_read_only_links_into_a_cache_is_searched_and_never_written(tmp_path, searcher, tiny_model):
    cache, blobs = tmp_path / "snapshots/abc", tmp_path / "blobs"
    blobs.mkdir()
    expected = searcher.search("rain", 30)
    for number, path in enumerate(sorted(searcher.folder.rglob("*"))):
        if path.is_file() and path.name != ".lock":
            link = cache / path.relative_to(searcher.folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            blob = path.rename(blobs / f"{number:x}")
            blob.chmod(0o444)
            link.symlink_to(blob)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in blobs.iterdir()}
    listing = sorted(cache.rglob("*"))
    for folder in (path for path in listing if path.is_dir()):
        folder.chmod(0o555)

    download = Searcher._open(cache, tiny_model, dtype="float32", verify=True, device=None, download=Download(blobs))
    download.warm()

    assert download.search("rain", 30) == expected
    changes = (
        lambda: download.add([{"id": "x", "text": "x"}]),
        lambda: download.update([{"id": "d01", "text": "x"}]),
        lambda: download.remove(["d01"]),
        lambda: download.compact(),
        lambda: download.vacuum(grace_seconds=0),
    )
    for change in changes:
        with pytest.raises(InvalidInput, match=r"download in the Hub's cache and is never written to\. Copy it"):
            change()
    assert sorted(cache.rglob("*")) == listing
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in blobs.iterdir()} == before


@pytest.mark.parametrize("name", ["document_offsets", "id_offsets", "posting_offsets"])
def test_offsets_whose_differences_wrap_around_are_refused(tmp_path, name):
    plaid_of(tmp_path, DOCUMENTS, exact_below=0)
    [path] = (tmp_path / "plaid/segments").glob(f"*/{name}.npy")
    offsets = np.load(path)
    high, low = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    offsets[1:4] = high, low, -1
    np.save(path, offsets)

    with pytest.raises(InvalidFolder, match="damaged"):
        plaid_of(tmp_path)
