"""A compressed index made from a float16 one, without encoding anything."""

import numpy as np
import pytest

from colbert_kit import Searcher
from colbert_kit.errors import InvalidInput
from colbert_kit.folders import Snapshot, exists
from colbert_kit.indexes import IndexReader
from tests.searcher.test_searcher import QUERIES, contents, ids


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_model, tiny_documents):
    """Thirty documents in two segments, three of which are removed; tests only read it."""
    folder = tmp_path_factory.mktemp("whole") / "index"
    searcher = Searcher.build(folder, tiny_model, tiny_documents[:20], dtype="float32", exact_below=10**12)
    searcher.add([one | {"colour": "blue"} for one in tiny_documents[20:]])
    searcher.remove(["d00", "d07", "d21"])
    return searcher


@pytest.fixture(scope="module")
def left(whole):
    return list(whole.documents())


def files(folder, *parents):
    return {name: content for name, content in contents(folder).items() if name.startswith(parents)}


def decoded(searcher):
    reader = IndexReader(Snapshot(searcher.folder))
    return {one: np.asarray(reader.embeddings_of(row)) for one, row in reader.rows.by_id.items()}


@pytest.mark.parametrize("nbits", [1, 2, 4, 8])
def test_it_is_to_the_last_bit_the_index_that_building_gives(whole, left, tiny_model, tmp_path, nbits):
    built = Searcher.build(tmp_path / "built", tiny_model, left, dtype="float32", exact_below=0, nbits=nbits)

    small = whole.compress_to(tmp_path / "small", nbits=nbits)

    parts = [files(one.folder, "codec", "segments") for one in (built, small)]
    assert parts[0] == parts[1]
    assert len(parts[0]) > 5
    assert [small.search(query, 30) for query in QUERIES] == [built.search(query, 30) for query in QUERIES]


def test_pooling_what_is_stored_gives_what_pooling_at_encoding_gives(whole, left, tiny_model, tmp_path):
    built = Searcher.build(tmp_path / "built", tiny_model, left, dtype="float32", exact_below=10**12, pool_factor=2)

    small = whole.compress_to(tmp_path / "small", nbits=8, pool_factor=2)

    expected, found = decoded(built), decoded(small)
    assert list(found) == list(expected)
    for one, tokens in expected.items():
        assert found[one].shape == tokens.shape
        # Both are unit vectors: what is missing is what eight bits and float16 leave.
        assert (found[one] * tokens.astype(np.float32)).sum(axis=1).min() > 0.998
    small.add([{"id": "new", "text": left[3]["text"]}])
    assert len(decoded(small)["new"]) == len(expected[left[3]["id"]])


def test_documents_come_along_with_their_metadata_and_the_removed_ones_stay_behind(whole, left, tiny_model, tmp_path):
    small = whole.compress_to(tmp_path / "small")

    again = Searcher.open(small.folder, tiny_model, dtype="float32", verify=True)
    assert again.is_compressed
    assert list(again.documents()) == left
    assert len(left) == 27
    assert sorted(ids(again.search(QUERIES[0], 50, filters=[("colour", "=", "blue")]))) == [
        one["id"] for one in left if "colour" in one
    ]


def test_progress_tells_of_pooling(whole, tmp_path):
    events = []

    whole.compress_to(tmp_path / "small", pool_factor=2, on_progress=events.append)

    assert ("pooling", 27, 27) in [(one.stage, one.done, one.total) for one in events]
    assert "clustering" in {one.stage for one in events}


def test_what_cannot_be_is_refused_and_nothing_is_left(whole, tiny_model, tiny_documents, tmp_path):
    pooled = Searcher.build(tmp_path / "pooled", tiny_model, tiny_documents, dtype="float32", pool_factor=2)
    small = pooled.compress_to(tmp_path / "small")

    for make, message in (
        (lambda to: small.compress_to(to), "the index is compressed already"),
        (lambda to: pooled.compress_to(to, pool_factor=4), "pooled by 2 already.*must be 2, got 4"),
        (lambda to: pooled.compress_to(to, pool_factor=1), "must be 2, got 1"),
        (lambda to: whole.compress_to(to, pool_factor=0), "pool_factor must be a whole number of 1 or more"),
        (lambda to: whole.compress_to(to, nbits=3), "nbits must be one of 1, 2, 4, 8, got 3"),
    ):
        with pytest.raises(InvalidInput, match=message):
            make(tmp_path / "refused")
        assert not exists(tmp_path / "refused")


def test_an_index_that_is_there_is_replaced_only_when_asked_to(whole, tmp_path):
    whole.compress_to(tmp_path / "small", nbits=1)
    with pytest.raises(InvalidInput, match=r"holds an index already\. Open it, or replace it with override=True"):
        whole.compress_to(tmp_path / "small")

    assert whole.compress_to(tmp_path / "small", nbits=2, override=True).is_compressed
    assert Snapshot(tmp_path / "small").section("index")["nbits"] == 2


def test_an_empty_index_has_an_empty_copy(tiny_model, tmp_path):
    small = Searcher.build(tmp_path / "empty", tiny_model, [], dtype="float32").compress_to(tmp_path / "small")

    assert (len(small), small.search("rain")) == (0, [])
    small.add([{"id": "a", "text": "rain"}])
    assert ids(small.search("rain")) == ["a"]
