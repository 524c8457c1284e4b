"""Two real processes that compare with each other's documents are as good as one with all of them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.losses.gathering import batch_of, loss_of
from tests.losses.table import Table, value_and_gradient

SIZE = 2


@pytest.mark.parametrize("name", ["Contrastive", "CachedContrastive"])
def test_two_processes_give_the_loss_and_gradient_of_one_with_the_joined_batch(tmp_path, name):
    model = Table()
    value, gradient = value_and_gradient(loss_of(name, model, False), model, batch_of(None, SIZE))

    root = Path(__file__).resolve().parents[2]
    arguments = [str(SIZE), str(tmp_path / "store"), name]
    command = [sys.executable, "-m", "tests.losses.gathering"]
    processes = [
        subprocess.Popen([*command, str(rank), *arguments], stdout=subprocess.PIPE, text=True, cwd=root)
        for rank in range(SIZE)
    ]
    said = [json.loads(one.communicate(timeout=120)[0]) for one in processes]

    assert np.mean([one["loss"] for one in said]) == pytest.approx(value, rel=1e-5)
    for one in said:
        np.testing.assert_allclose(one["gradient"], gradient.numpy(), rtol=1e-5, atol=1e-8)
