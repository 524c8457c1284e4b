"""Ids become texts when a batch is read."""

import pytest
from datasets import Dataset, DatasetDict

from colbert_kit import utils
from colbert_kit.errors import InvalidConfig, InvalidData

DOCUMENTS = [{"document_id": number, "text": f"document {number}"} for number in (6862419, 335116, 339186)]
QUERIES = [{"query_id": 749480, "text": "example query"}]
ROW = {"query_id": 749480, "document_ids": [6862419, 335116, 339186], "scores": [0.25, 0.75, 0.96]}


def test_a_row_has_the_texts_of_its_ids_and_the_scores():
    train = Dataset.from_list([ROW])
    processing = utils.KDProcessing(queries=Dataset.from_list(QUERIES), documents=Dataset.from_list(DOCUMENTS))
    train.set_transform(processing.transform)
    assert train[0] == {
        "query": "example query",
        "document_1": "document 6862419",
        "document_2": "document 335116",
        "document_3": "document 339186",
        "scores": [0.25, 0.75, 0.96],
    }


@pytest.mark.parametrize("kind", [int, str])
def test_ids_may_be_numbers_or_strings_and_sets_may_have_splits(kind):
    documents = Dataset.from_list([{**one, "document_id": kind(one["document_id"])} for one in DOCUMENTS])
    queries = Dataset.from_list([{**one, "query_id": kind(one["query_id"])} for one in QUERIES])
    row = ROW | {"query_id": kind(ROW["query_id"]), "document_ids": [kind(one) for one in ROW["document_ids"]]}
    train = DatasetDict({"train": Dataset.from_list([row])})
    processing = utils.KDProcessing(DatasetDict({"train": queries}), DatasetDict({"train": documents}), n_ways=2)
    train.set_transform(processing.transform)
    assert train["train"][0] == {
        "query": "example query",
        "document_1": "document 6862419",
        "document_2": "document 335116",
        "scores": [0.25, 0.75],
    }


def test_an_id_that_is_not_there_is_named():
    train = Dataset.from_list([ROW | {"query_id": 54528}])
    train.set_transform(utils.KDProcessing(Dataset.from_list(QUERIES), Dataset.from_list(DOCUMENTS)).transform)
    with pytest.raises(InvalidData, match=r"ID 54528 from input column 'query_id' was not found"):
        train[0]


def test_a_split_that_is_not_there_is_refused_with_those_there_are():
    queries = DatasetDict({"test": Dataset.from_list(QUERIES)})
    with pytest.raises(InvalidConfig, match="there is no split 'train'; there are test"):
        utils.KDProcessing(queries, Dataset.from_list(DOCUMENTS))


def test_one_way_is_refused():
    with pytest.raises(InvalidConfig, match="n_ways must be 2 or more"):
        utils.KDProcessing(Dataset.from_list(QUERIES), Dataset.from_list(DOCUMENTS), n_ways=1)
