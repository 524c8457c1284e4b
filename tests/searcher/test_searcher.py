import copy
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from colbert_kit import Hit, Searcher
from colbert_kit.data import split_passages
from colbert_kit.errors import ColbertKitError, FolderBusy, InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, exists
from colbert_kit.models import encode_window
from colbert_kit.searcher.downloads import Download
from tests import oracles

QUERIES = ("who sings the old song", "rain on the mountain", "train to the city?", "bread by the river")


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ids(hits):
    return [hit.id for hit in hits]


@pytest.fixture(scope="module")
def other_model(tiny_model):
    other = copy.deepcopy(tiny_model)
    with torch.no_grad():
        next(other[0].parameters())[0, 0] += 1.0
    return other


@pytest.fixture
def build(tmp_path, tiny_model):
    def build(documents, name="index", model=tiny_model, **options):
        return Searcher.build(tmp_path / name, model, documents, dtype="float32", **options)

    return build


@pytest.fixture(scope="module")
def shared(tmp_path_factory, tiny_model, tiny_documents):
    """A searcher that tests only read."""
    return Searcher.build(tmp_path_factory.mktemp("shared") / "index", tiny_model, tiny_documents, dtype="float32")


@pytest.fixture
def searcher(build, tiny_documents):
    return build(tiny_documents[:10])


@pytest.fixture(scope="module")
def vectors(tiny_model, tiny_documents):
    """Document token embeddings as the index keeps them."""
    packed = encode_window(tiny_model, [one["text"] for one in tiny_documents], "document")
    return {one["id"]: array.astype(np.float16).tolist() for one, array in zip(tiny_documents, packed, strict=True)}


# Search


@pytest.mark.parametrize("query", QUERIES)
def test_hits_are_those_of_scoring_everything(shared, tiny_model, tiny_documents, vectors, query):
    [query_embeddings] = encode_window(tiny_model, [query], "query")
    truth = oracles.ranking(query_embeddings.tolist(), vectors, 30)

    hits = shared.search(query, k=30)

    np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in truth], atol=1e-4)
    assert [hit.rank for hit in hits] == list(range(1, 31))
    by_id = {one["id"]: one for one in tiny_documents}
    for hit in hits:
        document = by_id[hit.id]
        assert hit.score == pytest.approx(dict(truth)[hit.id], abs=1e-4)
        assert (hit.text, hit.metadata["year"], hit.metadata.get("topic")) == (
            document["text"],
            document["year"],
            document["topic"],
        )


def test_k_cuts_the_ranking_and_may_exceed_the_corpus(shared):
    assert ids(shared.search(QUERIES[0], k=3)) == ids(shared.search(QUERIES[0], k=1000))[:3]
    assert len(shared.search(QUERIES[0], k=1000)) == len(shared) == 30


def test_many_queries_are_answered_in_order(shared):
    queries = [QUERIES[number % 4] for number in range(70)]

    many = shared.search_many(queries, k=5)

    assert [ids(hits) for hits in many] == [ids(shared.search(query, k=5)) for query in queries]
    assert shared.search_many([], k=5) == []


def test_filters_and_subset_both_must_allow_a_hit(shared):
    hits = shared.search(QUERIES[0], 30, filters=[("year", ">=", 2020)], subset=["d03", "d21", "d25", "nobody"])

    assert sorted(ids(hits)) == ["d21", "d25"]


def test_filters_that_nothing_passes_find_nothing(shared):
    assert shared.search(QUERIES[0], filters=[("year", ">", 3000)]) == []
    assert shared.search(QUERIES[0], subset=[]) == []


def test_documents_without_a_topic_match_no_filter_on_it(shared):
    hits = shared.search(QUERIES[0], 30, filters=[[("topic", "!=", "city")], [("topic", "not in", ["x"])]])

    assert len(hits) == 23
    assert all("topic" in hit.metadata for hit in hits)


@pytest.mark.parametrize("query", ["", " \n\t"])
def test_empty_query_is_refused(shared, query):
    with pytest.raises(InvalidInput, match="the query is empty; type at least one word"):
        shared.search(query)
    with pytest.raises(InvalidInput, match="the query is empty"):
        shared.rerank(query, [])
    with pytest.raises(InvalidInput, match="the query is empty"):
        shared.explain(query, "d01")


