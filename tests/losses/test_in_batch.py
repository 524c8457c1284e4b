"""In-batch distillation, against loops over texts, tokens and pairs of documents."""

import numpy as np
import pytest

from colbert_kit import losses, utils
from colbert_kit.errors import InvalidConfig, InvalidInput
from tests.losses.test_tokens import (  # noqa: F401 - fixtures
    ROWS,
    encoders,
    features_of,
    load,
    student,
    teachers,
    values_while_learning,
)

QUERIES = [row["query"] for row in ROWS]
DOCUMENTS = [row["positive"] for row in ROWS] + ["bread"]


def maxsims(model, context=0.0):
    """Each query's mean of its tokens' best similarities, with the cosine of the means where there is context."""

    def of(encode, text):
        return np.asarray(encode(text), dtype=np.float64)

    def mean(tokens):
        found = tokens.mean(axis=0)
        return found / np.linalg.norm(found)

    table = np.zeros((len(QUERIES), len(DOCUMENTS)))
    for row, query in enumerate(QUERIES):
        for column, document in enumerate(DOCUMENTS):
            left, right = of(model.encode_query, query), of(model.encode_document, document)
            score = np.mean([max(float(one @ other) for other in right) for one in left])
            table[row, column] = (score + context * float(mean(left) @ mean(right))) / (1 + context)
    return table


def squared_margins(found, target):
    """The mean squared difference of margins, over every query and every two documents, halved."""
    number = found.shape[1]
    return np.mean(
        [
            ((found[row, i] - found[row, j]) - (target[row, i] - target[row, j])) ** 2 / 2
            for row in range(found.shape[0])
            for i in range(number)
            for j in range(number)
        ]
    )


@pytest.mark.parametrize("context", [0.0, 0.5])
def test_the_loss_is_the_mean_squared_difference_of_all_margins_in_the_batch(student, teachers, context):  # noqa: F811
    loss = losses.InBatchDistillation(student, teachers, weights=[3.0, 1.0], context=context)
    found = loss(features_of(utils.ColBERTCollator(student)(ROWS)))

    target = 0.75 * maxsims(teachers[0], context) + 0.25 * maxsims(teachers[1], context)
    assert found.item() == pytest.approx(1000 * squared_margins(maxsims(student), target), rel=1e-4)


def test_a_student_that_is_its_teacher_has_nothing_to_learn(encoders, teachers):  # noqa: F811
    loss = losses.InBatchDistillation(load(encoders[0], None), teachers[:1])

    assert loss(features_of(utils.ColBERTCollator(loss.model)(ROWS))).item() == pytest.approx(0, abs=1e-9)


def test_only_the_student_learns_and_comes_nearer(student, teachers):  # noqa: F811
    loss = losses.InBatchDistillation(student, teachers, context=0.5)
    values = values_while_learning(loss)

    assert values[-1] < 0.5 * values[0]
    assert all(one.grad is None for teacher in teachers for one in teacher.parameters())
    assert {id(one) for one in loss.parameters()} == {id(one) for one in student.parameters()}


def test_negatives_that_no_row_of_a_batch_has_change_nothing(student, teachers):  # noqa: F811
    loss = losses.InBatchDistillation(student, teachers, context=0.5)
    without = [{"query": row["query"], "positive": row["positive"]} for row in ROWS]
    expected = loss(features_of(utils.ColBERTCollator(student)(without))).item()

    missing = [row | {"negative": None} for row in without]
    assert loss(features_of(utils.ColBERTCollator(student)(missing))).item() == pytest.approx(expected, rel=1e-5)


def test_one_document_has_no_margin(student, teachers):  # noqa: F811
    batch = utils.ColBERTCollator(student)([{"query": "rain", "positive": "a song", "negative": None}])
    with pytest.raises(InvalidInput, match="holds fewer than two"):
        losses.InBatchDistillation(student, teachers)(features_of(batch))


def test_what_cannot_be_is_refused(student, teachers):  # noqa: F811
    with pytest.raises(InvalidConfig, match="InBatchDistillation needs a teacher or more"):
        losses.InBatchDistillation(student, [])
    with pytest.raises(InvalidConfig, match="context must be 0 or more"):
        losses.InBatchDistillation(student, teachers, context=float("inf"))
