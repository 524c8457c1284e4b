"""A folder that keeps one token embedding for several similar ones."""

import json

import numpy as np
import pytest
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

from colbert_kit import Searcher
from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Snapshot
from colbert_kit.indexes import IndexReader
from tests.searcher.test_searcher import QUERIES, ids


@pytest.fixture
def pooled(tmp_path, tiny_model, tiny_documents):
    return Searcher.build(tmp_path / "index", tiny_model, tiny_documents[:20], dtype="float32", pool_factor=2)


def stored(searcher):
    """What the folder holds of each document, as another process would read it."""
    reader = IndexReader(Snapshot(searcher.folder))
    return {one: reader.embeddings_of(row) for one, row in reader.rows.by_id.items()}


def assert_pooled(searcher, model, documents, factor):
    found = stored(searcher)
    for one in documents:
        tokens = model.encode_document([one["text"]], show_progress_bar=False)
        [expected] = HierarchicalTokenPooling(factor).pool(tokens, task="document")
        assert np.allclose(found[one["id"]], expected.numpy(), atol=2e-3)


def test_it_holds_what_sentence_transformers_pools(pooled, tiny_model, tiny_documents):
    assert_pooled(pooled, tiny_model, tiny_documents[:20], 2)


def test_documents_added_and_updated_later_are_pooled_alike_also_by_another_process(pooled, tiny_model, tiny_documents):
    again = Searcher.open(pooled.folder, tiny_model, dtype="float32")
    again.add(tiny_documents[20:25])
    again.update([{**tiny_documents[0], "text": tiny_documents[29]["text"]}])

    expected = [{**tiny_documents[0], "text": tiny_documents[29]["text"]}, *tiny_documents[1:25]]
    assert_pooled(again, tiny_model, expected, 2)


def test_rebuild_keeps_the_pooling(pooled, tiny_model, tiny_documents):
    assert_pooled(pooled.rebuild(tiny_model), tiny_model, tiny_documents[:20], 2)


def test_it_takes_less_place_and_finds_nearly_the_same(pooled, tmp_path, tiny_model, tiny_documents):
    whole = Searcher.build(tmp_path / "whole", tiny_model, tiny_documents[:20], dtype="float32")

    count = {name: sum(map(len, stored(one).values())) for name, one in {"whole": whole, "pooled": pooled}.items()}
    assert count["pooled"] < 0.7 * count["whole"]
    for query in QUERIES:
        assert len(set(ids(whole.search(query, 10))) & set(ids(pooled.search(query, 10)))) >= 6


def test_an_explanation_still_points_at_words_of_the_text(pooled, tiny_documents):
    [hit, *_] = pooled.search(QUERIES[0], 1)

    matches = pooled.explain(QUERIES[0], hit)

    words = {hit.text[match.document.start : match.document.stop] for match in matches} - {""}
    assert words
    assert all(word.strip() == word and word in hit.text for word in words)
    assert {match.document.token for match in matches if match.document.stop > match.document.start} <= words


@pytest.mark.parametrize("factor", [0, -1, 1.5, "2"])
def test_a_factor_that_cannot_be_is_refused_before_anything_is_written(tmp_path, tiny_model, tiny_documents, factor):
    with pytest.raises(InvalidInput, match="pool_factor must be a whole number of 1 or more"):
        Searcher.build(tmp_path / "index", tiny_model, tiny_documents, pool_factor=factor)

    assert not (tmp_path / "index").exists()


def test_a_folder_from_before_pooling_opens_and_keeps_all_tokens(tmp_path, tiny_model, tiny_documents):
    searcher = Searcher.build(tmp_path / "index", tiny_model, tiny_documents[:5], dtype="float32")
    rewrite(searcher.folder, lambda document: document.pop("pool_factor"))

    again = Searcher.open(searcher.folder, tiny_model, dtype="float32")
    again.add(tiny_documents[5:8])

    assert_pooled(again, tiny_model, tiny_documents[:8], 1)


def test_a_manifest_with_a_factor_that_cannot_be_is_damaged(pooled, tiny_model):
    rewrite(pooled.folder, lambda document: document.update(pool_factor="many"))

    with pytest.raises(InvalidFolder, match="model section is damaged"):
        Searcher.open(pooled.folder, tiny_model)


def rewrite(folder, change):
    """Change the manifest's words on documents; it is signed anew by being without a signature, as of old."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest["model"]["document"])
    manifest.pop("sha256", None)
    path.write_text(json.dumps(manifest))