def test_query_that_is_no_text_is_refused(shared):
    with pytest.raises(InvalidInput, match="a query must be a string, got int"):
        shared.search(5)
    with pytest.raises(InvalidInput, match="not valid Unicode"):
        shared.search("rain \ud800")
    with pytest.raises(InvalidInput, match="queries must be a list of strings, got one string"):
        shared.search_many("rain")


@pytest.mark.parametrize("k", [0, -3, 2.5, True, "5"])
def test_k_that_is_no_count_is_refused(shared, k):
    with pytest.raises(InvalidInput, match="k must be a whole number of 1 or more, got"):
        shared.search(QUERIES[0], k=k)


@pytest.mark.parametrize("query", ["\0 rain \x07", "?", "🙂", "x" * 5000, "rain " * 500])
def test_odd_queries_are_answered(shared, query):
    assert len(shared.search(query, k=3)) == 3


def test_every_message_is_one_line(shared, tmp_path, tiny_model):
    bad_calls = [
        lambda: shared.search(""),
        lambda: shared.search("a", 0),
        lambda: shared.search("a", filters=[("yaer", "=", 1)]),
        lambda: shared.search("a", filters=[("year", "~", 1)]),
        lambda: shared.search("a", filters=[("year", "=", "x")]),
        lambda: shared.search("a", group_by="nothing"),
        lambda: shared.explain("a", "nobody"),
        lambda: shared.add([{"id": "d01", "text": "a"}]),
        lambda: shared.add([{"id": "new"}]),
        lambda: shared.remove(["nobody"]),
        lambda: Searcher.build(shared.folder, tiny_model, [], dtype="float32"),
        lambda: Searcher.open(tmp_path / "missing", tiny_model),
    ]
    for call in bad_calls:
        with pytest.raises(ColbertKitError, match=r"^[^\n]{20,400}\Z"):
            call()


# Groups


def test_groups_are_found_once_by_their_best_passage(build, tiny_documents):
    passages = list(split_passages(tiny_documents, passage_words=4, overlap_words=1))
    searcher = build(passages)

    hits = searcher.search(QUERIES[1], k=5, group_by="document_id")

    best = {}
    for hit in searcher.search(QUERIES[1], k=len(passages)):
        best.setdefault(hit.metadata["document_id"], hit.id)
    assert ids(hits) == list(best.values())[:5]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]


def test_documents_without_a_group_stand_alone(shared):
    hits = shared.search(QUERIES[0], k=30, group_by="topic")

    assert len([hit for hit in hits if "topic" not in hit.metadata]) == 7
    assert len(hits) == 7 + 3


def test_column_that_cannot_be_grouped_by_is_refused(build):
    searcher = build([{"id": "a", "text": "rain", "tags": ["x"]}])

    with pytest.raises(InvalidInput, match="no column 'text' to group by; the columns are: id, tags"):
        searcher.search("rain", group_by="text")
    with pytest.raises(InvalidInput, match=r"column 'tags' holds list.* cannot be grouped by"):
        searcher.search("rain", group_by="tags")


# Explain and rerank


@pytest.mark.parametrize("query", QUERIES)
def test_explained_similarities_sum_to_the_score(shared, query):
    for hit in shared.search(query, k=3):
        matches = shared.explain(query, hit)

        assert sum(match.similarity for match in matches) == pytest.approx(hit.score, abs=1e-3)
        for match in matches:
            if match.query.stop:
                spelled = query[match.query.start : match.query.stop].lower()
                assert match.query.token.removeprefix("##") == spelled
        assert all(0 <= match.document.start <= match.document.stop <= len(hit.text) for match in matches)


def test_explaining_a_document_that_is_not_there_is_refused(shared):
    with pytest.raises(InvalidInput, match="not in the index, the first is 'nobody'"):
        shared.explain("rain", "nobody")


def test_reranked_documents_are_ordered_as_a_search_orders_them(shared, tiny_documents):
    candidates = tiny_documents[5:15]

    hits = shared.rerank(QUERIES[2], candidates)

    found = shared.search(QUERIES[2], 30, subset=[one["id"] for one in candidates])
    assert ids(hits) == ids(found)
    np.testing.assert_allclose([hit.score for hit in hits], [hit.score for hit in found], atol=2e-2)
    assert isinstance(hits[0], Hit)
    assert hits[0].metadata["year"] == int(hits[0].id[1:]) + 2000


