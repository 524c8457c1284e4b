"""The life of a PLAID index: what is in it, in what form, and that no change of form loses anything."""

import numpy as np
import pytest

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Snapshot
from colbert_kit.indexes import PLAID, Exact, IndexReader
from tests.indexes.corpora import (
    DIM,
    assert_is_exhaustive,
    assert_same_ranking,
    decoded,
    exact_of,
    found,
    overlap,
    plaid_of,
    queries_for,
    some_documents,
)

DOCUMENTS = some_documents(120)
QUERIES, WANTED = queries_for(DOCUMENTS, 8)


def section_of(folder):
    return Snapshot.open(folder / "plaid").section("index")


# Form


def test_small_index_finds_exactly_what_exact_does(tmp_path):
    small, exact = plaid_of(tmp_path, DOCUMENTS), exact_of(tmp_path, DOCUMENTS)

    for query in QUERIES:
        assert found(small, query, 30) == found(exact, query, 30)
    assert section_of(tmp_path)["codec"] is None


def test_commit_that_crosses_the_bound_compresses_everything_and_finds_the_same(tmp_path):
    ids = list(DOCUMENTS)
    first = {one: DOCUMENTS[one] for one in ids[:60]}
    index = plaid_of(tmp_path, first, exact_below=sum(map(len, DOCUMENTS.values())))
    assert section_of(tmp_path)["codec"] is None

    index.add_documents(ids[60:], [DOCUMENTS[one] for one in ids[60:]])

    assert section_of(tmp_path)["codec"] is not None
    assert len(index) == 120
    exact = exact_of(tmp_path, DOCUMENTS)
    for query, wanted in zip(QUERIES, WANTED, strict=True):
        assert found(index, query, 1)[0][0] == wanted
        assert overlap(found(index, query, 10), found(exact, query, 10)) >= 0.8


@pytest.mark.parametrize(("nbits", "loss"), [(1, 0.07), (2, 0.03), (4, 0.005), (8, 0.0003)])
def test_more_bits_give_embeddings_closer_to_those_that_were_given(tmp_path, nbits, loss):
    index = plaid_of(tmp_path, DOCUMENTS, exact_below=0, nbits=nbits)

    stored = decoded(index, DOCUMENTS)
    assert {one: array.shape for one, array in stored.items()} == {one: a.shape for one, a in DOCUMENTS.items()}
    cosines = np.concatenate([(stored[one] * DOCUMENTS[one]).sum(axis=1) for one in DOCUMENTS])
    assert 1 - cosines.mean() < loss
    for query, wanted in zip(QUERIES, WANTED, strict=True):
        assert found(index, query, 1)[0][0] == wanted


@pytest.mark.parametrize("nbits", [1, 2, 8])
def test_bits_stay_what_they_were_after_small_updates_and_by_another_hand(tmp_path, nbits):
    plaid_of(tmp_path, DOCUMENTS, exact_below=0, nbits=nbits)

    index = plaid_of(tmp_path)
    index.add_documents(["new"], [DOCUMENTS["d000"]])
    index.update_documents(["d001"], [DOCUMENTS["d000"]])
    index.compact()

    section = section_of(tmp_path)
    assert (section["nbits"], section["exact_below"]) == (nbits, 0)
    snapshot = Snapshot.open(tmp_path / "plaid")
    [residuals] = [name for name in snapshot.manifest.files if name.endswith("residuals.npy")]
    assert snapshot.manifest.files[residuals].shape[1] == DIM * nbits // 8


def test_decoded_embeddings_have_unit_length(tmp_path):
    index = plaid_of(tmp_path, DOCUMENTS, exact_below=0, nbits=2)

    norms = np.linalg.norm(np.concatenate(index.get_embeddings(list(DOCUMENTS))), axis=1)

    np.testing.assert_allclose(norms, 1, atol=2e-3)


@pytest.mark.parametrize("nbits", [0, 3, 16, True, "4", None, 4.5])
def test_bits_that_cannot_be_are_refused_and_make_no_folder(tmp_path, nbits):
    with pytest.raises(InvalidInput, match=r"nbits must be one of 1, 2, 4, 8, got"):
        PLAID(tmp_path, "plaid", nbits=nbits)
    assert not (tmp_path / "plaid").exists()


@pytest.mark.parametrize("exact_below", [-1, True, "0", 1.5, None])
def test_bound_that_cannot_be_is_refused(tmp_path, exact_below):
    with pytest.raises(InvalidInput, match="exact_below must be a number of tokens, 0 or more, got"):
        PLAID(tmp_path, "plaid", exact_below=exact_below)


# Life


