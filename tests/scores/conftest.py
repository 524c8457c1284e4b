"""The kernels that this machine runs."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colbert_kit.errors import InvalidConfig
from colbert_kit.scores import open_kernel
from colbert_kit.scores.kernel.native import INSTRUCTION_SETS
from colbert_kit.scores.kernel.twin import NumpyKernel

LIBRARY_UNDER_TEST = "TEST_KERNEL_LIBRARY"
"""Set for the children of test_sanitizers.py alone: the library to take, whatever would be found or compiled."""


@pytest.fixture(scope="session", autouse=True)
def library_under_test() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if library := os.environ.get(LIBRARY_UNDER_TEST):
            # The room and its function share a name, so the module is not an attribute of its parent.
            room = importlib.import_module("colbert_kit.scores.kernel")
            patch.setattr(room, "find_or_compile", lambda: Path(library))
        yield


@pytest.fixture(scope="session")
def twin() -> NumpyKernel:
    return NumpyKernel()


@pytest.fixture(scope="session", params=INSTRUCTION_SETS)
def native(request: pytest.FixtureRequest, library_under_test: None) -> Any:
    """The compiled kernel, once for each instruction set that this processor runs."""
    return _opened(request.param)


@pytest.fixture(scope="session", params=("numpy", *INSTRUCTION_SETS))
def each_kernel(request: pytest.FixtureRequest, library_under_test: None) -> Any:
    """NumPy's too."""
    return _opened(request.param)


def _opened(name: str) -> Any:
    try:
        return open_kernel(name)
    except InvalidConfig as error:
        if "does not run" in str(error):
            pytest.skip(str(error))
        raise
