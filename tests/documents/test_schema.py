import pyarrow as pa
import pytest

from colbert_kit.documents import check_document
from colbert_kit.documents.schema import merge_schemas, table_of
from colbert_kit.errors import InvalidInput


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("text", "document must be a mapping .* got str at position 3"),
        ({"id": "a"}, "document 3 must have the string 'text', got NoneType; it has the fields 'id'"),
        ({"text": "a"}, "document 3 must have the string 'id', got NoneType"),
        ({"id": 7, "text": "a"}, "document 3 must have the string 'id', got int"),
        ({"id": "", "text": "a"}, "document 3 has an empty id"),
        ({"id": "a", "text": " \n"}, "document 'a' has an empty text"),
        ({"id": "a", "text": "\ud800"}, "text of document 'a' is not valid Unicode"),
        ({"id": "a", "text": "b", "score": 1, "rank": 2}, "metadata may not be called rank, score"),
        ({"id": "a", "text": "b", 5: 1}, "document 'a' has metadata called 5"),
    ],
)
def test_documents_that_are_not_well_formed_are_refused(document, message):
    with pytest.raises(InvalidInput, match=message):
        check_document(document, 3)


def test_missing_metadata_are_null():
    table = table_of([{"id": "a", "text": "x", "year": 1}, {"id": "b", "text": "y", "topic": "t"}])

    assert table.column_names == ["id", "text", "year", "topic"]
    assert table.to_pylist()[1] == {"id": "b", "text": "y", "year": None, "topic": "t"}


@pytest.mark.parametrize("values", [[1, "a"], [object()], [2**70], [[1], 2], ["\ud800"]])
def test_values_without_a_common_type_are_refused_by_column(values):
    with pytest.raises(InvalidInput, match="the values of 'field' cannot share a column"):
        table_of([{"id": str(row), "text": "x", "field": value} for row, value in enumerate(values)])


@pytest.mark.parametrize(
    ("old", "new", "merged"),
    [
        (pa.int64(), pa.int64(), pa.int64()),
        (pa.int64(), pa.float64(), pa.float64()),
        (pa.float64(), pa.int64(), pa.float64()),
        (pa.null(), pa.string(), pa.string()),
        (pa.string(), pa.null(), pa.string()),
    ],
)
def test_types_widen_where_nothing_is_lost(old, new, merged):
    assert merge_schemas(pa.schema([("a", old)]), pa.schema([("a", new)])).field("a").type == merged


def test_columns_of_both_are_kept():
    merged = merge_schemas(pa.schema([("a", pa.int64())]), pa.schema([("b", pa.string())]))

    assert merged.names == ["a", "b"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (pa.int64(), pa.string(), "whole numbers in this index, got texts"),
        (pa.string(), pa.int64(), "texts in this index, got whole numbers"),
        (pa.bool_(), pa.float64(), "true or false in this index, got numbers"),
        (pa.date32(), pa.list_(pa.string()), r"date32\[day\] in this index, got lists"),
    ],
)
def test_other_changes_of_type_are_refused_by_column(old, new, words):
    with pytest.raises(InvalidInput, match=f"metadata column 'a' holds {words}"):
        merge_schemas(pa.schema([("a", old)]), pa.schema([("a", new)]))
