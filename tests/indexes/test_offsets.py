from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from colbert_kit.errors import InvalidFolder
from colbert_kit.indexes import PLAID

LARGEST, SMALLEST = 2**63 - 1, -(2**63)


@pytest.mark.parametrize("exact_below", [0, 1000])
@pytest.mark.parametrize(
    "wrong",
    [
        # Each step is not below zero if it is computed in 64 bits, which it does not fit.
        [0, LARGEST, SMALLEST, -1, 32],
        [0, 16, 8, 24, 32],
        [0, 8, 16, 24, 33],
        [8, 8, 16, 24, 32],
    ],
)
def test_offsets_that_lead_outside_of_the_tokens_are_refused(tmp_path: Path, exact_below: int, wrong: list[int]):
    tokens = np.eye(8, dtype=np.float32)
    index = PLAID(index_folder=tmp_path, index_name="one", override=True, nbits=1, exact_below=exact_below)
    index.add_documents(documents_ids=["a", "b", "c", "d"], documents_embeddings=[tokens] * 4)
    (path,) = tmp_path.rglob("document_offsets.npy")
    assert np.load(path).tolist() == [0, 8, 16, 24, 32]
    np.save(path, np.asarray(wrong, dtype=np.int64))

    with pytest.raises(InvalidFolder, match=r"segments.* is damaged\. Build or download the index again"):
        PLAID(index_folder=tmp_path, index_name="one")([tokens], k=2)


def test_offsets_of_ids_that_wrap_around_are_refused(tmp_path: Path):
    index = PLAID(index_folder=tmp_path, index_name="one", override=True)
    eye = np.eye(8, dtype=np.float32)
    index.add_documents(documents_ids=["a", "b", "c", "d"], documents_embeddings=[eye] * 4)
    (path,) = tmp_path.rglob("id_offsets.npy")
    assert np.load(path).tolist() == [0, 1, 2, 3, 4]
    np.save(path, np.asarray([0, LARGEST, SMALLEST, -1, 4], dtype=np.int64))

    with pytest.raises(InvalidFolder, match="Build or download"):
        PLAID(index_folder=tmp_path, index_name="one")([eye], k=2)
