"""TREC's files of runs and judgements."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbert_kit.data import read_qrels, read_run, write_qrels, write_run
from colbert_kit.errors import InvalidData, InvalidInput

words = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(run=st.dictionaries(words, st.dictionaries(words, numbers, min_size=1), max_size=5))
def test_a_run_comes_back_to_the_bit(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "a.run"
    write_run(run, path)

    assert read_run(path) == run


@given(qrels=st.dictionaries(words, st.dictionaries(words, st.integers(-3, 5), min_size=1), max_size=5))
def test_judgements_come_back(qrels, tmp_path_factory):
    path = tmp_path_factory.mktemp("qrels") / "test.qrels"
    write_qrels(qrels, path)

    assert read_qrels(path) == qrels


def test_a_run_is_written_as_trec_eval_reads_it(tmp_path):
    write_run({"q1": {"b": 1.5, "c": 2.0, "a": 1.5}}, tmp_path / "one.run", tag="mine")

    assert (tmp_path / "one.run").read_text() == "q1 Q0 c 1 2.0 mine\nq1 Q0 a 2 1.5 mine\nq1 Q0 b 3 1.5 mine\n"


def test_gzipped_files_are_written_and_read(tmp_path):
    write_run({"q": {"a": 1.0}}, tmp_path / "one.run.gz")
    write_qrels({"q": {"a": 1}}, tmp_path / "one.qrels.gz")

    assert gzip.decompress((tmp_path / "one.run.gz").read_bytes()) == b"q Q0 a 1 1.0 colbert_kit\n"
    assert (read_run(tmp_path / "one.run.gz"), read_qrels(tmp_path / "one.qrels.gz")) == (
        {"q": {"a": 1.0}},
        {"q": {"a": 1}},
    )


def test_judgements_of_beir_are_read_from_a_file_too(tmp_path):
    (tmp_path / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\nq\tb\t-1\n")

    assert read_qrels(tmp_path / "test.tsv") == {"q": {"a": 1, "b": -1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q Q0 a 1 2.0\n", r"one.run, line 1: expected 6 fields \(query Q0 document rank score tag\), got 5"),
        ("q Q0 a 1 2.0 t\nq Q0 a 2 1.0 t\n", "line 2: the document 'a' comes twice for the query 'q'"),
        ("q Q0 a 1 nan t\n", "line 1: a score must be a finite number, got 'nan'"),
        ("q Q0 a 1 high t\n", "line 1: a score must be a finite number, got 'high'"),
    ],
)
def test_a_damaged_run_says_which_line(tmp_path, text, message):
    (tmp_path / "one.run").write_text(text)
    with pytest.raises(InvalidData, match=message):
        read_run(tmp_path / "one.run")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q 0 a\n", "line 1: expected 4 fields"),
        ("q 0 a 1\nq 0 a 0\n", "line 2: the document 'a' is judged twice"),
        ("q 0 a 0.5\n", "line 1: relevance must be a whole number, got '0.5'"),
    ],
)
def test_damaged_judgements_say_which_line(tmp_path, text, message):
    (tmp_path / "one.qrels").write_text(text)
    with pytest.raises(InvalidData, match=message):
        read_qrels(tmp_path / "one.qrels")


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    (tmp_path / "bad.run").write_bytes(b"\xff\xfe\x00\x80")
    (tmp_path / "bad.run.gz").write_bytes(b"not gzip")
    for name in ("none.run", "none.tsv"):
        with pytest.raises(InvalidInput, match="there is no file"):
            (read_run if name.endswith("run") else read_qrels)(tmp_path / name)
    for name in ("bad.run", "bad.run.gz"):
        with pytest.raises(InvalidData, match=f"{name} cannot be read"):
            read_run(tmp_path / name)


@pytest.mark.parametrize(
    "run", [{"a query": {"d": 1.0}}, {"q": {"d 1": 1.0}}, {"q": {"": 1.0}}, {"q": {"d": float("inf")}}]
)
def test_a_run_that_could_not_be_read_back_is_not_written(tmp_path, run):
    (tmp_path / "one.run").write_text("before")
    with pytest.raises(InvalidInput):
        write_run(run, tmp_path / "one.run")

    assert [path.name for path in tmp_path.iterdir()] == ["one.run"]
    assert (tmp_path / "one.run").read_text() == "before"
