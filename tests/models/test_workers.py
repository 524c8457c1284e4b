from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.errors import InvalidInput
from colbert_kit.models import encode as encoding
from colbert_kit.scores import PackedEmbeddings
from tests.checkpoints import DOCUMENTS, QUERIES

pytestmark = pytest.mark.slow  # each starts processes that import torch

TEXTS = [*DOCUMENTS, "", *QUERIES, "the river " * 90] * 40


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "TEXTS_PER_WINDOW", 32)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def in_two_workers(model: MultiVectorEncoder, texts: object, **rest: object) -> Iterator[PackedEmbeddings]:
    return models.encode_documents(model, texts, dtype="float32", num_workers=2, **rest)


@pytest.mark.usefixtures("small_windows")
def test_two_workers_equal_one_process_and_leak_no_files(tiny_model_folder: Path):
    model = models.ColBERT(tiny_model_folder, device="cpu")
    alone = list(models.encode_documents(model, TEXTS, dtype="float32", pool_factor=2))
    counts = [open_files()]
    for _ in range(2):
        together = list(in_two_workers(model, TEXTS, pool_factor=2))
        assert [one.lengths.tolist() for one in together] == [one.lengths.tolist() for one in alone]
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(one.embeddings, other.embeddings, atol=1e-5, rtol=0)
        gc.collect()
        counts.append(open_files())
    # Less than one a text, and the second time no more than the first.
    assert counts[2] <= counts[1] + 2, counts
    assert counts[1] <= counts[0] + 8, counts
    assert multiprocessing.active_children() == []
    assert model.device.type == "cpu"
    assert len(model.encode_document("late")) == 4


@pytest.fixture
def alarm() -> Iterator[None]:
    """Ends a test that hangs."""

    def ring(*_: object) -> None:
        raise TimeoutError("the test hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(180)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("small_windows", "alarm")
def test_killed_worker_raises_instead_of_hanging(tiny_model: MultiVectorEncoder):
    def endless() -> Iterator[str]:
        while True:
            yield "late rain on the old city"

    batches = in_two_workers(tiny_model, endless())
    next(batches)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    with pytest.raises(BrokenProcessPool, match="terminated abruptly"):
        deque(batches, maxlen=0)
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("small_windows")
def test_wrong_text_in_the_middle_is_refused_and_ends_the_workers(tiny_model: MultiVectorEncoder):
    with pytest.raises(InvalidInput, match="got int at position 40"):
        list(in_two_workers(tiny_model, ["late"] * 40 + [3]))
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("small_windows")
def test_stream_given_up_ends_the_workers(tiny_model: MultiVectorEncoder):
    batches = in_two_workers(tiny_model, TEXTS)
    next(batches)
    batches.close()
    assert multiprocessing.active_children() == []
