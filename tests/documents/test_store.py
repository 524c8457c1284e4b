import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colbert_kit.documents import Documents, stage_documents
from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, Snapshot


def add(folder, *documents):
    with Commit(folder) as commit:
        stage_documents(commit, list(documents))
    return Documents(Snapshot.open(folder, verify=True))


def document(number, **metadata):
    return {"id": str(number), "text": f"text {number}", **metadata}


def test_documents_come_back_row_by_row(tmp_path):
    given = [
        {**document(number, year=number, topic=None if number % 2 else "t"), "text": f"{number} " * 900}
        for number in range(100)
    ]

    documents = add(tmp_path, *given)

    assert len(documents) == len(given)
    for row in (99, 0, 1, 20, 21, 50):
        assert documents.get(row) == {name: value for name, value in given[row].items() if value is not None}


def test_rows_go_on_over_files(tmp_path):
    add(tmp_path, document(0), document(1))

    documents = add(tmp_path, document(2))

    assert [documents.get(row)["id"] for row in range(3)] == ["0", "1", "2"]
    assert documents.ids.to_pylist() == ["0", "1", "2"]


@pytest.mark.parametrize("row", [-1, 1])
def test_row_that_is_not_there_is_refused(tmp_path, row):
    with pytest.raises(InvalidInput, match=f"row must be between 0 and 0, got {row}"):
        add(tmp_path, document(0)).get(row)


def test_added_column_is_null_before(tmp_path):
    add(tmp_path, document(0))

    documents = add(tmp_path, document(1, year=2020))

    assert documents.metadata_columns == ["id", "year"]
    assert documents.matching([("year", "!=", 5)]).tolist() == [False, True]
    assert "year" not in documents.get(0)


def test_whole_numbers_widen_to_floats_in_either_order(tmp_path):
    for name, values in {"up": [1, 2.5], "down": [1.5, 2]}.items():
        for row, value in enumerate(values):
            documents = add(tmp_path / name, document(row, price=value))
        assert documents.matching([("price", ">=", 2)]).tolist() == [False, True]


def test_nulls_first_take_any_type_later(tmp_path):
    add(tmp_path, document(0, topic=None))

    assert add(tmp_path, document(1, topic="t")).matching([("topic", "=", "t")]).tolist() == [False, True]


def test_nulls_later_keep_the_type(tmp_path):
    add(tmp_path, document(0, topic="t"))

    assert add(tmp_path, document(1, topic=None)).matching([("topic", "=", "t")]).tolist() == [True, False]


def test_change_of_type_is_refused_and_changes_nothing(tmp_path):
    add(tmp_path, document(0, year=2020))

    with pytest.raises(InvalidInput, match="metadata column 'year' holds whole numbers in this index, got texts"):
        add(tmp_path, document(1, year="2021"))
    assert len(Documents(Snapshot.open(tmp_path))) == 1


@pytest.mark.parametrize(("first", "second"), [(2**60 + 1, 1.5), (1.5, 2**60 + 1)])
def test_widening_that_would_lose_digits_is_refused_and_the_folder_stays_readable(tmp_path, first, second):
    add(tmp_path, document(0, size=first))

    with pytest.raises(InvalidInput, match="would lose digits"):
        add(tmp_path, document(1, size=second))
    assert Documents(Snapshot.open(tmp_path)).get(0)["size"] == first


def test_metadata_that_parquet_cannot_hold_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be written as Parquet"):
        add(tmp_path, document(0, empty={}))


def test_nested_metadata_come_back(tmp_path):
    documents = add(tmp_path, document(0, tags=["a", "b"], place={"city": "x"}))

    assert documents.get(0) == document(0, tags=["a", "b"], place={"city": "x"})


def test_no_documents_can_be_opened(tmp_path):
    with Commit(tmp_path) as commit:
        commit.sections["documents"] = {"files": []}

    documents = Documents(Snapshot.open(tmp_path))

    assert (len(documents), documents.metadata_columns, documents.ids.to_pylist()) == (0, [], [])


@pytest.mark.parametrize("files", [None, "a", [5]])
def test_damaged_section_is_refused(tmp_path, files):
    with Commit(tmp_path) as commit:
        commit.sections["documents"] = {"files": files}

    with pytest.raises(InvalidFolder, match="documents section is damaged"):
        Documents(Snapshot.open(tmp_path))


def write(folder, name, table):
    with Commit(folder) as commit, commit.writing(name) as file:
        if isinstance(table, bytes):
            file.write(table)
        else:
            pq.write_table(table, file)
        commit.sections["documents"] = {"files": [*commit.sections.get("documents", {}).get("files", []), name]}


def test_file_that_is_no_parquet_is_refused(tmp_path):
    write(tmp_path, "documents/0001.parquet", b"nothing of the kind")

    with pytest.raises(InvalidFolder, match=r"0001\.parquet is not a Parquet file"):
        Documents(Snapshot.open(tmp_path))


def test_parquet_without_texts_is_refused(tmp_path):
    write(tmp_path, "documents/0001.parquet", pa.table({"id": ["a"], "text": [5]}))

    with pytest.raises(InvalidFolder, match="must have the string columns id and text"):
        Documents(Snapshot.open(tmp_path))


def test_files_that_contradict_each_other_are_refused(tmp_path):
    write(tmp_path, "documents/0001.parquet", pa.table({"id": ["a"], "text": ["a"], "year": [1]}))
    write(tmp_path, "documents/0002.parquet", pa.table({"id": ["b"], "text": ["b"], "year": ["x"]}))

    with pytest.raises(InvalidFolder, match="files contradict each other: the metadata column 'year'"):
        Documents(Snapshot.open(tmp_path))


def test_changed_bytes_are_read_or_refused_and_nothing_else(tmp_path):
    add(tmp_path, *[document(number, year=number) for number in range(40)])
    path = tmp_path / "documents/0001.parquet"
    raw = path.read_bytes()
    refused = 0
    for position in range(0, len(raw), max(1, len(raw) // 150)):
        path.write_bytes(raw[:position] + bytes([raw[position] ^ 0x55]) + raw[position + 1 :])
        try:
            documents = Documents(Snapshot.open(tmp_path))
            [documents.get(row) for row in range(len(documents))]
        except InvalidFolder:
            refused += 1
    assert refused > 10
