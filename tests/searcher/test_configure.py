"""Search settings that a folder keeps, and an index that takes the place of another."""

import copy
import json

import pytest
import torch

from colbert_kit import Searcher
from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Snapshot
from colbert_kit.indexes import SearchConfig
from tests.evaluation.settings import DOCUMENTS
from tests.searcher.test_searcher import QUERIES, contents, ids

NARROW = SearchConfig(nprobe=1, num_approximated=160, num_rescored=40)


@pytest.fixture
def searcher(tmp_path, tiny_model):
    return Searcher.build(tmp_path / "index", tiny_model, DOCUMENTS, dtype="float32", exact_below=0)


def reopened(searcher):
    return Searcher.open(searcher.folder, searcher.model, dtype="float32", verify=True)


def kept(searcher):
    return Snapshot(searcher.folder).manifest.sections.get("search")


def found(searcher, config=None):
    return [ids(searcher.search(query, 10, config=config)) for query in QUERIES]


def test_a_search_without_settings_uses_those_that_are_kept_also_after_opening(searcher):
    default, narrow = found(searcher), found(searcher, NARROW)
    assert default != narrow

    searcher.configure(NARROW)

    for one in (searcher, reopened(searcher)):
        assert found(one) == narrow
        assert found(one, SearchConfig()) == default
        assert one.search_config() == NARROW
        assert [ids(hits) for hits in one.search_many(QUERIES, 10)] == narrow
        assert [ids(hits) for hits in one.search_encoded(one.encode_queries(QUERIES), 10)] == narrow


def test_none_forgets_them(searcher):
    default = found(searcher)
    searcher.configure(NARROW)
    searcher.configure(None)

    assert found(reopened(searcher)) == default
    assert kept(searcher) is None


def test_a_deep_search_looks_at_no_fewer_documents_a_hit_than_by_default(searcher):
    searcher.configure(SearchConfig(nprobe=1, num_rescored=40))

    assert searcher.search_config(10) == SearchConfig(1, 4096, 40)
    assert searcher.search_config(100) == SearchConfig(1, 4096, 400)
    assert len(searcher.search(QUERIES[0], 200)) == 200
    # What is given with a search is taken as it is.
    assert searcher.search_config(100, NARROW) == SearchConfig(1, 160, 100)


def test_changes_keep_them_and_rebuilding_drops_them(searcher, tiny_model):
    searcher.configure(NARROW)
    expected = {"nprobe": 1, "num_approximated": 160, "num_rescored": 40}
    for change in (
        lambda: searcher.add([{"id": "new", "text": "night rain"}]),
        lambda: searcher.update([{"id": "d001", "text": "night rain"}]),
        lambda: searcher.remove(["d002"]),
        lambda: searcher.remove([one["id"] for one in DOCUMENTS[10:80]]),
        lambda: [searcher.add([{"id": f"n{number}", "text": "night rain"}]) for number in range(10)],
        searcher.compact,
        lambda: searcher.vacuum(grace_seconds=0),
    ):
        change()
        assert kept(searcher) == expected

    rebuilt = searcher.rebuild(tiny_model)

    assert kept(rebuilt) is None
    assert rebuilt.search_config() == SearchConfig(4, 4096, 1024)


@pytest.mark.parametrize(
    "section",
    [None, [4], "wide", {"nprobe": 0}, {"nprobe": "4"}, {"nprobe": 4.0}, {"nprobe": True}, {"num_prescored": 5}],
)
def test_kept_settings_that_cannot_be_are_damage(searcher, section):
    path = searcher.folder / "manifest.json"
    manifest = json.loads(path.read_text()) | {"search": section}
    manifest.pop("sha256")
    path.write_text(json.dumps(manifest))

    with pytest.raises(InvalidFolder, match=r"^[^\n]*the manifest's search section is damaged"):
        Searcher.open(searcher.folder, searcher.model)


def test_an_index_of_other_bits_and_pooling_takes_the_place_and_texts_and_metadata_stay(tmp_path, tiny_model):
    documents = [one | {"year": number} for number, one in enumerate(DOCUMENTS)]
    searcher = Searcher.build(tmp_path / "index", tiny_model, documents, dtype="float32", exact_below=0)
    searcher.remove(["d003", "d070"])
    left = list(searcher.documents())
    whole = Searcher.build(tmp_path / "whole", tiny_model, DOCUMENTS, dtype="float32", exact_below=10**9)
    whole.remove(["d003", "d070"])
    small = whole.compress_to(tmp_path / "small", nbits=1, pool_factor=2)
    reader, before = reopened(searcher), found(searcher)

    searcher.adopt(small, NARROW)

    again = reopened(searcher)
    assert found(again) == found(searcher) == found(small, NARROW)
    assert list(again.documents()) == left
    assert (again.nbits, again.pool_factor, again.search_config()) == (1, 2, NARROW)
    assert sorted(ids(again.search(QUERIES[0], 5, filters=[("year", ">", 294)]))) == [f"d{n}" for n in range(295, 300)]
    assert found(reader) == before
    assert again.num_bytes - again.document_bytes == small.num_bytes - small.document_bytes
    again.vacuum(grace_seconds=0)
    names = {name for name in contents(again.folder) if not name.startswith((".lock", "manifest.json"))}
    assert names == set(Snapshot(again.folder).manifest.files)
    again.add([{"id": "new", "text": DOCUMENTS[5]["text"]}])
    by_id = dict(zip([one["id"] for one in again.documents()], again.document_lengths.tolist(), strict=True))
    assert by_id["new"] == by_id["d005"]


def test_an_index_of_other_documents_or_another_model_is_not_taken_over(searcher, tmp_path, tiny_model):
    other_model = copy.deepcopy(tiny_model)
    with torch.no_grad():
        next(other_model[0].parameters())[0, 0] += 1.0
    changed = [*DOCUMENTS[:-1], {"id": "d299", "text": "night rain"}]
    before = contents(searcher.folder)

    for number, (documents, model, exact_below, message) in enumerate(
        [
            (changed, tiny_model, 0, "not of the same documents in the same order"),
            (DOCUMENTS[:-1], tiny_model, 0, "not of the same documents"),
            (DOCUMENTS[::-1], tiny_model, 0, "not of the same documents"),
            (DOCUMENTS, other_model, 0, "another model"),
            (DOCUMENTS, tiny_model, 10**9, "not compressed"),
        ]
    ):
        other = Searcher.build(tmp_path / str(number), model, documents, dtype="float32", exact_below=exact_below)
        with pytest.raises(InvalidInput, match=message):
            searcher.adopt(other)
        assert contents(searcher.folder) == before


def test_a_small_index_can_take_over_a_compressed_one(tmp_path, tiny_model):
    small = Searcher.build(tmp_path / "small", tiny_model, DOCUMENTS[:40], dtype="float32")
    compressed = small.compress_to(tmp_path / "compressed")

    small.adopt(compressed)

    assert reopened(small).is_compressed
    assert found(small) == found(compressed)
