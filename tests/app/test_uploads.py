"""What is brought to be indexed: read, limited, its columns found."""

import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colbert_kit.app import uploads
from colbert_kit.app.columns import detect_roles, look, preview
from colbert_kit.app.uploads import Roles, Source, documents_of, keep_files
from colbert_kit.errors import InvalidData, InvalidInput


def write(path, rows) -> Source:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Source(files=(str(path),))


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".csv", ".tsv", ".parquet"])
def test_every_kind_of_file_gives_the_same_documents(tmp_path, suffix):
    path = tmp_path / f"songs{suffix}"
    rows = [{"Key": "a", "headline": "Sea", "body": "the river", "year": "1999"}]
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix in (".csv", ".tsv"):
        comma = "," if suffix == ".csv" else "\t"
        path.write_text("\n".join(comma.join(cells) for cells in (rows[0], rows[0].values())))
    else:
        text = json.dumps(rows[0]).encode()
        path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    source = Source(files=(str(path),))
    roles = detect_roles(look(source))
    assert roles == Roles(id="Key", text="body", title="headline", metadata=("year",))
    assert preview(source, roles) == [{"id": "a", "text": "Sea the river", "title": "Sea", "year": "1999"}]


def test_numbers_of_a_csv_file_are_numbers_and_codes_stay_texts(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("id,text,year,price,code\n1,the sea,-44,2,007\n2,a river,,2.50,008\n")
    source = Source(files=(str(path),))
    looked = look(source)
    kinds = {name: column.kind for name, column in looked.columns.items()}
    assert kinds == {"id": "number", "text": "text", "year": "number", "price": "number", "code": "text"}
    roles = Roles("id", "text", metadata=("year", "price", "code"), numbers=("year", "price"))
    assert list(documents_of(source, roles)) == [
        {"id": "1", "text": "the sea", "year": -44, "price": 2, "code": "007"},
        {"id": "2", "text": "a river", "price": 2.5, "code": "008"},
    ]
    with pytest.raises(InvalidData, match="line 2: 'text' holds numbers, got 'the sea'"):
        list(documents_of(source, Roles("id", "code", metadata=("text",), numbers=("text",))))


def test_texts_are_documents_called_by_their_files(tmp_path):
    for name in ("one.txt", "two.md"):
        (tmp_path / name).write_text(f"this is {name}")
    source = Source(files=(str(tmp_path / "one.txt"), str(tmp_path / "two.md")))
    roles = detect_roles(look(source))
    assert preview(source, roles) == [
        {"id": "one.txt", "text": "this is one.txt"},
        {"id": "two.md", "text": "this is two.md"},
    ]


def test_without_a_usual_name_the_column_with_most_words_is_the_text_and_rows_are_numbered(tmp_path):
    source = write(tmp_path / "rows.jsonl", [{"tag": "x", "saying": "many more words than that", "stars": 3}])
    assert detect_roles(look(source)) == Roles(id=None, text="saying", metadata=("tag", "stars"))
    assert preview(source, Roles(None, "saying"))[0]["id"] == "0"


def test_what_a_hit_has_a_field_for_is_renamed(tmp_path):
    rows = [{"id": "1", "text": "t", "score": 5, "headline": "h", "title": "other"}]
    source = write(tmp_path / "rows.jsonl", rows)
    found = preview(source, Roles("id", "text", "headline", ("score", "title")))
    assert found == [{"id": "1", "text": "h t", "title": "h", "score_": 5, "title_": "other"}]


def test_documents_are_cut_into_passages(tmp_path):
    source = write(tmp_path / "rows.jsonl", [{"id": "a", "text": "1 2 3 4 5 6 7"}])
    assert [one["text"] for one in preview(source, Roles("id", "text"), 4)] == ["1 2 3 4", "4 5 6 7"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"id": 1, "text": "a"}', "{oops"], "rows.jsonl, line 2: not a JSON object"),
        (['{"id": 1, "text": "a"}', '{"id": 1, "text": "b"}'], "rows.jsonl, line 2: the id '1' comes twice"),
        (['{"id": 1, "text": "a"}', '{"id": "", "text": "b"}'], "rows.jsonl, line 2: 'id' is empty"),
        (['{"id": 1, "text": "a"}', '{"id": 2, "text": 7}'], "rows.jsonl, line 2: 'text' must be text, got int"),
        (['{"id": 1, "text": "a"}', '{"id": 2}'], "rows.jsonl, line 2: there is no column 'text'"),
        (['{"id": 1, "text": "a"}', '{"id": 2, "text": "\\ud800"}'], "rows.jsonl, line 2: 'text' is not valid Unicode"),
    ],
)
def test_an_error_names_the_line(tmp_path, lines, message):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(InvalidData, match=message):
        list(documents_of(Source(files=(str(path),)), Roles("id", "text")))


def test_there_is_a_limit_of_rows_of_bytes_and_of_what_is_unpacked(tmp_path, monkeypatch):
    source = write(tmp_path / "rows.jsonl", [{"text": "a"}, {"text": "b"}, {"text": "c"}])
    monkeypatch.setattr(uploads, "MAX_ROWS", 2)
    with pytest.raises(InvalidData, match=r"rows.jsonl, line 3: more than 2 rows"):
        look(source)
    monkeypatch.setattr(uploads, "MAX_BYTES", 10)
    with pytest.raises(InvalidInput, match="at most 0 MB can be uploaded"):
        keep_files(source.files, tmp_path / "uploads")
    monkeypatch.setattr(uploads, "MAX_BYTES", 10**6)
    monkeypatch.setattr(uploads, "MAX_UNPACKED_BYTES", 1000)
    bomb = tmp_path / "bomb.jsonl.gz"
    bomb.write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(InvalidData, match=r"bomb.jsonl.gz unpacks to more than"):
        keep_files([str(bomb)], tmp_path / "uploads")
    bomb.write_bytes(b"this is not packed")
    with pytest.raises(InvalidData, match=r"bomb.jsonl.gz cannot be read"):
        keep_files([str(bomb)], tmp_path / "uploads")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "there is nothing to read"),
        (("model.pkl",), "model.pkl cannot be read"),
        (("rows.zip",), "rows.zip cannot be read"),
        (("a.txt", "b.jsonl"), "not both at once"),
    ],
)
def test_only_what_can_be_read_is_kept(tmp_path, names, message):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(InvalidInput, match=message):
        keep_files([str(tmp_path / name) for name in names], tmp_path / "uploads")


def test_uploads_outlive_the_page_and_are_forgotten_after_two_days(tmp_path):
    home = tmp_path / "uploads"
    (tmp_path / "a.txt").write_text("the sea")
    (kept,) = keep_files([str(tmp_path / "a.txt")], home)
    (tmp_path / "a.txt").unlink()
    assert preview(Source(files=(kept,)), Roles("id", "text")) == [{"id": "a.txt", "text": "the sea"}]
    old = next(home.iterdir())
    os.utime(old, (0, 0))
    (tmp_path / "b.txt").write_text("the land")
    keep_files([str(tmp_path / "b.txt")], home)
    assert not old.exists()


def test_a_file_without_texts_or_without_rows_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no column holds texts; the columns are a, b"):
        detect_roles(look(write(tmp_path / "rows.jsonl", [{"a": 1, "b": [2]}])))
    with pytest.raises(InvalidData, match="there are no rows"):
        look(write(tmp_path / "rows.jsonl", []))
