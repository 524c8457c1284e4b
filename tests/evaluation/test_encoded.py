"""Token embeddings of a corpus, encoded once and found again."""

import copy

import pytest
import torch

from colbert_kit import evaluation, models
from colbert_kit.errors import InvalidInput
from colbert_kit.folders import Snapshot, exists

QUERIES = ("who sings the old song", "rain on the mountain")


@pytest.fixture
def encode(tmp_path, tiny_model):
    def encode(documents, model=tiny_model, **options):
        return evaluation.encoded_corpus(model, documents, dtype="float32", cache=tmp_path / "cache", **options)

    return encode


@pytest.fixture
def cached(tmp_path):
    return lambda: sorted((tmp_path / "cache").iterdir())


def test_a_second_call_encodes_nothing_and_answers_alike(encode, cached, tiny_documents, monkeypatch):
    first = encode(tiny_documents)
    monkeypatch.setattr(models, "encode_documents", None)

    again = encode(lambda: iter(tiny_documents))

    assert [again.search(query, 30) for query in QUERIES] == [first.search(query, 30) for query in QUERIES]
    assert cached() == [first.folder]
    assert not again.is_compressed


def test_every_document_is_scored_as_encoding_it_now_scores_it(encode, tiny_documents):
    hits = encode(tiny_documents).search(QUERIES[0], 100)

    reranked = encode(tiny_documents).rerank(QUERIES[0], tiny_documents)
    assert len(hits) == 30
    assert {hit.id: hit.score for hit in hits} == pytest.approx({hit.id: hit.score for hit in reranked}, abs=2e-2)


def test_metadata_are_not_kept_and_do_not_matter(encode, cached, tiny_documents):
    first = encode(tiny_documents)

    encode([{"id": one["id"], "text": one["text"]} for one in tiny_documents])

    assert len(cached()) == 1
    assert next(first.documents()) == {"id": "d00", "text": tiny_documents[0]["text"]}


def test_another_text_id_order_model_or_pooling_is_another_corpus(encode, cached, tiny_model, tiny_documents):
    other_model = copy.deepcopy(tiny_model)
    with torch.no_grad():
        next(other_model[0].parameters())[0, 0] += 1.0
    some = tiny_documents[:4]
    # The boundary between id and text is part of what is told apart.
    moved = [{"id": "a", "text": "b c"}, {"id": "a b", "text": "c"}]

    for number, (documents, options) in enumerate(
        [
            (some, {}),
            (some[::-1], {}),
            (some[:3], {}),
            ([*some[:3], some[3] | {"text": "rain"}], {}),
            ([*some[:3], some[3] | {"id": "rain"}], {}),
            (moved[:1], {}),
            (moved[1:], {}),
            (some, {"model": other_model}),
            (some, {"pool_factor": 2}),
        ],
        start=1,
    ):
        encode(documents, **options)
        assert len(cached()) == number


def test_an_iterator_is_refused_as_it_can_be_read_once(encode, tiny_documents):
    with pytest.raises(InvalidInput, match=r"documents are read twice, got list_iterator.* lambda: data\.read_corpus"):
        encode(iter(tiny_documents))


def test_a_second_reading_that_differs_leaves_nothing(encode, cached, tiny_documents):
    readings = iter([tiny_documents[:5], tiny_documents[:4]])

    with pytest.raises(InvalidInput, match="second reading of the documents differs from the first"):
        encode(lambda: next(readings))

    assert not any(exists(folder) for folder in cached())


def test_a_build_that_was_broken_off_is_begun_anew_and_its_files_go(encode, cached, tiny_documents):
    def broken_off(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(tiny_documents, on_progress=broken_off)
    [folder] = cached()
    assert not exists(folder)
    # What a killed process leaves besides:
    (folder / "segments" / "0001").mkdir(parents=True, exist_ok=True)
    (folder / "segments" / "0001" / "embeddings.npy").write_bytes(b"half")

    searcher = encode(tiny_documents)

    assert len(searcher.search(QUERIES[0], 100)) == 30
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found - {".lock", "manifest.json"} == set(Snapshot(folder).manifest.files)


def test_documents_that_are_not_well_formed_are_refused_before_anything_is_encoded(encode, tiny_documents, tmp_path):
    with pytest.raises(InvalidInput, match="must have the string 'text'"):
        encode([*tiny_documents, {"id": "x"}])
    assert not (tmp_path / "cache").exists()


def test_the_folder_lies_in_the_kits_cache(tiny_model, tiny_documents, tmp_path, monkeypatch):
    monkeypatch.setenv("COLBERT_KIT_CACHE", str(tmp_path / "kit"))

    searcher = evaluation.encoded_corpus(tiny_model, tiny_documents[:2], dtype="float32")

    assert searcher.folder.parent == tmp_path / "kit" / "corpora"


def test_progress_knows_the_total(encode, tiny_documents):
    events = []

    encode(lambda: iter(tiny_documents), on_progress=events.append)

    assert (events[-1].stage, events[-1].done, events[-1].total) == ("encoding", 30, 30)
