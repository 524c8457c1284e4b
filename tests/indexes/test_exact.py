import tempfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colbert_kit.errors import FolderBusy, InvalidFolder, InvalidInput
from colbert_kit.folders import Commit
from colbert_kit.indexes import Exact
from tests import oracles

DIM = 2
# Small whole numbers: exact in float16, so that rankings must equal the oracle's to the last tie.
text = st.lists(st.lists(st.integers(-2, 2), min_size=DIM, max_size=DIM), max_size=3)
ids = st.sampled_from(["a", "b", "ab", "é", "漢字", "7", "B"])


def array(tokens):
    return np.array(tokens, dtype=np.float32).reshape(-1, DIM)


def index_of(folder, documents=None, **options):
    index = Exact(index_folder=folder, index_name="test", **options)
    if documents:
        index.add_documents(list(documents), [array(tokens) for tokens in documents.values()])
    return index


def found(index, query, k=10, subset=None):
    [hits] = index([array(query)], k=k, subset=subset)
    return [(hit["id"], hit["score"]) for hit in hits]


DOCUMENTS = {"a": [[1, 0]], "b": [[0, 1], [1, 1]], "c": [[2, 0]], "d": [[-1, -1]]}
QUERY = [[1, 0], [0, 1]]


@pytest.fixture
def index(tmp_path):
    return index_of(tmp_path, DOCUMENTS)


@settings(max_examples=25)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "remove", "update", "reopen"]), st.dictionaries(ids, text, max_size=4)),
        max_size=6,
    ),
    query=text,
    k=st.integers(1, 9),
    subset=st.none() | st.sets(ids),
)
def test_any_life_of_an_index_equals_a_dictionary(steps, query, k, subset):
    with tempfile.TemporaryDirectory() as folder:
        index, truth = index_of(folder), {}
        for step, documents in steps:
            embeddings = [array(tokens) for tokens in documents.values()]
            if step == "add":
                documents = {one: tokens for one, tokens in documents.items() if one not in truth}
                index.add_documents(list(documents), [array(tokens) for tokens in documents.values()])
                truth |= documents
            elif step == "update":
                index.update_documents(list(documents), embeddings)
                truth |= documents
            elif step == "remove":
                gone = [one for one in documents if one in truth]
                index.remove_documents(gone)
                for one in gone:
                    del truth[one]
            else:
                index = index_of(folder)
        allowed = {one: tokens for one, tokens in truth.items() if subset is None or one in subset}

        assert len(index) == len(truth)
        assert found(index, query, k, subset) == oracles.ranking(query, allowed, k)


def test_random_floats_rank_as_their_float16_values_do(tmp_path):
    generator = np.random.default_rng(3)
    documents = {f"{n:02}": generator.standard_normal((generator.integers(1, 9), 16)) for n in range(40)}
    index = Exact(index_folder=tmp_path, index_name="floats")
    index.add_documents(list(documents), [tokens.astype(np.float32) for tokens in documents.values()])
    query = generator.standard_normal((5, 16)).astype(np.float32)

    [hits] = index([query], k=40)

    truth = dict(oracles.ranking(query, {one: tokens.astype(np.float16) for one, tokens in documents.items()}, 40))
    assert [hit["id"] for hit in hits] == list(truth)
    np.testing.assert_allclose([hit["score"] for hit in hits], list(truth.values()), atol=1e-4)


def test_ties_are_ordered_by_id_and_cut_by_id(tmp_path):
    index = index_of(tmp_path, {one: [[1, 0]] for one in ("c", "a", "d", "b")})

    assert found(index, [[1, 0]], k=2) == [("a", 1.0), ("b", 1.0)]


def test_k_beyond_the_corpus_returns_what_there_is(index):
    assert [one for one, _ in found(index, QUERY, k=1000)] == ["b", "c", "a", "d"]


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3", None])
def test_k_that_is_no_count_is_refused(index, k):
    with pytest.raises(InvalidInput, match="k must be a whole number of 1 or more, got"):
        found(index, QUERY, k=k)


def test_empty_index_finds_nothing(tmp_path):
    assert found(index_of(tmp_path), QUERY) == []
    assert len(index_of(tmp_path)) == 0


def test_emptied_index_finds_nothing_and_can_be_filled_again(index):
    index.remove_documents(list(DOCUMENTS))
    assert (found(index, QUERY), len(index)) == ([], 0)

    index.add_documents(["a"], [array([[2, 2]])])

    assert found(index, QUERY) == [("a", 4.0)]


def test_empty_subset_finds_nothing(index):
    assert found(index, QUERY, subset=[]) == []


def test_unknown_ids_in_a_subset_are_passed_over(index):
    assert found(index, QUERY, subset=iter(["nobody", "a"])) == [("a", 1.0)]


def test_one_string_as_subset_is_refused(index):
    with pytest.raises(InvalidInput, match="subset is a list of document ids, got the one string 'ab'"):
        found(index, QUERY, subset="ab")


def test_removed_document_is_never_found_and_its_id_may_come_back(index):
    index.remove_documents(["b"])
    assert "b" not in dict(found(index, QUERY, k=100))
    assert found(index, QUERY, subset=["b"]) == []

    index.add_documents(["b"], [array([[-2, -2]])])

    assert dict(found(index, QUERY, k=100))["b"] == -4.0


