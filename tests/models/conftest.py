"""Models of every encoder family, built once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from tests.encoders import ENCODERS

DOCUMENT_LENGTH = 60
"""Within the 64 positions of the tiny BERT, RoBERTa and XLM-R."""


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a bare encoder, by family; do not write to it."""
    root = tmp_path_factory.mktemp("encoders")

    def write(family: str) -> Path:
        folder = root / family
        if not folder.exists():
            folder.mkdir()
            ENCODERS[family](folder)
        return folder

    return write


@pytest.fixture(scope="session", params=ENCODERS)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def family_model(family: str, encoder_folder: Callable[[str], Path]) -> MultiVectorEncoder:
    """A model built from a bare encoder; do not change it."""
    return models.ColBERT(encoder_folder(family), document_length=DOCUMENT_LENGTH, device="cpu")