def test_reranking_is_cut_at_k_and_ties_keep_their_order(shared):
    same = [{"id": one, "text": "the river"} for one in "zam"]

    assert ids(shared.rerank("river", same)) == ["z", "a", "m"]
    assert ids(shared.rerank("river", same, k=2)) == ["z", "a"]
    assert shared.rerank("river", []) == []


@pytest.mark.parametrize(
    ("documents", "k", "message"),
    [([{"id": "a"}], None, "document 0 must have the string 'text'"), ([{"id": "a", "text": "b"}], 0, "k must be")],
)
def test_reranking_refuses_what_it_cannot_rank(shared, documents, k, message):
    with pytest.raises(InvalidInput, match=message):
        shared.rerank("rain", documents, k)


# Life


def test_documents_come_and_go(searcher, tiny_documents):
    searcher.add(iter(tiny_documents[10:12]))
    assert len(searcher) == 12
    assert ids(searcher.search(QUERIES[0], subset=["d11"])) == ["d11"]

    searcher.remove(["d11", "d00"])
    assert len(searcher) == 10
    assert not {"d11", "d00"} & set(ids(searcher.search(QUERIES[0], 100)))

    searcher.add([{"id": "d11", "text": "a new text with music"}])
    [hit] = searcher.search(QUERIES[0], subset=["d11"])
    assert (hit.text, hit.metadata) == ("a new text with music", {})


def test_opened_folder_answers_as_the_one_that_built_it(searcher, tiny_model):
    again = Searcher.open(searcher.folder, tiny_model, dtype="float32", verify=True)

    assert again.search(QUERIES[0], 10) == searcher.search(QUERIES[0], 10)
    assert again.metadata_columns == ["id", "year", "topic"]


def test_model_is_found_by_its_record(searcher):
    again = Searcher.open(searcher.folder, dtype="float32", device="cpu")

    assert again.search(QUERIES[0], 10) == searcher.search(QUERIES[0], 10)


def test_folder_answers_after_it_has_moved(searcher, tiny_model, tmp_path):
    expected = searcher.search(QUERIES[0], 10)
    searcher.folder.rename(tmp_path / "moved")

    assert Searcher.from_pretrained(tmp_path / "moved", tiny_model, dtype="float32").search(QUERIES[0], 10) == expected


def test_other_searcher_keeps_its_generation_until_it_refreshes(searcher, tiny_model, tiny_documents):
    reader = Searcher.open(searcher.folder, tiny_model, dtype="float32")
    before = reader.search(QUERIES[0], 100)
    searcher.add(tiny_documents[10:])
    assert reader.search(QUERIES[0], 100) == before

    reader.refresh()

    assert len(reader.search(QUERIES[0], 100)) == 30


def test_writer_takes_up_what_another_has_committed(searcher, tiny_model, tiny_documents):
    other = Searcher.open(searcher.folder, tiny_model, dtype="float32")
    searcher.add(tiny_documents[10:11])

    with pytest.raises(InvalidInput, match="'d10' is there already"):
        other.add(tiny_documents[10:11])
    other.add(tiny_documents[11:12])

    assert len(other) == 12


def test_empty_index_finds_nothing_and_can_be_filled(build, tiny_documents):
    searcher = build([])
    assert (searcher.search("rain"), len(searcher)) == ([], 0)

    searcher.add(tiny_documents[:2])

    assert len(searcher.search("rain")) == 2


def test_progress_reaches_the_total(build, tiny_documents):
    events = []

    build(iter(tiny_documents), on_progress=events.append, total=30)

    assert (events[-1].stage, events[-1].done, events[-1].total) == ("encoding", 30, 30)


def test_corpus_of_several_segments_is_one_index(build, tiny_documents, monkeypatch):
    expected = build(tiny_documents).search(QUERIES[0], 30)
    monkeypatch.setattr("colbert_kit.searcher.staging.DOCUMENTS_PER_FILE", 7)

    searcher = build(tiny_documents, "other")

    assert len(searcher._generation.documents.paths) == 5
    assert ids(searcher.search(QUERIES[0], 30)) == ids(expected)


# Builds that are refused, and what they leave


def test_existing_index_is_not_built_over(searcher, build, tiny_documents):
    before = contents(searcher.folder)

    with pytest.raises(InvalidInput, match=r"holds an index already\. Open it, or replace it with override=True"):
        build(tiny_documents)

    assert contents(searcher.folder) == before