def test_updated_document_is_found_by_its_new_embeddings(index):
    index.update_documents(["a", "new"], [array([[2, 2]]), array([[1, 1]])])

    assert found(index, QUERY, k=2) == [("a", 4.0), ("b", 2.0)]
    assert len(index) == 5


@pytest.mark.parametrize("call", ["add_documents", "update_documents"])
def test_adding_nothing_changes_nothing_even_in_a_new_index(tmp_path, call):
    index = index_of(tmp_path)
    getattr(index, call)([], [])

    index.add_documents(["a"], [array([[1, 0]])])
    getattr(index, call)([], [])

    assert found(index, [[1, 0]]) == [("a", 1.0)]


def test_document_without_tokens_comes_last(tmp_path):
    index = index_of(tmp_path, {"a": [], "b": [[-2, -2]]})

    assert found(index, QUERY) == [("b", -4.0), ("a", -np.inf)]


def test_override_begins_anew(tmp_path, index):
    again = index_of(tmp_path, {"z": [[1, 1]]}, override=True)

    assert [one for one, _ in found(again, QUERY)] == ["z"]


def test_open_index_keeps_its_generation_until_it_writes(tmp_path, index):
    other = index_of(tmp_path)
    other.remove_documents(["a"])
    assert len(index) == 4

    index.remove_documents(["b"])

    assert len(index) == 2


@pytest.mark.parametrize(
    ("given_ids", "message"),
    [
        (["x", "x"], "the document id 'x' is there already; ids must be unique"),
        (["x", "a"], "the document id 'a' is there already"),
        (["x", 7], r"document ids are strings in an index, got 7 \(int\)"),
        (["x", ""], "a document id may not be empty"),
        (["x", None], "document ids are strings"),
        (["x", "\ud800"], "is not valid Unicode"),
        (["x"], "every document needs its embeddings: got 1 ids and 2 documents"),
        ("xy", "must be a list of strings, got the one string 'xy'"),
    ],
)
def test_bad_ids_are_refused_and_nothing_is_added(index, given_ids, message):
    with pytest.raises(InvalidInput, match=message):
        index.add_documents(given_ids, [array([[1, 0]])] * 2)
    assert len(index) == 4
    assert found(index, QUERY, k=9) == oracles.ranking(QUERY, DOCUMENTS, 9)


def test_ids_in_any_script_come_back(tmp_path):
    names = ["漢字", "🙂", "a b\n", "e\u0301", "é", "x" * 5000, "../..", "\0"]
    index_of(tmp_path, {one: [[1, 0]] for one in names})

    assert [one for one, _ in found(index_of(tmp_path), [[1, 0]])] == sorted(names)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (["a", "x"], "1 of the 2 ids are not in the index, the first is 'x'"),
        ("a", "given as a list of strings"),
        ([5], "given as a list of strings"),
    ],
)
def test_removing_what_is_not_there_is_refused_and_removes_nothing(index, gone, message):
    with pytest.raises(InvalidInput, match=message):
        index.remove_documents(gone)
    assert len(index) == 4


def test_document_of_another_dim_is_refused(index):
    with pytest.raises(InvalidInput, match=r"dim 2, got 3\. Another model"):
        index.add_documents(["x"], [np.ones((1, 3), dtype=np.float32)])
    assert len(index) == 4


def test_query_of_another_dim_is_refused(index):
    with pytest.raises(InvalidInput, match=r"dim 2, the query's have 3\. Encode it with the model"):
        index([np.ones((1, 3), dtype=np.float32)])


@pytest.mark.parametrize("wrong", ["text", {"a": 1}])
def test_texts_in_place_of_embeddings_are_refused(index, wrong):
    with pytest.raises(InvalidInput, match="token embeddings must be a list of arrays"):
        index(wrong)


@pytest.mark.parametrize("query", [array(QUERY), torch.tensor(QUERY).float(), [array(QUERY)], torch.ones(1, 2, 2)])
def test_one_query_may_come_in_any_form(index, query):
    assert len(index(query, k=1)) == 1


def test_busy_folder_is_refused_and_read_meanwhile(tmp_path, index):
    with Commit(tmp_path / "test"), pytest.raises(FolderBusy, match="is being written to"):
        index.remove_documents(["a"])
    assert len(index) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"engine": "plaid"}, "index of the kind 'plaid', not 'exact'"),
        ({"dim": "2"}, "index section is damaged"),
        ({"segments": [5]}, "index section is damaged"),
        ({"segments": ["segments/0009"]}, r"does not name 'segments/0009/embeddings\.npy'"),
        ({"tombstones": 5}, "index section is damaged"),
        ({"tombstones": "segments/0001/ids.npy"}, "must be 1-dimensional bool"),
        ({"num_rows": 3}, "different numbers of rows"),
        ({"dim": 3}, "segments/0001 is damaged"),
    ],
)
def test_section_that_contradicts_the_files_is_refused(tmp_path, index, change, message):
    with Commit(tmp_path / "test") as commit:
        commit.sections["index"] = {**commit.sections["index"], **change}

    with pytest.raises(InvalidFolder, match=message):
        index_of(tmp_path)


@pytest.mark.parametrize("name", ["document_offsets", "id_offsets"])
def test_offsets_out_of_order_are_refused(tmp_path, index, name):
    path = tmp_path / "test/segments/0001" / f"{name}.npy"
    offsets = np.load(path)
    np.save(path, offsets[::-1].copy())

    with pytest.raises(InvalidFolder, match=r"damaged\. Build or download the index again"):
        index_of(tmp_path)
