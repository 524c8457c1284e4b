"""Fixtures of all tests. The environment is set before anything of the kit, torch or the Hub's client is imported."""

from __future__ import annotations

import os
import random
import signal
import tempfile
from pathlib import Path
from typing import Any

os.environ.update(
    HF_HUB_OFFLINE="1",
    # The workers of one run of pytest-xdist share the cache, so that one of them compiles the kernel.
    COLBERT_KIT_CACHE=str(Path(tempfile.gettempdir(), f"colbert-kit-cache-{os.environ['PYTEST_XDIST_TESTRUNUID']}"))
    if "PYTEST_XDIST_TESTRUNUID" in os.environ
    else tempfile.mkdtemp(prefix="colbert-kit-cache-"),
    GRADIO_ANALYTICS_ENABLED="False",
    TOKENIZERS_PARALLELISM="false",
)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several of these share the cores already.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore it, and so would the programs that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# On a machine with a GPU: CUDA_VISIBLE_DEVICES=0 pytest -m gpu
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import hypothesis
import pytest

from tests.checkpoints import WORDS, write_pylate_v3

# A Hub on this machine, and clients of it.
pytest_plugins = ("tests.commands", "tests.hubserver.fixtures")

# The machine is shared: a slow draw says nothing of the code. Examples are the same in every run.
hypothesis.settings.register_profile(
    "tests",
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("tests")

TOPICS = ("city", "mountain", "music", None)


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_pylate_v3(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_model_folder: Path) -> Any:
    """A random two-layer BERT with late interaction: 16 dimensions, queries of 16 tokens, documents of 24."""
    from colbert_kit import models

    return models.ColBERT(str(tiny_model_folder), device="cpu")


@pytest.fixture(scope="session")
def tiny_documents() -> list[dict[str, Any]]:
    """Thirty texts of the tiny model's own words, each unlike the others; every fourth has no topic."""
    words = [word for word in WORDS.split() if len(word) > 1 and not word.startswith("##")]
    generator = random.Random(7)
    return [
        {
            "id": f"d{number:02d}",
            "text": " ".join(generator.sample(words, generator.randint(3, 12))),
            "year": 2000 + number,
            "topic": TOPICS[number % 4],
        }
        for number in range(30)
    ]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The collections that lie beside the repository and are not part of it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the collections in ../shared/data, beside the repository")
    return folder
