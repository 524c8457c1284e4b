"""Exchange with fast-plaid; where it is installed, the real one is the oracle."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.indexes import PLAID
from colbert_kit.scores import NBITS, kernel

DIM = 32
CODEC_FILES = ("centroids", "bucket_cutoffs", "bucket_weights", "merged_codes", "merged_residuals")


@pytest.fixture(scope="module")
def fast_plaid() -> ModuleType:
    return pytest.importorskip(
        "fast_plaid.search", reason='needs fast-plaid: pip install "colbert_kit[fast-plaid]"', exc_type=ImportError
    )


def unit(*lengths: int, seed: int = 0, dim: int = DIM) -> list[np.ndarray]:
    """Documents of random unit vectors, near enough to a few directions for the codec to matter."""
    generator = np.random.default_rng(seed)
    topics = np.random.default_rng(7).standard_normal((40, dim))
    documents = []
    for length in lengths:
        tokens = topics[generator.integers(len(topics), size=length)] + generator.standard_normal((length, dim))
        documents.append((tokens / np.linalg.norm(tokens, axis=1, keepdims=True)).astype(np.float32))
    return documents


def many(number: int, seed: int = 0, dim: int = DIM) -> list[np.ndarray]:
    return unit(*np.random.default_rng(seed).integers(2, 20, size=number).tolist(), seed=seed, dim=dim)


def ours(folder: Path, documents: list[np.ndarray], nbits: int = 4, name: str = "ours") -> PLAID:
    index = PLAID(index_folder=folder, index_name=name, nbits=nbits, exact_below=0)
    index.add_documents([f"é{number}" for number in range(len(documents))], documents)
    return index


def theirs(fast_plaid: ModuleType, folder: Path, documents: list[np.ndarray] | None = None, **options):
    index = fast_plaid.FastPlaid(str(folder), device="cpu")
    if documents is not None:
        index.create([torch.from_numpy(one) for one in documents], start_from_scratch=0, **options)
    return index


def all_scores(folder: Path, their_index, query: np.ndarray) -> dict[int, float]:
    """fast-plaid's score of every document of its index."""
    num_documents = json.loads((folder / "metadata.json").read_text())["num_documents"]
    [hits] = their_index.search(
        [torch.from_numpy(query)],
        top_k=num_documents,
        n_ivf_probe=len(np.load(folder / "centroids.npy")),  # one more and it panics
        n_full_scores=4 * num_documents,
        show_progress=False,
    )
    return dict(hits)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def segment_files(index: PLAID) -> list[tuple[str, bytes]]:
    section = index._reader.section
    names = [section.codec, *(f for f in index._reader.snapshot.manifest.files if f.startswith("segments/"))]
    return [(Path(name).name, (index.folder / name).read_bytes()) for name in sorted(names)]


def assert_same_answers(folder: Path, their_index, our_index: PLAID, ids: list[str], queries: list[np.ndarray]):
    """Both score every document alike, and decode it alike."""
    assert len(our_index) == len(ids)
    for query in queries:
        their_scores = all_scores(folder, their_index, query)
        our_scores = {hit["id"]: hit["score"] for hit in our_index(query, k=len(ids))[0]}
        assert sorted(their_scores) == list(range(len(ids)))
        for row, one in enumerate(ids):
            assert our_scores[one] == pytest.approx(their_scores[row], abs=0.005)
    decoded = their_index.get_embeddings(list(range(len(ids))))
    for mine, other in zip(our_index.get_embeddings(ids), decoded, strict=True):
        np.testing.assert_allclose(mine, other.float().numpy(), atol=2e-3)


@pytest.mark.parametrize("nbits", NBITS)
def test_fast_plaid_opens_our_index_and_scores_as_we_do(fast_plaid, tmp_path, nbits):
    index = ours(tmp_path, many(300), nbits)

    assert index.to_fast_plaid(tmp_path / "out") == [
        "the norms of decoded tokens, which fast-plaid computes in each search"
    ]

    other = theirs(fast_plaid, tmp_path / "out")
    assert_same_answers(tmp_path / "out", other, index, [f"é{n}" for n in range(300)], unit(1, 6, 12, 32, seed=5))


@pytest.mark.parametrize("nbits", NBITS)
def test_we_open_an_index_of_fast_plaid_and_score_as_it_does(fast_plaid, tmp_path, nbits):
    other = theirs(fast_plaid, tmp_path / "in", many(300), nbits=nbits, batch_size=120)
    ids = [f"d{number}" for number in range(300)]

    index = PLAID.from_fast_plaid(tmp_path / "in", index_folder=tmp_path, index_name="new", ids=ids)

    assert_same_answers(tmp_path / "in", other, index, ids, unit(1, 6, 12, 32, seed=5))
    assert index._reader.section.nbits == nbits


@pytest.mark.parametrize("nbits", NBITS)
def test_there_and_back_is_the_same_to_the_last_bit(tmp_path, nbits):
    index = ours(tmp_path, many(200), nbits)
    index.to_fast_plaid(tmp_path / "out")

    back = PLAID.from_fast_plaid(tmp_path / "out", index_folder=tmp_path, index_name="back")
    back.to_fast_plaid(tmp_path / "out again")

    assert segment_files(back) == segment_files(index)
    assert files(tmp_path / "out again") == files(tmp_path / "out")
