import pytest

from colbert_kit.errors import InvalidData
from colbert_kit.training.columns import text_columns, unfolded


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["query", "positive", "negative"], ["query", "positive", "negative"]),
        (["negative", "positive", "anchor"], ["anchor", "positive", "negative"]),
        (["question", "answer"], ["question", "answer"]),
        (["answer", "question"], ["question", "answer"]),
        (["query", "negative_10", "negative_2", "positive"], ["query", "positive", "negative_2", "negative_10"]),
        (["query", "document_2", "document_1", "scores"], ["query", "document_1", "document_2"]),
        (["left", "right", "label"], ["left", "right"]),
        (["query", "negative", "negative_1", "positive"], ["query", "positive", "negative", "negative_1"]),
        (["subquery_text", "text"], ["subquery_text", "text"]),
        (["text", "subquery_text"], ["text", "subquery_text"]),
        (["dataset_name", "query", "positive"], ["query", "positive"]),
    ],
)  # fmt: skip
def test_columns_come_in_the_order_that_losses_want(names, expected):
    assert text_columns(names) == expected


def test_a_mapping_says_which_column_is_the_query():
    assert text_columns(["french", "english"], {"english": "query"}) == ["english", "french"]
    assert text_columns(["query", "text"], {"query": "document", "text": "query"}) == ["text", "query"]


@pytest.mark.parametrize("names", [["query", "anchor", "positive"], ["question", "query"]])
def test_two_columns_of_queries_are_refused_by_name(names):
    with pytest.raises(InvalidData, match="are all queries; a loss takes one"):
        text_columns(names)


@pytest.mark.parametrize("names", [[], ["query"], ["scores"], ["query", "label"]])
def test_a_set_without_documents_is_refused(names):
    with pytest.raises(InvalidData, match="needs a column of queries and one of documents"):
        text_columns(names)


def test_lists_become_columns_and_ids_are_left_out():
    row = {
        "id": 1,
        "query_id": "a",
        "document_ids": [1, 2],
        "query": "q",
        "negatives": ["x", "y"],
        "video_idea": "kept",
    }
    assert unfolded(row) == {"query": "q", "negative_1": "x", "negative_2": "y", "video_idea": "kept"}
