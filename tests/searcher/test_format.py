"""Folders written when format version 1 was new (``tests/golden/make_format_1.py``) stay readable."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from colbert_kit import Searcher
from colbert_kit.folders import Snapshot
from colbert_kit.indexes import SearchConfig
from colbert_kit.scores import PackedEmbeddings
from colbert_kit.searcher.hits import Generation

GOLDEN = Path(__file__).parents[1] / "golden" / "format_1"
EVERYTHING = SearchConfig(nprobe=128, num_approximated=1000, num_rescored=1000)


@pytest.fixture(params=["compressed", "small", "blocks"])
def name(request):
    return request.param


@pytest.fixture
def generation(name):
    return Generation(Snapshot(GOLDEN / name, verify=True))


@pytest.fixture
def golden(name):
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def documents(name):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def test_its_documents_are_what_they_were(generation, documents):
    rows = generation.index.rows.find([one["id"] for one in documents])

    assert [generation.documents.get(row) for row in rows.tolist()] == documents
    assert len(generation.index) == len(documents) == 28


def test_its_token_embeddings_are_what_they_were(generation, golden, documents):
    rows = generation.index.rows.find([one["id"] for one in documents])

    stored = [generation.index.embeddings_of(row) for row in rows.tolist()]

    assert [len(one) for one in stored] == golden["lengths"].tolist()
    np.testing.assert_allclose(np.concatenate(stored), golden["embeddings"], atol=1e-6)


def test_a_search_gives_the_scores_it_gave(generation, golden, documents):
    queries = PackedEmbeddings(golden["queries"], golden["query_lengths"])

    rankings = generation.index.search(queries, 28, None, EVERYTHING)

    for ranking, expected in zip(rankings, golden["scores"], strict=True):
        by_id = {generation.index.rows.ids[row]: score for row, score in ranking}
        np.testing.assert_allclose([by_id[one["id"]] for one in documents], expected, atol=2e-3)


def test_it_can_still_be_changed(name, tmp_path, tiny_model, documents):
    shutil.copytree(GOLDEN / name, tmp_path / name)
    searcher = Searcher.open(tmp_path / name, tiny_model, dtype="float32", verify=True)

    searcher.add([{"id": "new", "text": "the old song of the river", "year": 2050, "topic": "city"}])
    searcher.remove(["d00"])
    searcher.compact()

    left = [one["id"] for one in Searcher.open(searcher.folder, tiny_model, verify=True).documents()]
    assert left == [*[one["id"] for one in documents if one["id"] != "d00"], "new"]


def test_texts_that_lie_elsewhere_are_what_they_were():
    folder = GOLDEN / "blocks"
    names = [f"documents/{path.name}" for path in (folder / "documents").iterdir()]

    def fetch(parts):
        return [(folder / name).read_bytes()[start:stop] for name, start, stop in parts]

    elsewhere = Generation(Snapshot(folder, verify=True, elsewhere=names), fetch)

    documents = json.loads((GOLDEN / "blocks.json").read_text(encoding="utf-8"))
    rows = elsewhere.index.rows.find([one["id"] for one in documents])
    assert elsewhere.documents.get_many(rows.tolist()) == documents
