"""A codec grows when text of another kind is added, and nothing that is compressed already changes."""

import itertools

import numpy as np
import pytest

from colbert_kit.folders import Snapshot
from colbert_kit.indexes import IndexReader
from colbert_kit.indexes.codec import Codec
from tests.indexes.corpora import decoded, found, plaid_of, queries_for, some_documents

OLD = some_documents(200, lengths=(4, 10), noise=0.1)
FAR = some_documents(450, seed=99, lengths=(6, 10), prefix="far", noise=0.1)
MANY = some_documents(1900, lengths=(6, 10), noise=0.1)


def opened(folder):
    return IndexReader(Snapshot.open(folder / "plaid"))


def codec_files(folder):
    return sorted(path.name for path in (folder / "plaid/codec").iterdir())


def add(index, documents):
    index.add_documents(list(documents), list(documents.values()))


@pytest.fixture
def index(tmp_path):
    return plaid_of(tmp_path, OLD, exact_below=0, nbits=1)


def test_far_text_makes_the_codec_grow_and_old_centroids_and_codes_stay(tmp_path, index):
    before = opened(tmp_path)
    rankings = [found(index, query) for query in queries_for(OLD, 5)[0]]

    add(index, FAR)

    after = opened(tmp_path)
    number = len(before.codec.view.centroids)
    assert len(after.codec.view.centroids) > number
    np.testing.assert_array_equal(after.codec.view.centroids[:number], before.codec.view.centroids)
    for name in ("cutoffs", "weights"):
        np.testing.assert_array_equal(getattr(after.codec.view, name), getattr(before.codec.view, name))
    for name in ("codes", "residuals", "inverse_norms", "offsets"):
        np.testing.assert_array_equal(getattr(after.coded[0], name), getattr(before.coded[0], name))
    assert codec_files(tmp_path) == ["0001.safetensors", "0002.safetensors"]
    for query, ranking in zip(queries_for(OLD, 5)[0], rankings, strict=True):
        assert found(index, query, subset=list(OLD)) == ranking


def test_new_text_uses_the_new_centroids_and_is_kept_better_with_them(tmp_path, index, monkeypatch):
    queries, wanted = queries_for(FAR, 60, noise=0.2)
    add(index, FAR)
    monkeypatch.setattr("colbert_kit.indexes.staging.grown_codec", lambda codec, embeddings: None)
    ungrown = plaid_of(tmp_path / "other", OLD, exact_below=0, nbits=1)
    add(ungrown, FAR)

    def recall(one):
        return np.mean([found(one, query, 1)[0][0] == target for query, target in zip(queries, wanted, strict=True)])

    def similarity(one):
        stored = decoded(one, FAR)
        return np.mean(np.concatenate([(stored[name] * FAR[name]).sum(axis=1) for name in FAR]))

    assert recall(index) > recall(ungrown)
    assert similarity(index) > similarity(ungrown) + 0.02
    number = len(opened(tmp_path / "other").codec.view.centroids)
    assert (opened(tmp_path).coded[1].codes >= number).mean() > 0.5


def test_text_of_the_same_kind_leaves_the_codec_as_it_is(tmp_path):
    index = plaid_of(tmp_path, dict(itertools.islice(MANY.items(), 1400)), exact_below=0)

    add(index, dict(itertools.islice(MANY.items(), 1400, None)))

    assert codec_files(tmp_path) == ["0001.safetensors"]


def test_a_little_text_of_another_kind_leaves_the_codec_as_it_is(tmp_path, index):
    add(index, dict(itertools.islice(FAR.items(), 100)))

    assert codec_files(tmp_path) == ["0001.safetensors"]


def test_segments_of_both_codecs_merge_without_changing_what_is_stored(tmp_path, index):
    add(index, FAR)
    every = OLD | FAR
    stored = decoded(index, every)
    query = queries_for(FAR, 1)[0][0]
    ranking = found(index, query, 600)

    index.remove_documents(["d000"])
    index.compact()

    assert len(opened(tmp_path).coded) == 1
    for one, array in decoded(index, list(every)[1:]).items():
        np.testing.assert_array_equal(array, stored[one])
    assert found(index, query, 600) == [hit for hit in ranking if hit[0] != "d000"]
    assert plaid_of(tmp_path).vacuum(grace_seconds=0) > 0
    assert codec_files(tmp_path) == ["0002.safetensors"]


def test_reader_of_before_goes_on_with_its_codec(tmp_path, index):
    before = opened(tmp_path)
    number = len(before.codec.view.centroids)

    add(index, FAR)
    index.compact()
    index.vacuum(grace_seconds=0)

    assert (len(before), len(before.codec.view.centroids)) == (200, number)
    assert np.linalg.norm(before.embeddings_of(7), axis=1) == pytest.approx(1, abs=2e-3)


def test_codec_that_is_read_is_the_one_that_was_written(tmp_path, index):
    snapshot = Snapshot.open(tmp_path / "plaid")

    codec = Codec.read(snapshot, "codec/0001.safetensors", dim=16, nbits=1)

    assert codec.view.centroids.dtype == np.float32
    np.testing.assert_array_equal(codec.view.centroids, codec.view.centroids.astype(np.float16))
    assert codec.outlier_distance > 0