def test_added_documents_are_found_and_removed_ones_are_not(index):
    added = some_documents(5, seed=1, prefix="new")
    index.add_documents(list(added), list(added.values()))
    index.remove_documents(["d000", "new001"])

    assert len(index) == 123
    for one, tokens in (DOCUMENTS | added).items():
        [best] = found(index, tokens, 1)
        assert (best[0] == one) is (one not in ("d000", "new001")), one
    assert found(index, QUERIES[0], subset=["d000", "new001"]) == []


def test_updated_document_is_found_by_its_new_embeddings_and_by_them_only(index):
    [(_, new)] = some_documents(1, seed=5, lengths=(6, 7)).items()

    index.update_documents(["d007", "newcomer"], [new, DOCUMENTS["d007"]])

    assert len(index) == 121
    assert found(index, new, 1)[0][0] == "d007"
    assert found(index, DOCUMENTS["d007"], 1)[0][0] == "newcomer"
    assert len({one for one, _ in found(index, new, 1000)}) == 121


def test_reopened_index_answers_as_the_one_that_wrote(tmp_path, index):
    index.remove_documents(["d003"])
    again = plaid_of(tmp_path)

    for query in QUERIES:
        assert found(again, query, 20) == found(index, query, 20)
    assert len(again) == 119


def test_override_begins_anew_with_its_own_settings(tmp_path, index):
    again = plaid_of(tmp_path, {"only": DOCUMENTS["d000"]}, override=True, nbits=1, exact_below=7)

    assert [one for one, _ in found(again, QUERIES[0])] == ["only"]
    assert (section_of(tmp_path)["nbits"], section_of(tmp_path)["exact_below"]) == (1, 7)


def test_ids_stay_with_their_documents_through_every_change(index):
    truth = dict(DOCUMENTS)
    for step in range(12):
        added = some_documents(4, seed=10 + step, prefix=f"s{step}-")
        index.add_documents(list(added), list(added.values()))
        gone = list(truth)[step::20]
        index.remove_documents(gone)
        truth = {one: tokens for one, tokens in (truth | added).items() if one not in gone}
        if step % 5 == 4:
            index.compact()
    assert len(index) == len(truth)
    for one, stored in decoded(index, truth).items():
        assert (1 - (stored * truth[one]).sum(axis=1)).max(initial=0) < 0.2


def test_index_that_another_makes_meanwhile_is_not_begun_anew(tmp_path, monkeypatch):
    plaid_of(tmp_path, DOCUMENTS)
    monkeypatch.setattr("colbert_kit.indexes.lifecycle.exists", lambda folder: False)

    assert len(plaid_of(tmp_path)) == 120


def test_index_of_the_other_kind_is_refused(tmp_path, index):
    with pytest.raises(InvalidFolder, match="index of the kind 'plaid', not 'exact'"):
        Exact(tmp_path, "plaid")


# Tidying


def test_more_than_eight_segments_become_fewer_and_nothing_else_changes(tmp_path, exact_below):
    index, ids = plaid_of(tmp_path, exact_below=exact_below), list(DOCUMENTS)
    most = 0
    for start in range(0, 120, 6):
        index.add_documents(ids[start : start + 6], [DOCUMENTS[one] for one in ids[start : start + 6]])
        most = max(most, len(section_of(tmp_path)["segments"]))
        stored = decoded(index, ids[: start + 6])
        assert IndexReader(Snapshot.open(tmp_path / "plaid")).rows.ids == ids[: start + 6]
        assert_is_exhaustive(found(index, QUERIES[0], 5), QUERIES[0], stored, 5)
    assert most == 8


def test_one_in_five_removed_stays_and_more_is_rewritten(tmp_path, index):
    ids = list(DOCUMENTS)
    index.remove_documents(ids[:24])
    assert (section_of(tmp_path)["num_rows"], len(index)) == (120, 96)
    before = decoded(index, ids[25:])
    rankings = [found(index, query, 95, ids[25:]) for query in QUERIES]

    index.remove_documents(ids[24:25])

    section = section_of(tmp_path)
    assert (section["num_rows"], section["tombstones"], len(section["segments"]), len(index)) == (95, None, 1, 95)
    for one, stored in decoded(index, ids[25:]).items():
        np.testing.assert_array_equal(stored, before[one])
    for query, ranking in zip(QUERIES, rankings, strict=True):
        assert [one for one, _ in found(index, query, 95)] == [one for one, _ in ranking]
        assert_same_ranking(found(index, query, 95), ranking, 1e-5)


def test_compacted_index_is_one_compressed_segment_without_removed_rows(tmp_path, index):
    index.add_documents(["x", "y"], [DOCUMENTS["d000"], DOCUMENTS["d001"]])
    index.remove_documents(["d000", "x"])

    index.compact()

    section = section_of(tmp_path)
    assert (section["num_rows"], section["tombstones"], len(section["segments"])) == (120, None, 1)
    assert section["codec"] is not None
    assert [found(index, DOCUMENTS[one], 1)[0][0] for one in ("d001", "d050")] in (["d001", "d050"], ["y", "d050"])
