"""``Contrastive`` and ``CachedContrastive`` against a slow oracle and against each other."""

import functools

import numpy as np
import pytest
import torch
from sentence_transformers.multi_vector_encoder.scoring import colbert_scores

from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.losses import CachedContrastive, Contrastive
from tests.losses import oracle
from tests.losses.table import PAD, Table, columns, features, slopes, texts_of, value_and_gradient

ENTRIES = [(row, column) for row in range(1, 22, 4) for column in range(0, 6, 2)]


def batch_of(model, size, negatives, seed=0, missing=()):
    """Queries with their documents, as features and as the oracle takes them."""
    generator = np.random.default_rng(seed)
    queries = texts_of(generator, size, 5)
    documents = [texts_of(generator, size, 9) for _ in range(1 + negatives)]
    for row, column in missing:
        documents[column][row] = None

    def expected(temperature):
        groups = [
            [None if text is None else model.arrays([text], skip=True)[0] for text in row]
            for row in zip(*documents, strict=True)
        ]
        return oracle.contrastive(model.arrays(queries), groups, temperature)

    return columns(queries, *documents), expected


@pytest.mark.parametrize("negatives", [0, 1, 3])
@pytest.mark.parametrize("temperature", [1.0, 0.02])
def test_value_is_the_cross_entropy_of_the_positive_among_all_documents(negatives, temperature):
    model = Table()
    batch, expected = batch_of(model, 5, negatives)

    value = Contrastive(model, temperature=temperature)(batch, None)

    # sentence-transformers sums the maxima in float32.
    assert value.item() == pytest.approx(expected(temperature), rel=1e-4, abs=1e-5)


def test_gradient_is_the_slope_of_the_oracle():
    model = Table()
    batch, expected = batch_of(model, 4, 2)

    _, gradient = value_and_gradient(Contrastive(model, temperature=0.5), model, batch)

    wanted = slopes(lambda: expected(0.5), model, ENTRIES)
    np.testing.assert_allclose([gradient[entry] for entry in ENTRIES], wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("negatives", [0, 3])
@pytest.mark.parametrize("score_size", [None, 3])
def test_caching_changes_neither_value_nor_gradient(size, negatives, score_size):
    model = Table()
    batch, _ = batch_of(model, 10, negatives)
    value, gradient = value_and_gradient(Contrastive(model, temperature=0.1), model, batch)

    cached = CachedContrastive(model, temperature=0.1, mini_batch_size=size, score_mini_batch_size=score_size)
    cached_value, cached_gradient = value_and_gradient(cached, model, batch)

    assert cached_value == pytest.approx(value, rel=1e-5)
    torch.testing.assert_close(cached_gradient, gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", [Contrastive, CachedContrastive])
def test_rows_may_have_fewer_negatives_than_others(kind):
    model = Table()
    missing = [(0, 2), (2, 1), (2, 2), (3, 3)]
    batch, expected = batch_of(model, 4, 3, missing=missing)

    value, gradient = value_and_gradient(kind(model, temperature=0.2), model, batch)

    assert value == pytest.approx(expected(0.2), rel=1e-4)
    assert torch.isfinite(gradient).all()
    assert (gradient[PAD] == 0).all()
    wanted = slopes(lambda: expected(0.2), model, ENTRIES)
    np.testing.assert_allclose([gradient[entry] for entry in ENTRIES], wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", [Contrastive, CachedContrastive])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_finite_values_and_gradients(kind, dtype):
    model = Table(dtype=dtype)
    batch, expected = batch_of(model, 4, 1)

    value, gradient = value_and_gradient(kind(model, temperature=0.02), model, batch)

    assert value == pytest.approx(expected(0.02), rel=0.1, abs=0.3)
    assert torch.isfinite(gradient).all()


def test_one_pair_alone_gives_zero_and_no_gradient():
    model = Table()
    value, gradient = value_and_gradient(Contrastive(model), model, columns([[1, 2]], [[3, 4, 5]]))
    assert value == 0
    assert (gradient == 0).all()


def test_a_document_of_skipped_tokens_only_takes_no_part_and_harms_nothing():
    model = Table()
    batch = columns([[1, 2], [3]], [[4, 5], [6]], [[22, 22], [7, 8]])
    value, gradient = value_and_gradient(Contrastive(model, temperature=0.05), model, batch)
    groups = [[*model.arrays([[4, 5]]), None], model.arrays([[6], [7, 8]])]
    assert value == pytest.approx(oracle.contrastive(model.arrays([[1, 2], [3]]), groups, 0.05), rel=1e-4)
    assert torch.isfinite(gradient).all()


def test_pylates_masks_let_no_query_token_gain_less_than_nothing():
    model = Table()
    batch = columns([[1, 2], [3, 9]], [[4], [6, 7]])
    query, documents = model.arrays([[1, 2], [3, 9]]), model.arrays([[4], [6, 7]])
    floored = [[oracle.maxsim(one, other, skipped=True) for other in documents] for one in query]
    expected = sum(oracle.cross_entropy(scores, number) for number, scores in enumerate(floored)) / 2

    assert Contrastive(model, score_metric="pylate")(batch).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [Contrastive, CachedContrastive])
def test_batches_without_roles_are_refused_by_the_name_of_the_collator(kind):
    model = Table()
    batch = [features([[1]], None), features([[2]], None)]
    for one in batch:
        del one["task"]
    with pytest.raises(InvalidInput, match=r"data_collator=colbert_kit\.utils\.ColBERTCollator"):
        kind(model)(batch)


@pytest.mark.parametrize("roles", [("document", "query"), ("query", "query")])
def test_the_query_must_come_first_and_alone(roles):
    with pytest.raises(InvalidInput, match="needs the query column first"):
        Contrastive(Table())([features([[1]], role) for role in roles])


def test_a_query_without_documents_is_refused():
    with pytest.raises(InvalidInput, match="at least 1 document columns, got 1 columns"):
        Contrastive(Table())([features([[1]], "query")])


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "warm"])
@pytest.mark.parametrize("kind", [Contrastive, CachedContrastive])
def test_temperatures_that_cannot_be_are_refused(kind, temperature):
    with pytest.raises(InvalidConfig, match="temperature must be a positive finite number"):
        kind(Table(), temperature=temperature)


