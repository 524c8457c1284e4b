"""Losses and gradients are PyLate 1.6.0's for equal weights and texts (``tests/golden/make_losses.py``)."""

import numpy as np
import pytest

from colbert_kit import losses, models, utils
from tests.checkpoints import weights_sha256, write_pylate_v3
from tests.golden.make_losses import CASES, GOLDEN, WEIGHTS, column_of, rows


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture
def model(tmp_path, golden):
    write_pylate_v3(tmp_path)
    assert weights_sha256(tmp_path) == str(golden["weights_sha256"])
    return models.ColBERT(str(tmp_path), device="cpu").eval()


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_those_of_pylate(case, model, golden):
    kind, negatives, options = CASES[case]
    batch = utils.ColBERTCollator(model)(rows(negatives, kind == "Distillation"))
    columns = [name.removesuffix("_task") for name in batch if name.endswith("_task")]
    loss = getattr(losses, kind)(model, score_metric="pylate", **options)

    value = loss([column_of(batch, column, columns) for column in columns], batch.get("label"))
    value.backward()

    # PyLate does not divide a cached loss's gradients by the batch size.
    factor = 4 if kind == "CachedContrastive" else 1
    assert value.item() == pytest.approx(float(golden[f"{case}/loss"]), rel=1e-4)
    for name, of in WEIGHTS.items():
        expected = golden[f"{case}/{name}"]
        np.testing.assert_allclose(
            factor * of(model).grad.numpy(), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
        )
