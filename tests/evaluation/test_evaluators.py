import numpy as np
import pytest
from datasets import Dataset

from colbert_kit import evaluation
from colbert_kit.errors import InvalidInput
from tests import oracles

ROWS = Dataset.from_list(
    [
        {"query": "the old song", "positive": "the song of the river", "negative": "rain"},
        {"query": "train", "positive": "music", "negative": "a night train"},
        {"query": "rain", "positive": "the rain on the mountain", "negative": "the old song"},
    ]
)


def test_triplets_come_as_columns_or_lists_and_count_as_the_oracle(tiny_model):
    def score(query, document):
        [query], [document] = tiny_model.encode_query([query]), tiny_model.encode_document([document])
        return oracles.maxsim(query.tolist(), document.tolist())

    wins = [score(row["query"], row["positive"]) > score(row["query"], row["negative"]) for row in ROWS]
    for rows in (ROWS, {name: list(ROWS[name]) for name in ROWS.column_names}):
        evaluator = evaluation.ColBERTTripletEvaluator(
            anchors=rows["query"], positives=rows["positive"], negatives=rows["negative"], write_csv=False
        )
        assert evaluator(tiny_model)["maxsim_accuracy"] == pytest.approx(np.mean(wins))


def test_distillation_is_zero_where_the_teacher_is_the_model(tiny_model):
    documents = [["song", "rain", "city"], ["train", "river", "music"]]
    queries = ["the old song", "a night train"]
    embedded = [tiny_model.encode_document(one) for one in documents]
    scores = [
        [oracles.maxsim(query.tolist(), one.tolist()) for one in group]
        for query, group in zip(tiny_model.encode_query(queries), embedded, strict=True)
    ]
    found = evaluation.ColBERTDistillationEvaluator(queries, documents, scores, write_csv=False)(tiny_model)
    assert min(abs(value) for name, value in found.items() if "kl" in name.lower()) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("columns", [(["a"], ["b"], []), ([], [], [])])
def test_columns_of_other_lengths_are_refused(columns):
    with pytest.raises(InvalidInput, match="as many of each, and one at least"):
        evaluation.ColBERTTripletEvaluator(*columns)
    with pytest.raises(InvalidInput, match="as many of each, and one at least"):
        evaluation.ColBERTDistillationEvaluator(*columns)


def test_rows_of_differing_numbers_of_documents_are_refused_by_number():
    with pytest.raises(InvalidInput, match="row 1 has 1 and 1, the first one 2 documents"):
        evaluation.ColBERTDistillationEvaluator(["a", "b"], [["c", "d"], ["e"]], [[1.0, 2.0], [1.0]])
