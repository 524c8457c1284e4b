import gzip

import pytest

from colbert_kit.data import is_beir_folder, read_corpus, read_demo_corpus, read_qrels, read_queries
from colbert_kit.errors import InvalidData, InvalidInput


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(b'{"_id": "d1", "title": "T", "text": "x"}\n'))
    (tmp_path / "queries.jsonl").write_text('{"_id": 1, "text": "who?"}\n{"_id": "q2", "text": "why?"}\n')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n1\td1\t2\nq2\td1\t0\nq2\td2\t1\n")
    return tmp_path


def test_beir_folder_is_read(folder):
    assert is_beir_folder(folder)
    assert [one["text"] for one in read_corpus(folder)] == ["T x"]
    assert read_queries(folder) == {"1": "who?", "q2": "why?"}
    assert read_qrels(folder) == {"1": {"d1": 2}, "q2": {"d1": 0, "d2": 1}}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("queries.txt", "who?\n\n why? \n", {"0": "who?", "1": " why? "}),
        ("queries.jsonl", '{"id": "a", "query": "who?"}\n{"_id": 2, "text": "why?"}\n', {"a": "who?", "2": "why?"}),
        ("queries.csv", "query\nwho?\nwhy?\n", {"0": "who?", "1": "why?"}),
        ("queries.tsv", "id\ttext\n7\twho?\n", {"7": "who?"}),
    ],
)
def test_queries_are_read_from_files_of_rows_or_lines(tmp_path, name, content, expected):
    (tmp_path / name).write_text(content)

    assert read_queries(tmp_path / name) == expected


def test_queries_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"there is no file or folder .*absent\.jsonl"):
        read_queries(tmp_path / "absent.jsonl")
    (tmp_path / "q.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n')
    with pytest.raises(InvalidData, match=r"q\.jsonl, line 2: the query id 'a' is there already"):
        read_queries(tmp_path / "q.jsonl")
    (tmp_path / "q.csv").write_text("id,words\n1,x\n")
    with pytest.raises(InvalidData, match=r"q\.csv, line 2: a query needs '_id' and 'text'; it has id, words"):
        read_queries(tmp_path / "q.csv")
    (tmp_path / "q.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidData, match=r"q\.txt is not UTF-8 text"):
        read_queries(tmp_path / "q.txt")


def test_folder_without_corpus_is_no_beir_folder(tmp_path):
    assert not is_beir_folder(tmp_path)


def test_missing_split_is_named(folder):
    with pytest.raises(InvalidInput, match=r"qrels has neither dev\.tsv nor dev\.tsv\.gz"):
        read_qrels(folder, "dev")


def test_query_without_text_is_named_by_file_and_line(folder):
    (folder / "queries.jsonl").write_text('{"_id": "1", "text": "a"}\n{"_id": "2"}\n')

    with pytest.raises(InvalidData, match=r"queries\.jsonl, line 2: a query needs '_id' and 'text'; it has _id"):
        read_queries(folder)


@pytest.mark.parametrize("line", ["1\td1\t1.5", "1\td1", "1\td1\tx"])
def test_judgement_that_is_no_whole_number_is_named_by_file_and_line(folder, line):
    (folder / "qrels/test.tsv").write_text(f"query-id\tcorpus-id\tscore\n1\td1\t1\n{line}\n")

    with pytest.raises(InvalidData, match=r"test\.tsv, line 3: expected query-id, corpus-id and a whole score"):
        read_qrels(folder)


def test_qrels_without_a_header_are_refused(folder):
    (folder / "qrels/test.tsv").write_text("1\td1\t1\n1\td2\t1\n")

    with pytest.raises(InvalidData, match=r"test\.tsv, line 2: expected query-id"):
        read_qrels(folder)


@pytest.mark.parametrize("name", ["scifact", "cosqa"])
def test_shared_collections_are_read_whole(shared_data, name):
    folder = shared_data / "collections" / name

    ids = {one["id"] for one in read_corpus(folder)}
    queries, qrels = read_queries(folder), read_qrels(folder)

    assert len(ids) > 5000
    assert set(qrels) <= set(queries)
    assert {one for judged in qrels.values() for one in judged} <= ids


def test_demo_corpus_is_scifact(shared_data):
    ours = {one["id"]: one["text"] for one in read_demo_corpus()}

    assert ours == {one["id"]: one["text"] for one in read_corpus(shared_data / "collections" / "scifact")}