def test_an_unknown_metric_is_refused_with_those_there_are():
    with pytest.raises(InvalidConfig, match="must be one of colbert, xtr, pylate, fused, or a callable, got 'cosine'"):
        Contrastive(Table(), score_metric="cosine")


def test_the_card_says_the_temperature():
    assert Contrastive(Table(), temperature=0.02).get_config_dict()["temperature"] == 0.02
    assert CachedContrastive(Table(), mini_batch_size=4).get_config_dict()["mini_batch_size"] == 4


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("colbert", "colbert_scores"),
        ("xtr", "XTRScores(top_k=256, chunk_elements=None)"),
        (functools.partial(colbert_scores, chunk_elements=8), "colbert_scores(chunk_elements=8)"),
    ],
)
@pytest.mark.parametrize("loss", [Contrastive, CachedContrastive])
def test_the_card_names_the_metric_and_its_settings(loss, metric, name):
    assert loss(Table(), score_metric=metric).get_config_dict()["similarity_fct"] == name


@pytest.mark.parametrize("loss", [Contrastive, CachedContrastive])
def test_documents_of_vanishing_probability_leave_no_numbers_that_processors_are_slow_with(loss):
    # Of 4 documents the first is right and far ahead of the second, less so of the third; the fourth is near.
    ahead = torch.tensor([[0.0, -0.95, -0.4, -0.05]], dtype=torch.float32).requires_grad_()
    model = Table(dtype=torch.float32)
    batch = columns([[1, 2]], [[1]], [[3]], [[4]], [[5]])
    exact = torch.softmax(ahead.detach().double() / 0.01, dim=1)[0]
    assert 0 < exact[1] < np.finfo(np.float32).tiny < exact[2] < 1e-12 < exact[3]

    def scored(queries, documents, **_):
        return ahead + 0.0 * (queries.sum() + documents.sum())

    loss(model, temperature=0.01, score_metric=scored)(batch).backward()

    assert ahead.grad[0, 1:3].tolist() == [0.0, 0.0]
    assert ahead.grad[0, 3].item() == pytest.approx(100 * exact[3].item(), rel=1e-4)
