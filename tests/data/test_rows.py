import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colbert_kit.data.rows import read_rows
from colbert_kit.errors import InvalidData


def rows(path):
    return [row for row, _ in read_rows(path)]


def written(tmp_path, name, text):
    raw = text.encode() if isinstance(text, str) else text
    path = tmp_path / name
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


EXPECTED = [{"id": "1", "text": "one, two"}, {"id": "2", "text": "ä\nb"}]


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".jsonl", '{"id": "1", "text": "one, two"}\n\n{"id": "2", "text": "ä\\nb"}'),
        (".csv", 'id,text\n1,"one, two"\n2,"ä\nb"\n'),
        (".tsv", 'id\ttext\n1\tone, two\n2\t"ä\nb"\n'),
        (".csv", 'id,text\r\n1,"one, two"\r\n2,"ä\nb"\r\n'),
    ],
)
def test_rows_are_the_same_from_every_kind_of_text_file(tmp_path, suffix, text, gz, mark):
    assert rows(written(tmp_path, f"corpus{suffix}{gz}", mark + text)) == EXPECTED


def test_parquet_rows_are_read_with_their_places(tmp_path):
    pq.write_table(pa.Table.from_pylist(EXPECTED), tmp_path / "c.parquet")

    places = ["c.parquet, row 1", "c.parquet, row 2"]
    assert list(read_rows(tmp_path / "c.parquet")) == list(zip(EXPECTED, places, strict=True))


def test_place_counts_the_lines_of_the_file(tmp_path):
    path = written(tmp_path, "c.jsonl", '{"a": 1}\n\n{"a": 2}\n')

    assert [place for _, place in read_rows(path)] == ["c.jsonl, line 1", "c.jsonl, line 3"]


@pytest.mark.parametrize("separator", ["\u2028", "\x85"])
def test_only_line_feeds_end_a_row(tmp_path, separator):
    assert rows(written(tmp_path, "c.jsonl", f'{{"a": "x{separator}y"}}\n')) == [{"a": f"x{separator}y"}]


def test_field_longer_than_the_csv_modules_limit_is_read(tmp_path):
    assert len(rows(written(tmp_path, "c.csv", f"text\n{'x' * 200_000}\n"))[0]["text"]) == 200_000


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("c.jsonl", '{"a": 1}\n{"a": \n', r"c\.jsonl, line 2: not a JSON object a line"),
        ("c.jsonl", '{"a": 1}\n[1]\n', r"c\.jsonl, line 2: expected a JSON object, got list"),
        ("c.jsonl.gz", "nonsense", r"c\.jsonl\.gz, line 1: not a JSON object"),
        ("c.jsonl", "[" * 100_000, r"c\.jsonl, line 1: not a JSON object"),
        ("c.csv", "a,b\n1,2\n1,2,3\n", r"c\.csv, line 3: more fields than the header"),
        ("c.csv", 'a,b\n1,2\n"1"x,2\n', r"c\.csv, line 3: "),
        ("c.csv", 'a,b\n"1,2\n', r"c\.csv, line 2: unexpected end of data"),
        ("c.jsonl", b'{"a": "\xff"}', r"c\.jsonl cannot be read: .*utf-8"),
        ("c.parquet", b"PAR1 nothing", r"c\.parquet cannot be read"),
        ("c.parquet", b"", r"c\.parquet cannot be read"),
        ("c.xml", b"<a/>", r"c\.xml: rows are read from \.jsonl, .* not '\.xml'"),
    ],
)
def test_row_that_cannot_be_read_is_named_by_file_and_line(tmp_path, name, raw, message):
    with pytest.raises(InvalidData, match=message):
        rows(written(tmp_path, name, raw))


def cut(raw):
    return raw[:-12]


def flipped(raw):
    return raw[:40] + bytes([raw[40] ^ 0xFF]) + raw[41:]


def plain(raw):
    return gzip.decompress(raw)


@pytest.mark.parametrize("damage", [cut, flipped, plain])
def test_damaged_gzip_is_named(tmp_path, damage):
    raw = gzip.compress("".join(f'{{"a": "{number * 7919}"}}\n' for number in range(500)).encode())
    (tmp_path / "c.jsonl.gz").write_bytes(damage(raw))

    with pytest.raises(InvalidData, match=r"c\.jsonl\.gz"):
        rows(tmp_path / "c.jsonl.gz")