def test_index_built_by_another_meanwhile_is_not_built_over(searcher, build, tiny_documents, monkeypatch):
    monkeypatch.setattr("colbert_kit.searcher.staging.exists", lambda folder: False)

    with pytest.raises(InvalidInput, match="was built by another process meanwhile"):
        build(tiny_documents)

    assert len(searcher.search(QUERIES[0], 100)) == 10


def test_override_replaces_the_index(searcher, build, tiny_documents):
    build(tiny_documents[20:], override=True)

    assert len(searcher) == 10
    searcher.refresh()
    assert sorted(ids(searcher.search(QUERIES[0], 100))) == [f"d{number}" for number in range(20, 30)]


def failing(documents, error):
    yield from documents
    raise error


@pytest.mark.parametrize("error", [OSError("source is gone"), KeyboardInterrupt("source is gone")])
def test_override_that_fails_midway_keeps_the_old_index(searcher, build, tiny_documents, monkeypatch, error):
    monkeypatch.setattr("colbert_kit.searcher.staging.DOCUMENTS_PER_FILE", 4)
    before = contents(searcher.folder)

    with pytest.raises(type(error), match="source is gone"):
        build(failing(tiny_documents, error), override=True)

    assert contents(searcher.folder) == before


def test_build_that_fails_leaves_no_index(build, tiny_documents, tmp_path):
    with pytest.raises(OSError, match="source is gone"):
        build(failing(tiny_documents, OSError("source is gone")))

    assert not exists(tmp_path / "index")
    assert len(build(tiny_documents)) == 30


BAD = [
    ({"id": "d03", "text": "again"}, "the document id 'd03' is there already; ids must be unique"),
    ({"id": 5, "text": "a"}, "must have the string 'id', got int"),
    ({"id": "", "text": "a"}, "has an empty id"),
    ({"id": "new"}, "must have the string 'text', got NoneType; it has the fields 'id'"),
    ({"id": "new", "text": ""}, "'new' has an empty text"),
    ({"id": "new", "text": "\udfff"}, "is not valid Unicode"),
    ({"id": "\udfff", "text": "a"}, "is not valid Unicode"),
    ({"id": "new", "text": "a", "rank": 1}, "metadata may not be called rank"),
    ({"id": "new", "text": "a", "year": "MMXX"}, "column 'year' holds whole numbers in this index, got texts"),
    ({"id": "new", "text": "a", "huge": 2**70}, "values of 'huge' cannot share a column"),
]


@pytest.mark.parametrize(("document", "message"), BAD)
def test_document_that_is_refused_leaves_the_index_as_it_was(searcher, document, message):
    before = contents(searcher.folder)

    with pytest.raises(InvalidInput, match=message):
        searcher.add([{"id": "fine", "text": "a fine text", "year": 2020}] * ("year" not in document) + [document])

    assert contents(searcher.folder) == before
    assert len(searcher.search(QUERIES[0], 100)) == 10


def test_id_that_comes_twice_in_one_call_is_refused(build, tiny_documents):
    with pytest.raises(InvalidInput, match="'d00' is there already"):
        build([*tiny_documents, tiny_documents[0]])


def test_removing_what_is_not_there_removes_nothing(searcher):
    with pytest.raises(InvalidInput, match="1 of the 2 ids are not in the index, the first is 'nobody'"):
        searcher.remove(["d00", "nobody"])
    assert len(searcher) == 10


def test_busy_folder_can_be_searched_but_not_changed(searcher):
    with Commit(searcher.folder):
        with pytest.raises(FolderBusy, match="is being written to by another process"):
            searcher.remove(["d00"])
        assert len(searcher.search(QUERIES[0], 100)) == 10
    searcher.remove(["d00"])


# Models


def test_model_that_computes_something_else_is_refused(searcher, other_model):
    with pytest.raises(InvalidFolder, match=r"built with the model .* of fingerprint .* or rebuild it with this one"):
        Searcher.open(searcher.folder, other_model, dtype="float32")


