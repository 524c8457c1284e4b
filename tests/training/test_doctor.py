"""What the doctor finds, and that it is silent where all is well."""

import copy

import pytest
import torch
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.training import examine_model, examine_rows
from colbert_kit.training.doctor import examine_overlap
from tests.checkpoints import write_bert

GOOD = [{"query": f"query {n}", "positive": f"positive {n}", "negative": f"negative {n}"} for n in range(50)]
SCORED = [{"query": f"query {n}", "documents": ["a", "b"], "scores": [0.1, 0.9]} for n in range(50)]


def found(findings):
    return [(one.level, one.name) for one in findings]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    write_bert(folder)
    return models.ColBERT(folder, embedding_size=16, document_length=24, query_length=8, device="cpu")


def test_a_trained_checkpoint_is_well(tiny_model):
    assert examine_model(tiny_model) == []


def test_a_random_projection_is_found_unless_it_is_to_be_trained(bare):
    [finding] = examine_model(bare)

    assert (finding.level, finding.name) == ("warning", "projection")
    assert "from 32 to 16" in finding.message
    assert examine_model(bare, for_training=True) == []


def test_one_step_of_training_makes_a_projection_no_longer_random(bare):
    trained = copy.deepcopy(bare)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-3)
    trained.train()
    torch.manual_seed(0)  # Of the dropout: among 512 weights a step does not always move one over the bound.
    features = trained.preprocess(["the old song"], task="document")
    trained(features, task="document")["token_embeddings"].sum().backward()
    optimizer.step()

    assert examine_model(trained) == []


def test_a_model_without_markers_is_told(tiny_model):
    model = copy.deepcopy(tiny_model)
    model.prompts = {"query": "", "document": ""}

    assert found(examine_model(model)) == [("warning", "markers")]


def test_a_marker_that_is_split_is_found(tiny_model):
    model = copy.deepcopy(tiny_model)
    model.prompts = {"query": "[question] ", "document": "[D] "}

    [finding] = examine_model(model)

    assert (finding.level, finding.name) == ("error", "markers")
    assert "'[question] ' is split into" in finding.message


def test_instructions_are_no_markers(tiny_model):
    model = copy.deepcopy(tiny_model)
    model.prompts = {"query": "search_query: ", "document": "search_document: "}

    assert examine_model(model) == []


def test_lengths_over_the_encoders_positions_are_found(tiny_model):
    model = copy.deepcopy(tiny_model)
    model[0].document_length = 4096

    assert found(examine_model(model)) == [("error", "lengths")]


def test_expansion_that_flash_attention_would_leave_out_is_found(tiny_model):
    model = copy.deepcopy(tiny_model)
    model[0].config._attn_implementation_internal = "flash_attention_2"

    assert found(examine_model(model)) == [("error", "expansion")]


@pytest.mark.parametrize(("rows", "loss"), [(GOOD, "contrastive"), (SCORED, "distillation"), (SCORED, "margin_mse")])
def test_good_rows_are_well(rows, loss):
    assert examine_rows(Dataset.from_list(rows), loss) == []


@pytest.mark.parametrize(
    ("rows", "loss", "expected"),
    [
        ([{"query": "alone"}], "contrastive", ("error", "columns")),
        ([{"query": "a", "question": "b", "positive": "c"}], "contrastive", ("error", "columns")),
        (GOOD, "distillation", ("error", "scores")),
        ([{"query": "a", "document": "b", "scores": [1.0]}], "distillation", ("error", "columns")),
        ([*SCORED, {"query": "a", "documents": ["b"], "scores": [0.5]}], "distillation", ("error", "columns")),
        ([one | {"scores": [0.5, 0.5]} for one in SCORED], "distillation", ("error", "scores")),
        ([*SCORED, SCORED[0] | {"scores": [0.5, 0.5]}], "distillation", ("warning", "scores")),
        ([*SCORED, SCORED[0] | {"scores": [0.5, float("nan")]}], "distillation", ("error", "scores")),
        ([one | {"negative": one["positive"].upper()} for one in GOOD], "contrastive", ("error", "negatives")),
        ([*GOOD * 4, GOOD[0] | {"negative": "positive 0"}], "contrastive", ("warning", "negatives")),
        ([*GOOD, {"query": " ", "positive": "a", "negative": "b"}], "contrastive", ("error", "texts")),
    ],
)
def test_bad_rows_are_found(rows, loss, expected):
    assert found(examine_rows(Dataset.from_list(rows), loss)) == [expected]


def test_evaluation_queries_in_the_training_set_are_counted_whatever_their_case():
    [finding] = examine_overlap(["What is  X?", "who"], {"q1": "what is x?", "q2": "when"})

    assert (finding.level, finding.name) == ("error", "leak")
    assert "1 of 2" in finding.message
    assert examine_overlap(["who"], {"q2": "when"}) == []


def test_a_plain_late_interaction_checkpoint_can_be_examined(tiny_model_folder):
    assert examine_model(MultiVectorEncoder(str(tiny_model_folder), device="cpu")) == []
