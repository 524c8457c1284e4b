"""``Distillation`` and ``MarginMSE`` against a slow oracle."""

import numpy as np
import pytest
import torch

from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.losses import Distillation, MarginMSE
from tests.losses import oracle
from tests.losses.table import Table, columns, slopes, texts_of, value_and_gradient

ENTRIES = [(row, column) for row in range(1, 22, 4) for column in range(0, 6, 2)]


def batch_of(model, size, ways, seed=0):
    generator = np.random.default_rng(seed)
    queries, documents = texts_of(generator, size, 5), [texts_of(generator, size, 9) for _ in range(ways)]
    teacher = generator.normal(size=(size, ways)) * 2

    def expected(function, **options):
        groups = [model.arrays(row, skip=True) for row in zip(*documents, strict=True)]
        return function(model.arrays(queries), groups, teacher.tolist(), **options)

    return columns(queries, *documents), torch.tensor(teacher), expected


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 0.25])
@pytest.mark.parametrize("ways", [2, 8])
def test_value_is_the_divergence_from_the_teacher(normalize, temperature, ways):
    model = Table()
    batch, labels, expected = batch_of(model, 4, ways)

    value = Distillation(model, normalize_scores=normalize, temperature=temperature)(batch, labels)

    wanted = expected(oracle.distillation, normalize=normalize, temperature=temperature)
    assert value.item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("normalize", [True, False])
def test_gradient_is_the_slope_of_the_oracle(normalize):
    model = Table()
    batch, labels, expected = batch_of(model, 3, 4)

    _, gradient = value_and_gradient(Distillation(model, normalize_scores=normalize), model, batch, labels)

    wanted = slopes(lambda: expected(oracle.distillation, normalize=normalize), model, ENTRIES)
    np.testing.assert_allclose([gradient[entry] for entry in ENTRIES], wanted, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_equal_scores_of_teacher_or_student_give_finite_gradients(normalize, dtype):
    model = Table(dtype=dtype)
    same = columns([[1, 2], [3]], [[4, 5], [6]], [[4, 5], [6]])
    for labels in (torch.tensor([[0.7, 0.7], [1.0, 1.0]]), torch.tensor([[9.0, 1.0], [0.0, 5.0]])):
        value, gradient = value_and_gradient(Distillation(model, normalize_scores=normalize), model, same, labels)
        assert np.isfinite(value)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("normalize", [True, False])
def test_a_document_of_skipped_tokens_only_gives_finite_gradients(normalize):
    model = Table()
    batch = columns([[1, 2], [3]], [[22, 22], [22]], [[4, 5], [22]], [[7], [22]])
    loss = Distillation(model, normalize_scores=normalize)
    value, gradient = value_and_gradient(loss, model, batch, torch.tensor([[0.1, 0.9, 0.3], [1.0, 2.0, 3.0]]))
    assert np.isfinite(value)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("negatives", [1, 3])
def test_margins_are_those_of_the_teacher_in_either_shape(negatives):
    model = Table()
    batch, labels, expected = batch_of(model, 4, 1 + negatives)
    wanted = expected(oracle.margin_mse)

    assert MarginMSE(model)(batch, labels).item() == pytest.approx(wanted, rel=1e-4)
    assert MarginMSE(model)(batch, labels[:, :1] - labels[:, 1:]).item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("kind", [Distillation, MarginMSE])
def test_scores_that_do_not_fit_are_refused_with_both_shapes(kind):
    model = Table()
    batch, labels, _ = batch_of(model, 3, 4)
    with pytest.raises(InvalidInput, match=r"teacher scores of shape \(queries, 4\).*got \(3, 2\)"):
        kind(model)(batch, labels[:, :2])
    with pytest.raises(InvalidInput, match="needs the teacher's scores: a column 'scores'"):
        kind(model)(batch, None)


@pytest.mark.parametrize("kind", [Distillation, MarginMSE])
def test_one_document_is_refused(kind):
    with pytest.raises(InvalidInput, match="at least 2 document columns"):
        kind(Table())(columns([[1]], [[2]]), torch.tensor([[1.0]]))


@pytest.mark.parametrize("name", ["temperature", "student_temperature", "teacher_temperature"])
def test_temperatures_that_cannot_be_are_refused_by_name(name):
    with pytest.raises(InvalidConfig, match=f"{name} must be a positive finite number, got 0"):
        Distillation(Table(), **{name: 0})
