"""Batches are what ``encode_query`` and ``encode_document`` would make of the texts."""

from types import SimpleNamespace

import pytest
import torch
from sentence_transformers.multi_vector_encoder.data_collator import MultiVectorEncoderDataCollator

from colbert_kit import utils
from colbert_kit.errors import InvalidConfig, InvalidData
from colbert_kit.models.prompts import prompt_of

ROWS = [
    {"query": "the old song", "positive": "who sings the song of the river", "negative": "rain"},
    {"query": "train", "positive": "a night train", "negative": "the city by the mountain and the music of the rain"},
]


@pytest.fixture
def collator(tiny_model):
    return utils.ColBERTCollator(tiny_model)


def ids(model, texts, task):
    return model.preprocess(texts, prompt=prompt_of(model, task), task=task)


def test_each_column_is_tokenised_as_encoding_does_in_its_role(collator, tiny_model):
    batch = collator(ROWS)
    for name, task in (("query", "query"), ("positive", "document"), ("negative", "document")):
        expected = ids(tiny_model, [row[name] for row in ROWS], task)
        assert torch.equal(batch[f"{name}_input_ids"], expected["input_ids"])
        assert torch.equal(batch[f"{name}_attention_mask"], expected["attention_mask"])
        assert batch[f"{name}_task"] == task


def test_the_plain_collator_leaves_the_markers_out_and_ours_does_not(collator, tiny_model):
    plain = MultiVectorEncoderDataCollator(preprocess_fn=tiny_model.preprocess)(ROWS)
    marker = tiny_model.tokenizer.convert_tokens_to_ids("[Q] ")
    assert marker not in plain["query_input_ids"]
    assert (collator(ROWS)["query_input_ids"][:, 1] == marker).all()


def test_documents_are_padded_to_the_longest_of_their_batch_only(collator):
    batch = collator(ROWS)
    assert batch["positive_input_ids"].shape[1] < batch["negative_input_ids"].shape[1] <= 24


@pytest.mark.parametrize("shuffled", [["negative", "query", "positive"], ["positive", "negative", "query"]])
def test_the_order_of_columns_in_the_set_does_not_matter(collator, shuffled):
    batch, expected = collator([{name: row[name] for name in shuffled} for row in ROWS]), collator(ROWS)
    assert list(batch) == list(expected)
    assert all(torch.equal(batch[name], expected[name]) for name in batch if isinstance(batch[name], torch.Tensor))


@pytest.mark.parametrize("given", ["model", "preprocess", "tokenize", "tokenize_fn", "compiled"])
def test_it_takes_the_model_in_every_spelling(tiny_model, given, collator):
    made = {
        "model": lambda: utils.ColBERTCollator(tiny_model),
        "preprocess": lambda: utils.ColBERTCollator(tiny_model.preprocess),
        "tokenize": lambda: utils.ColBERTCollator(tiny_model.tokenize),
        "tokenize_fn": lambda: utils.ColBERTCollator(tokenize_fn=tiny_model.tokenize),
        "compiled": lambda: utils.ColBERTCollator(torch.compile(tiny_model, backend="eager").tokenize),
    }[given]()
    assert torch.equal(made(ROWS)["query_input_ids"], collator(ROWS)["query_input_ids"])


@pytest.mark.parametrize("given", [None, "bert-base-uncased", len])
def test_anything_else_is_refused(given):
    with pytest.raises(InvalidConfig, match="ColBERTCollator needs the model"):
        utils.ColBERTCollator(given)


def test_prompts_roles_and_lengths_of_the_arguments_are_honoured(tiny_model):
    args = SimpleNamespace(
        prompts={"text": "the "}, router_mapping={"text": "query", "query": "document"}, max_length={"document": 5}
    )
    rows = [{"query": row["positive"], "text": row["query"]} for row in ROWS]
    batch = utils.ColBERTCollator(tiny_model, args=args)(rows)

    expected = tiny_model.preprocess([row["text"] for row in rows], prompt="[Q] the ", task="query")
    assert torch.equal(batch["text_input_ids"], expected["input_ids"])
    assert batch["text_task"] == "query"
    assert batch["query_task"] == "document"
    assert batch["query_input_ids"].shape[1] == 5


def test_a_prompt_that_has_the_marker_already_is_not_given_a_second_one(tiny_model):
    args = SimpleNamespace(prompts={"query": "[Q] the "}, router_mapping=None, max_length=None)
    batch = utils.ColBERTCollator(tiny_model, args=args)(ROWS)
    expected = tiny_model.preprocess([row["query"] for row in ROWS], prompt="[Q] the ", task="query")
    assert torch.equal(batch["query_input_ids"], expected["input_ids"])


def test_missing_negatives_are_told_and_present_ones_are_as_ever(collator):
    rows = [ROWS[0] | {"negative": None}, ROWS[1]]
    batch = collator(rows)
    assert batch["negative_missing"].tolist() == [True, False]
    assert batch["positive_missing"].tolist() == [False, False]
    assert "query_missing" not in batch
    assert "negative_missing" not in collator(ROWS)


def test_lists_of_negatives_may_differ_in_length(collator):
    rows = [
        {"query": "rain", "positive": "the rain", "negatives": ["song", "city"]},
        {"query": "city", "positive": "the city", "negatives": ["train"]},
    ]
    batch = collator(rows)
    assert batch["negative_2_missing"].tolist() == [False, True]
    assert batch["negative_1_missing"].tolist() == [False, False]


def test_labels_come_along_and_need_every_document(collator):
    rows = [{"query": "a", "document_1": "b", "document_2": "c", "scores": [0.5, 0.1]}]
    assert collator(rows)["label"].tolist() == [[0.5, pytest.approx(0.1)]]
    with pytest.raises(InvalidData, match="which has scores, has no text in column 'document_2'"):
        collator([rows[0] | {"document_2": None}])


@pytest.mark.parametrize("column", ["query", "positive"])
def test_a_row_without_query_or_positive_is_refused_by_its_number(collator, column):
    with pytest.raises(InvalidData, match=f"row 1 of the batch, has no text in column '{column}'"):
        collator([ROWS[0], ROWS[1] | {column: None}])


def test_a_number_in_place_of_a_text_is_refused(collator):
    with pytest.raises(InvalidData, match="column 'positive' must hold texts, got int in row 0"):
        collator([ROWS[0] | {"positive": 7}])


def test_no_rows_make_no_batch(collator):
    assert collator([]) == {}
