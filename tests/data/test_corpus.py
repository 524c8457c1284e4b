import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colbert_kit.data import corpus, read_corpus
from colbert_kit.documents import RESERVED_COLUMNS, check_document
from colbert_kit.errors import ColbertKitError, InvalidData, InvalidInput


def jsonl(tmp_path, *rows):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_title_goes_before_the_text_and_stays_metadata(tmp_path):
    path = jsonl(tmp_path, {"_id": "7", "title": "Mice", "text": "They run.", "year": 2020})

    assert list(read_corpus(path)) == [{"id": "7", "text": "Mice They run.", "title": "Mice", "year": 2020}]


def test_rows_without_ids_get_their_numbers_and_empty_texts_are_left_out(tmp_path):
    path = jsonl(tmp_path, {"text": "a"}, {"text": " "}, {"text": None}, {"text": "b"})

    assert list(read_corpus(path)) == [{"id": "0", "text": "a"}, {"id": "3", "text": "b"}]


def test_columns_can_be_named(tmp_path):
    path = jsonl(tmp_path, {"key": 5, "body_text": "a", "id": "other", "text": "not this"})

    assert list(read_corpus(path, id_column="key", text_column="body_text")) == [{"id": "5", "text": "a"}]


def test_whole_numbers_as_ids_become_strings(tmp_path):
    pq.write_table(pa.table({"pid": [3, 4], "passage": ["a", "b"]}), tmp_path / "c.parquet")

    assert [one["id"] for one in read_corpus(tmp_path / "c.parquet")] == ["3", "4"]


@pytest.mark.parametrize("name", ["corpus.csv", "corpus.tsv"])
def test_tables_become_documents_without_their_empty_fields(tmp_path, name):
    separator = "\t" if name.endswith("tsv") else ","
    (tmp_path / name).write_text("id,text,topic\n1,hello,\n2,there,x\n".replace(",", separator))

    expected = [{"id": "1", "text": "hello"}, {"id": "2", "text": "there", "topic": "x"}]
    assert list(read_corpus(tmp_path / name)) == expected


def test_folder_of_texts_is_read_in_order_of_names(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.md").write_text("# B\n", encoding="utf-8")
    (tmp_path / "c.TXT").write_text("C")
    (tmp_path / "a.txt").write_text("  \n")
    (tmp_path / "image.png").write_bytes(b"\x89")

    assert list(read_corpus(tmp_path)) == [{"id": "c.TXT", "text": "C"}, {"id": "sub/b.md", "text": "# B"}]


def test_folder_with_a_corpus_file_is_read_as_beir(tmp_path):
    jsonl(tmp_path, {"_id": "1", "title": "", "text": "a"})
    (tmp_path / "notes.txt").write_text("not a document")

    assert list(read_corpus(tmp_path)) == [{"id": "1", "text": "a"}]


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        (
            {"id": "1", "txt": "a"},
            {},
            r"corpus\.jsonl, line 1: no text column; looked for text, contents",
        ),
        ({"id": "1", "text": 5}, {}, r"corpus\.jsonl, line 1: 'text' must be text, got int"),
        ({"id": "", "text": "a"}, {}, r"corpus\.jsonl, line 1: 'id' is empty"),
        ({"id": None, "text": "a"}, {}, r"corpus\.jsonl, line 1: 'id' is empty"),
        ({"id": "1", "text": "a"}, {"text_column": "b"}, r"line 1: there is no column 'b'; the columns are id, text"),
        ({"id": "1", "text": "a"}, {"id_column": "b"}, r"line 1: there is no column 'b'"),
    ],
)
def test_row_that_is_no_document_is_named_by_file_and_line(tmp_path, row, options, message):
    with pytest.raises(InvalidData, match=message):
        list(read_corpus(jsonl(tmp_path, row), **options))


def test_missing_text_column_says_how_to_name_it(tmp_path):
    with pytest.raises(InvalidData, match=r"among id, txt\. Name it with text_column \(--text-column\)"):
        list(read_corpus(jsonl(tmp_path, {"id": "1", "txt": "a"})))


def test_path_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(InvalidInput, match=r"there is no file or folder .*missing\.jsonl; check the path"):
        read_corpus(tmp_path / "missing.jsonl")


def test_folder_without_documents_says_what_it_expected(tmp_path):
    with pytest.raises(InvalidInput, match=r"holds no documents: expected \.txt or \.md files, or a BEIR folder"):
        list(read_corpus(tmp_path))


def test_single_text_file_is_refused_with_advice(tmp_path):
    (tmp_path / "a.txt").write_text("x")

    with pytest.raises(InvalidInput, match="is one text; give the folder it is in"):
        read_corpus(tmp_path / "a.txt")


def test_text_file_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")

    with pytest.raises(InvalidData, match=r"latin\.txt is not UTF-8 text"):
        list(read_corpus(tmp_path))


def test_hub_dataset_that_cannot_be_reached_is_one_of_our_errors():
    with pytest.raises(ColbertKitError, match="no-such-owner/no-such-dataset"):
        list(read_corpus("no-such-owner/no-such-dataset"))


def test_what_other_searches_print_and_what_beir_ships_can_be_read(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"_id": "a", "text": "one", "metadata": {}, "score": 0.5, "rank": 1}\n')
    [document] = read_corpus(path)
    assert document == {"id": "a", "text": "one", "score_": 0.5, "rank_": 1}
    check_document(document, 0)
    assert set(corpus.RESERVED) == RESERVED_COLUMNS - {"id", "text"}
