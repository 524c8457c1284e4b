"""A dense teacher of [CLS] and [SEP], against loops over tokens."""

import copy

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as tokenizer_models

from colbert_kit import losses, models, utils
from colbert_kit.errors import InvalidConfig
from tests.dense import write_dense
from tests.losses.test_tokens import ROWS, cosines, encoders, features_of, load, values_while_learning  # noqa: F401

SAMPLE = ["rain", "a song by the river", "bread and coffee", "the old city at night"]
QUERIES = [row["query"] for row in ROWS]
DOCUMENTS = [row["positive"] for row in ROWS] + ["bread"]


@pytest.fixture
def student(encoders):  # noqa: F811 - a fixture
    torch.manual_seed(3)
    return load(encoders[0], 8)


@pytest.fixture(scope="module")
def start(encoders):  # noqa: F811 - a fixture
    return load(encoders[1], None)


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    write_dense(folder, seed=9)
    return SentenceTransformer(str(folder), device="cpu")


def centred(dense, texts):
    """Unit vectors, less the mean unit vector of the sample, of unit length."""
    found = []
    known = [np.asarray(one, dtype=np.float64) for one in dense.encode(SAMPLE)]
    middle = sum(one / np.linalg.norm(one) for one in known) / len(SAMPLE)
    for one in dense.encode(texts):
        vector = np.asarray(one, dtype=np.float64)
        vector = vector / np.linalg.norm(vector) - middle
        found.append(vector / np.linalg.norm(vector))
    return found


def places(model, texts, encode):
    """Of each token: which text it is of, and whether it is that text's first or last."""
    found = []
    for number, text in enumerate(texts):
        length = len(encode(text))
        found += [(number, place in (0, length - 1)) for place in range(length)]
    return found


def test_the_ends_of_a_text_learn_its_vector_and_all_other_tokens_what_the_teacher_says(student, start, dense):
    loss = losses.TokenDistillation(student, [start], pooled=losses.PooledTeacher(dense, SAMPLE))
    found = loss(features_of(utils.ColBERTCollator(student)(ROWS)))

    own, taught = cosines(student, QUERIES, DOCUMENTS), cosines(start, QUERIES, DOCUMENTS)
    rows, columns = (
        places(student, QUERIES, student.encode_query),
        places(student, DOCUMENTS, student.encode_document),
    )
    about = centred(dense, QUERIES), centred(dense, DOCUMENTS)
    parts = {"others": [], "ends": [], "across": []}
    for row, (query, first) in enumerate(rows):
        for column, (document, second) in enumerate(columns):
            if first and second:
                parts["ends"].append((own[row, column] - about[0][query] @ about[1][document]) ** 2)
            elif first or second:
                parts["across"].append(own[row, column] ** 2)
            else:
                parts["others"].append((own[row, column] - taught[row, column]) ** 2)
    expected = 100 * (np.mean(parts["others"]) + np.mean(parts["ends"]) + 0.1 * np.mean(parts["across"]))
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_the_dense_model_sees_a_text_without_the_students_marker(encoders, dense):  # noqa: F811 - a fixture
    marked = models.ColBERT(encoders[0], embedding_size=8, query_length=16, document_length=24, device="cpu")
    collated = features_of(utils.ColBERTCollator(marked)(ROWS))
    seen = []

    class Listening(losses.PooledTeacher):
        def _vectors(self, texts, role):
            seen.append((role, texts))
            return super()._vectors(texts, role)

    losses.TokenDistillation(marked, [copy.deepcopy(marked)], pooled=Listening(dense, SAMPLE))(collated)

    assert seen[1:] == [
        ("query", QUERIES), ("document", DOCUMENTS[:2]), ("document", ["bread", ""])
    ]  # fmt: skip


def test_a_dense_model_of_another_kind_and_tokenizer_teaches_too(student, start):
    words = sorted({word for text in SAMPLE + QUERIES + DOCUMENTS for word in text.split()})
    tokenizer = Tokenizer(tokenizer_models.WordLevel({word: number for number, word in enumerate(words)}, words[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(4)
    by_words = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=12)], device="cpu")
    loss = losses.TokenDistillation(student, [start], pooled=losses.PooledTeacher(by_words, SAMPLE))

    values = values_while_learning(loss)

    assert values[-1] < 0.5 * values[0]


def test_a_few_steps_bring_the_student_nearer(student, start, dense):
    values = values_while_learning(
        losses.TokenDistillation(student, [start], pooled=losses.PooledTeacher(dense, SAMPLE))
    )

    assert values[-1] < 0.5 * values[0]


def test_the_dense_model_is_not_trained_nor_a_part_of_the_loss(student, start, dense):
    loss = losses.TokenDistillation(student, [start], pooled=losses.PooledTeacher(dense, SAMPLE))
    loss(features_of(utils.ColBERTCollator(student)(ROWS))).backward()

    assert all(one.grad is None for one in dense.parameters())
    assert {id(one) for one in loss.parameters()} == {id(one) for one in student.parameters()}
    assert loss.get_config_dict()["pooled"].startswith("dense")


def test_what_has_no_use_for_a_pooled_teacher_is_refused(student, start, dense):
    with pytest.raises(InvalidConfig, match="a sample of texts"):
        losses.PooledTeacher(dense, [])
    pooled = losses.PooledTeacher(dense, SAMPLE)
    student.tokenizer.cls_token = student.tokenizer.sep_token = None
    with pytest.raises(InvalidConfig, match=r"tokenizer has neither"):
        losses.TokenDistillation(student, [start], pooled=pooled)