def test_rebuilt_index_holds_the_same_documents_for_the_new_model(searcher, other_model, tiny_model):
    searcher.remove(["d04"])
    before = searcher.search(QUERIES[0], 100)

    rebuilt = searcher.rebuild(other_model)

    assert {hit.id: (hit.text, hit.metadata) for hit in rebuilt.search(QUERIES[0], 100)} == {
        hit.id: (hit.text, hit.metadata) for hit in before
    }
    assert searcher.search(QUERIES[0], 100) == before
    assert len(Searcher.open(searcher.folder, other_model, dtype="float32", verify=True)) == 9
    for use in (searcher.refresh, lambda: searcher.remove(["d00"])):
        with pytest.raises(InvalidFolder, match="was rebuilt with another model meanwhile"):
            use()


def test_rebuilding_loses_nothing_that_another_has_added(searcher, tiny_model, other_model, tiny_documents):
    Searcher.open(searcher.folder, tiny_model, dtype="float32").add(tiny_documents[10:12])

    assert len(searcher.rebuild(other_model)) == 12


def test_download_is_never_written_to(searcher, tiny_model, other_model, tmp_path, tiny_documents):
    download = Searcher._open(
        searcher.folder, tiny_model, dtype="float32", verify=True, device=None, download=Download(tmp_path / "blobs")
    )
    before = contents(searcher.folder)

    for change in (
        lambda: download.add(tiny_documents[10:]),
        lambda: download.remove(["d00"]),
        lambda: download.rebuild(other_model),
    ):
        with pytest.raises(InvalidInput, match=r"download in the Hub's cache and is never written to\. Copy it"):
            change()
    assert contents(searcher.folder) == before


# Damage


def test_corrupt_manifest_is_refused(searcher, tiny_model):
    (searcher.folder / "manifest.json").write_text('{"format_version": 1, "gen')

    with pytest.raises(InvalidFolder, match=r"manifest\.json cannot be read as JSON"):
        Searcher.open(searcher.folder, tiny_model)


@pytest.mark.parametrize("section", ["model", "index", "documents"])
def test_missing_section_is_named(searcher, tiny_model, section):
    path = searcher.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest[section]
    path.write_text(json.dumps(manifest))

    with pytest.raises(InvalidFolder, match=f"has no section '{section}'"):
        Searcher.open(searcher.folder, tiny_model)


def test_index_and_documents_must_have_the_same_ids(searcher, tiny_model):
    path = searcher.folder / "segments/0001/ids.npy"
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + b"x")

    with pytest.raises(InvalidFolder, match="other ids in the index than in the documents"):
        Searcher.open(searcher.folder, tiny_model)


def test_flipped_bit_anywhere_is_caught_by_verify(searcher, tiny_model):
    searcher.remove(["d00"])
    for path in sorted(searcher.folder.rglob("*.*")):
        if path.name in (".lock", "manifest.json"):
            continue
        raw = path.read_bytes()
        path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
        with pytest.raises(InvalidFolder, match=path.name):
            Searcher.open(searcher.folder, tiny_model, dtype="float32", verify=True)
        path.write_bytes(raw)
    assert len(Searcher.open(searcher.folder, tiny_model, dtype="float32", verify=True)) == 9


# Threads


def test_eight_threads_find_what_one_does(build, tiny_documents):
    # Several row groups and more of them than the cache of texts is asked for at once.
    documents = [one | {"id": f"{number}-{one['id']}"} for number in range(10) for one in tiny_documents]
    searcher = build(documents)
    queries = [f"{QUERIES[number % 4]} {tiny_documents[number % 30]['text']}" for number in range(60)]
    options = [{}, {"filters": [("year", ">", 2010)]}, {"group_by": "topic"}]

    def search(number):
        return searcher.search(queries[number % 60], 10, **options[number % 3])

    serial = [search(number) for number in range(60)]
    fresh = Searcher.open(searcher.folder, searcher.model, dtype="float32")
    searcher = fresh
    with ThreadPoolExecutor(8) as threads:
        parallel = list(threads.map(search, range(120)))

    for number, hits in enumerate(parallel):
        assert ids(hits) == ids(serial[number % 60])
        np.testing.assert_allclose([hit.score for hit in hits], [hit.score for hit in serial[number % 60]], atol=1e-4)


def test_searches_go_on_while_a_thread_writes(searcher, tiny_documents):
    with ThreadPoolExecutor(4) as threads:
        searches = [threads.submit(searcher.search, QUERIES[number % 4], 100) for number in range(40)]
        for document in tiny_documents[10:16]:
            searcher.add([document])
        sizes = {len(one.result()) for one in searches}
    assert sizes <= set(range(10, 17))
    assert len(searcher.search(QUERIES[0], 100)) == 16
