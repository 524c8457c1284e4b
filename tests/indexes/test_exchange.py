"""Exchange with fast-plaid; where it is installed, the real one is the oracle."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from colbert_kit.errors import InvalidConfig, InvalidFolder, InvalidInput, MissingExtra
from colbert_kit.folders import Snapshot
from colbert_kit.indexes import PLAID, IndexReader, SearchConfig
from colbert_kit.indexes.cuda import CudaReader
from colbert_kit.machine import cache_folder
from colbert_kit.scores import NBITS, PackedEmbeddings, open_kernel

GUIDE = Path(__file__).parents[2] / "docs" / "exchange.md"
DIM = 32
CODEC_FILES = ("centroids", "bucket_cutoffs", "bucket_weights", "merged_codes", "merged_residuals")


@pytest.fixture(scope="module")
def fast_plaid() -> Iterator[ModuleType]:
    search: ModuleType = pytest.importorskip(
        "fast_plaid.search", reason='needs fast-plaid: pip install "colbert_kit[fast-plaid]"', exc_type=ImportError
    )
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield search
    torch.set_num_threads(before)


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
    """Both score every document alike, and decode it alike.

    fast-plaid computes in float16 and our norms are float16: with 32 query tokens each is off by up to 0.004 from the
    sum in float64, and in one of 2,000 pairs they differ by more than 0.005 (at most 0.0055, at dim 32).
    """
    assert len(our_index) == len(ids)
    for query in queries:
        their_scores = all_scores(folder, their_index, query)
        our_scores = {hit["id"]: hit["score"] for hit in our_index(query, k=len(ids))[0]}
        assert sorted(their_scores) == list(range(len(ids)))
        for row, one in enumerate(ids):
            assert our_scores[one] == pytest.approx(their_scores[row], abs=max(0.005, 2e-4 * len(query)))
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


def test_our_changes_reach_fast_plaid(fast_plaid, tmp_path):
    index = ours(tmp_path, many(300))
    index.add_documents(["new 1", "new 2"], many(2, seed=3))
    index.update_documents(["é5", "é299"], many(2, seed=4))
    index.remove_documents(["é0", "é7", "é8", "new 1"])

    left_out = index.to_fast_plaid(tmp_path / "out")

    assert left_out[0] == "6 removed rows"  # four, and two that were replaced
    ids = json.loads((tmp_path / "out/colbert_kit_ids.json").read_text())["ids"]
    gone = {"é0", "é5", "é7", "é8", "é299"}
    assert ids == [*(f"é{n}" for n in range(300) if f"é{n}" not in gone), "new 2", "é5", "é299"]
    assert_same_answers(tmp_path / "out", theirs(fast_plaid, tmp_path / "out"), index, ids, unit(6, seed=5))
    back = PLAID.from_fast_plaid(tmp_path / "out", index_folder=tmp_path, index_name="back")
    index.compact()
    assert segment_files(back)[1:] == segment_files(index)[1:]


def test_fast_plaid_lists_each_document_once_at_each_of_its_centroids(fast_plaid, tmp_path):
    index = ours(tmp_path, many(300))
    index.add_documents(["new 1", "new 2"], many(2, seed=3))
    index.remove_documents(["é0"])
    index.to_fast_plaid(tmp_path / "out")
    codes, lengths = (
        np.load(tmp_path / "out/merged_codes.npy"),
        json.loads((tmp_path / "out/doclens.0.json").read_text()),
    )

    rows = np.repeat(np.arange(len(lengths)), lengths)
    pairs = np.unique(np.stack([codes[: len(rows)], rows]), axis=1)

    ivf, counts = np.load(tmp_path / "out/ivf.npy"), np.load(tmp_path / "out/ivf_lengths.npy")
    assert ivf.tolist() == pairs[1].tolist()
    assert counts.tolist() == np.bincount(pairs[0], minlength=len(counts)).tolist()
    assert len(counts) == len(np.load(tmp_path / "out/centroids.npy"))


def test_fast_plaid_changes_our_export_and_we_take_it_back(fast_plaid, tmp_path):
    ours(tmp_path, many(300)).to_fast_plaid(tmp_path / "out")
    other = theirs(fast_plaid, tmp_path / "out")
    added = many(140, seed=3)

    other.update([torch.from_numpy(one) for one in added[:10]])
    other.delete([0, 5, 299])
    other.update([torch.from_numpy(one) for one in added[10:]])  # enough for centroids of their own
    assert len(np.load(tmp_path / "out/centroids.npy")) > len(
        ours(tmp_path, many(300), name="2")._reader.codec.view.centroids
    )

    ids = [f"é{n}" for n in range(300) if n not in (0, 5, 299)] + [f"new {n}" for n in range(140)]
    with pytest.raises(InvalidFolder, match=r"changed by fast-plaid after colbert_kit_ids\.json was written"):
        PLAID.from_fast_plaid(tmp_path / "out", index_folder=tmp_path, index_name="back")
    back = PLAID.from_fast_plaid(tmp_path / "out", index_folder=tmp_path, index_name="back", ids=ids)
    assert_same_answers(tmp_path / "out", other, back, ids, unit(6, seed=5))
    [[hit]] = back([added[-1]], k=1)
    assert hit["id"] == "new 139"
    back.add_documents(["and on"], many(1, seed=9))
    assert len(back) == 438


def test_ids_are_refused_where_fast_plaid_put_another_document_in_the_place_of_one(fast_plaid, tmp_path):
    ours(tmp_path, many(100)).to_fast_plaid(tmp_path / "out")
    other = theirs(fast_plaid, tmp_path / "out")
    other.delete([99])
    other.update([torch.from_numpy(one) for one in many(1, seed=3)])

    with pytest.raises(InvalidFolder, match="Pass ids= in row order"):
        PLAID.from_fast_plaid(tmp_path / "out", index_folder=tmp_path, index_name="back")
    assert not (tmp_path / "back/manifest.json").exists()


def test_deletion_of_a_whole_chunk_leaves_an_index_that_can_be_imported(fast_plaid, tmp_path):
    other = theirs(fast_plaid, tmp_path / "in", many(60), batch_size=25)
    other.delete(list(range(25, 50)))
    assert (tmp_path / "in/1.codes.npy").exists()

    ids = [str(n) for n in range(35)]
    index = PLAID.from_fast_plaid(tmp_path / "in", index_folder=tmp_path, index_name="new", ids=ids)

    assert_same_answers(tmp_path / "in", other, index, ids, unit(6, seed=5))


def test_index_whose_documents_are_all_deleted_is_refused(fast_plaid, tmp_path):
    other = theirs(fast_plaid, tmp_path / "in", many(60))
    other.delete(list(range(60)))

    with pytest.raises(InvalidFolder, match="without documents: there is nothing to import"):
        PLAID.from_fast_plaid(tmp_path / "in", index_folder=tmp_path)


def test_frozen_index_and_one_without_lists_are_imported(fast_plaid, tmp_path):
    theirs(fast_plaid, tmp_path / "frozen", many(60)).freeze()
    theirs(fast_plaid, tmp_path / "codes only", many(60), compress_only=True)
    assert not (tmp_path / "codes only/ivf.npy").exists()

    for name in ("frozen", "codes only"):
        with pytest.warns(UserWarning, match="the ids are row numbers"):
            index = PLAID.from_fast_plaid(tmp_path / name, index_folder=tmp_path, index_name="new", override=True)
        assert [hit["id"] for hit in index(many(60)[17], k=1)[0]] == ["17"]


def test_index_that_keeps_shards_is_refused_until_fast_plaid_has_folded_them_in(fast_plaid, tmp_path, monkeypatch):
    monkeypatch.setenv("FAST_PLAID_KEEP_SHARDS", "1")
    theirs(fast_plaid, tmp_path / "in", many(60)).close()

    with pytest.raises(InvalidFolder, match=r"holds 0.codes.npy: .* Open a copy with fast-plaid 1.7 or later"):
        PLAID.from_fast_plaid(tmp_path / "in", index_folder=tmp_path)

    monkeypatch.delenv("FAST_PLAID_KEEP_SHARDS")
    theirs(fast_plaid, tmp_path / "in").close()
    ids = [str(n) for n in range(60)]
    assert len(PLAID.from_fast_plaid(tmp_path / "in", index_folder=tmp_path, ids=ids)) == 60


def test_fast_plaid_and_documents_without_tokens(fast_plaid, tmp_path):
    documents = many(50)
    documents[20] = documents[49] = np.zeros((0, DIM), np.float32)
    index = ours(tmp_path, documents)
    index.to_fast_plaid(tmp_path / "out")

    scores = all_scores(tmp_path / "out", theirs(fast_plaid, tmp_path / "out"), documents[3])

    assert max(scores, key=scores.__getitem__) == 3
    back = PLAID.from_fast_plaid(tmp_path / "out", index_folder=tmp_path, index_name="back")
    assert segment_files(back) == segment_files(index)


def test_search_through_fast_plaid_ranks_as_ours_does(fast_plaid, tmp_path):
    index = ours(tmp_path, many(700))
    index.add_documents(["new"], many(1, seed=3))
    index.remove_documents(["é0", "é9", "é10", "é11"])
    through = CudaReader(Snapshot.open(index.folder), device="cpu")
    mine = IndexReader(through.snapshot)
    queries = PackedEmbeddings.pack([*unit(6, 12, seed=5), np.zeros((0, DIM), np.float32)])
    rows = np.arange(len(mine.rows.ids))

    for mask in (None, rows % 9 == 0, rows < 600, rows < 10):
        truth = mine.search(queries, 2000, mask)
        for k in (1, 10, 2000):
            # 400 rescored: both score all. By default, fast-plaid probes some cells where there are so many rows.
            for config in (SearchConfig(num_rescored=400), None):
                for hits, expected in zip(through.search(queries, k, mask, config), truth, strict=True):
                    assert len(hits) == min(k, len(expected))
                    scores = dict(expected)
                    assert all(score == pytest.approx(scores[row], abs=0.005) for row, score in hits)
                    if config is not None:
                        best = [score for _, score in expected[:k]]
                        np.testing.assert_allclose([score for _, score in hits], best, atol=0.005)


def test_search_through_fast_plaid_never_finds_what_was_removed_since(fast_plaid, tmp_path):
    index = ours(tmp_path, many(60))
    before = CudaReader(Snapshot.open(index.folder), device="cpu")
    index.remove_documents(["é7"])
    after = CudaReader(Snapshot.open(index.folder), device="cpu")
    query = PackedEmbeddings.pack([many(60)[7]])

    assert before.rows.ids[before.search(query, 1)[0][0][0]] == "é7"
    assert "é7" not in {after.rows.ids[row] for row, _ in after.search(query, 60)[0]}
    exports = set((cache_folder() / "fast-plaid").iterdir())
    CudaReader(Snapshot.open(index.folder), device="cpu").search(query, 1)
    assert set((cache_folder() / "fast-plaid").iterdir()) == exports  # what is there is used


def test_search_through_fast_plaid_finds_nothing_in_an_empty_subset(fast_plaid, tmp_path):
    index = ours(tmp_path, many(60))
    through = PLAID(index_folder=tmp_path, index_name="ours", device="cpu")
    query = unit(4)

    assert through(query, k=3, subset=[]) == [[]]
    assert through(query, k=3, subset=["nobody"]) == [[]]
    assert {hit["id"] for hit in through(query, k=3, subset=["é3", "é5"])[0]} == {"é3", "é5"}
    index.remove_documents([f"é{number}" for number in range(3, 60)])
    through = PLAID(index_folder=tmp_path, index_name="ours", device="cpu")
    assert through(query, k=3, subset=["é3"]) == [[]]
    assert {hit["id"] for hit in through(query, k=9)[0]} == {"é0", "é1", "é2"}


def test_small_index_is_searched_as_ever_whatever_the_device(fast_plaid, tmp_path):
    index = PLAID(index_folder=tmp_path, device="cpu")
    index.add_documents(["a", "b"], many(2))

    assert index(unit(4), k=2) == PLAID(index_folder=tmp_path)(unit(4), k=2)


def test_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    for device in ("cuda", "cuda:7"):
        with pytest.raises(InvalidConfig, match=f"device='{device}' was asked for, and PyTorch sees 0 CUDA devices"):
            PLAID(index_folder=tmp_path, device=device)
    with pytest.raises(InvalidConfig, match="device must be 'cuda' or 'cuda:' and a number, got 'gpu'"):
        PLAID(index_folder=tmp_path, device="gpu")
    assert not list(tmp_path.iterdir())


def test_missing_fast_plaid_is_named_with_the_line_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(MissingExtra, match=r'fast-plaid is not installed. .* "colbert_kit\[fast-plaid\]"'):
        PLAID(index_folder=tmp_path, device="cpu")


@pytest.mark.gpu
def test_search_on_cuda_ranks_as_ours_does(fast_plaid, tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    index = ours(tmp_path, many(700))
    index.remove_documents(["é0"])
    on_cuda = PLAID(index_folder=tmp_path, index_name="ours", device="cuda")

    for query in unit(6, 12, seed=5):
        mine, found = index([query], k=10)[0], on_cuda([query], k=10)[0]
        np.testing.assert_allclose([hit["score"] for hit in found], [hit["score"] for hit in mine], atol=0.005)
    assert on_cuda(query, k=10, subset=[]) == [[]]


@pytest.fixture(scope="module")
def sound_export(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    index = ours(folder, many(60), nbits=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colbert_kit.indexes.export.ROWS_PER_CHUNK", 40)
        index.to_fast_plaid(folder / "export")
    return folder / "export"


@pytest.fixture
def export(sound_export, tmp_path) -> Path:
    """A fast-plaid folder in two chunks that fast-plaid did not make, to be damaged."""
    return Path(shutil.copytree(sound_export, tmp_path / "export"))


def refused(export: Path, match: str, **options) -> None:
    """The import raises one line that names the folder, and no index is left behind."""
    home = export.parent / "new"
    with pytest.raises(InvalidFolder, match=match) as caught:
        PLAID.from_fast_plaid(export, index_folder=home, **options)
    assert str(export) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (home / "colbert/manifest.json").exists()
    assert not list(home.glob("colbert/*/*/*"))


@pytest.mark.parametrize(
    "name",
    [
        "metadata.json", "doclens.0.json", "doclens.1.json", "centroids.npy", "bucket_cutoffs.npy",
        "bucket_weights.npy", "cluster_threshold.npy", "merged_codes.npy", "merged_residuals.npy",
    ],
)  # fmt: skip
def test_file_that_is_missing_cut_or_garbled_is_refused(export, name):
    content = (export / name).read_bytes()
    for damage in (content[:-1] if name.endswith("npy") else content[:-3], content[:10], b"", b"\x93NUMPY\x01\x00\xff"):
        (export / name).write_bytes(damage)
        refused(export, "Export or build it again|Build or download it again")
    (export / name).unlink()
    refused(export, f"it has no {name} to read")
    (export / name).mkdir()
    refused(export, f"it has no {name} to read")


@pytest.mark.parametrize("name", [*CODEC_FILES, "cluster_threshold"])
def test_pickled_array_is_refused_and_never_opened(export, name):
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("it was unpickled",)

    np.save(export / f"{name}.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    refused(export, "is not a plain array file")


def test_pickled_files_of_fast_plaid_are_not_opened(export):
    for name in ("embeddings.npy", "buffer.npy"):
        (export / name).write_bytes(b"anything")

    assert len(PLAID.from_fast_plaid(export, index_folder=export.parent)) == 60


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("metadata.json", {"nbits": 3, "num_chunks": 2}, "no valid nbits"),
        ("metadata.json", {"nbits": 4, "num_chunks": 2}, "not those of 4 bits"),
        ("metadata.json", {"nbits": 2, "num_chunks": -1}, "no valid nbits or num_chunks"),
        ("metadata.json", {"nbits": 2, "num_chunks": 10**12}, "no valid nbits or num_chunks"),
        ("metadata.json", {"nbits": 2, "num_chunks": 10**9}, r"it has no doclens.2.json"),
        ("metadata.json", {"nbits": 2, "num_chunks": 1}, "different numbers of tokens"),
        ("metadata.json", {"nbits": 2, "num_chunks": 0}, "without documents"),
        ("metadata.json", {"nbits": 2, "num_chunks": 2, "num_documents": 61}, "different numbers of documents"),
        ("metadata.json", [2], "no valid nbits"),
        ("doclens.1.json", [3, -1], "must be a list of numbers"),
        ("doclens.1.json", [True], "must be a list of numbers"),
        ("doclens.1.json", [2**40], "must be a list of numbers"),
        ("doclens.1.json", {"0": 3}, "must be a list of numbers"),
        ("doclens.1.json", [2**31 - 1] * 3, "different numbers of tokens"),
        ("colbert_kit_ids.json", [str(n) for n in range(60)], "colbert_kit_ids.json"),
        ("colbert_kit_ids.json", {"format_version": 1, "codes_sha256": "", "ids": ["a"] * 60}, "is there already"),
        ("colbert_kit_ids.json", {"format_version": 1, "codes_sha256": "", "ids": ["a"]}, "Pass ids= in row order"),
        ("colbert_kit_ids.json", {"format_version": 2, "codes_sha256": "", "ids": []}, "not in format 1"),
    ],
)  # fmt: skip
def test_json_that_cannot_be_right_is_refused(export, name, content, match):
    if name != "metadata.json":
        (export / "metadata.json").write_text(json.dumps({"nbits": 2, "num_chunks": 2}))
    (export / name).write_text(json.dumps(content))
    refused(export, match)


def test_deeply_nested_json_is_refused(export):
    (export / "doclens.0.json").write_text("[" * 100_000)
    refused(export, "cannot be read as JSON")


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("merged_codes", lambda a: np.where(np.arange(len(a)) == 5, -1, a), "a code is out of range"),
        ("merged_codes", lambda a: np.where(np.arange(len(a)) == 5, 2**40, a), "a code is out of range"),
        ("merged_codes", lambda a: a.astype(np.int32), "must be int64"),
        ("merged_codes", lambda a: a[:, None], "must be int64, got int64 of shape"),
        ("merged_codes", lambda a: a[:-30], "different numbers of tokens"),
        ("merged_residuals", lambda a: a[:, :-1].copy(), "residuals must have 8 bytes a token"),
        ("merged_residuals", lambda a: a.astype(np.int8), "must be uint8"),
        ("merged_residuals", lambda a: a[:-1], "different numbers of tokens"),
        ("centroids", lambda a: a[:5], "a code is out of range"),
        ("centroids", lambda a: a[:0], "must have rows"),
        ("centroids", lambda a: a[:, :12].copy(), "a multiple of 8 columns"),
        ("centroids", lambda a: a * np.float16(np.nan), "not a finite number"),
        ("centroids", lambda a: a.astype(np.float32) * 1e6, "not a finite number"),
        ("centroids", lambda a: a.astype(np.float64), "must be float16 or float32"),
        ("bucket_weights", lambda a: a[::-1].copy(), "not in ascending order"),
        ("bucket_cutoffs", lambda a: a[::-1].copy(), "not in ascending order"),
        ("bucket_cutoffs", lambda a: a[1:], "not those of 2 bits"),
        ("cluster_threshold", lambda a: a * np.inf, "not a finite number"),
        ("cluster_threshold", lambda a: np.zeros(2, np.float32), "not those of 2 bits"),
    ],
)
def test_array_that_cannot_be_right_is_refused(export, name, change, match):
    path = export / f"{name}.npy"
    np.save(path, change(np.load(path)))
    refused(export, match)


def test_index_in_the_middle_of_a_change_is_refused(export):
    for name in ("0.codes.npy", "1.residuals.npy"):
        (export / name).write_bytes(b"")
        refused(export, f"holds {name}")
        (export / name).unlink()


def test_folder_that_is_none_is_refused(tmp_path):
    refused(tmp_path / "nothing", "is no fast-plaid index of version 1.7 or later: it has no metadata.json")


def test_source_may_be_read_only_and_full_of_links(export):
    links = export.parent / "links"
    links.mkdir()
    for path in export.iterdir():
        path.chmod(0o444)
        (links / path.name).symlink_to(path)
    before = files(export)
    for folder in (export, links):
        folder.chmod(0o555)

    index = PLAID.from_fast_plaid(links, index_folder=export.parent)

    assert len(index) == 60
    assert files(export) == before
    assert len(list(links.iterdir())) == len(before)
    for folder in (export, links):
        folder.chmod(0o755)


def test_centroids_in_float32_are_taken_and_lost_bits_told(export):
    path = export / "centroids.npy"
    exact = np.load(path).astype(np.float32)
    np.save(path, exact)
    PLAID.from_fast_plaid(export, index_folder=export.parent, index_name="exact")

    np.save(path, exact * np.float32(1.0001))
    with pytest.warns(UserWarning, match="are rounded to float16, as its own search does") as told:
        PLAID.from_fast_plaid(export, index_folder=export.parent, index_name="rounded")
    assert told[0].filename == __file__


def test_ids_are_those_given_or_row_numbers_with_a_warning(export):
    index = PLAID.from_fast_plaid(export, index_folder=export.parent, ids=[f"x{n}" for n in range(60)])
    assert index(many(60)[8], k=1)[0][0]["id"] == "x8"

    for ids, match in (
        (["a"], "holds 60 documents, got 1 ids"),
        (["a"] * 60, "is there already"),
        (range(60), "strings"),
    ):
        with pytest.raises(InvalidInput, match=match):
            PLAID.from_fast_plaid(export, index_folder=export.parent, ids=ids, override=True)
    (export / "colbert_kit_ids.json").unlink()
    with pytest.warns(UserWarning, match="so the ids are row numbers") as told:
        index = PLAID.from_fast_plaid(export, index_folder=export.parent, override=True)
    assert told[0].filename == __file__
    assert index(many(60)[8], k=1)[0][0]["id"] == "8"


def test_import_replaces_an_index_only_when_told_to(export):
    index = ours(export.parent, many(5))
    with pytest.raises(InvalidInput, match="holds an index already"):
        PLAID.from_fast_plaid(export, index_folder=export.parent, index_name="ours")
    assert len(PLAID(index_folder=export.parent, index_name="ours")) == len(index) == 5

    assert len(PLAID.from_fast_plaid(export, index_folder=export.parent, index_name="ours", override=True)) == 60


def test_import_in_small_blocks_is_the_same(export, monkeypatch):
    whole = PLAID.from_fast_plaid(export, index_folder=export.parent, index_name="whole")
    monkeypatch.setattr("colbert_kit.indexes.exchange.VALUES_PER_BLOCK", 100)

    assert segment_files(
        PLAID.from_fast_plaid(export, index_folder=export.parent, index_name="parts")
    ) == segment_files(whole)


def test_export_refuses_a_folder_that_holds_something_and_an_index_without_codes(tmp_path):
    index = ours(tmp_path, many(20))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/note").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    for name in ("full", "file"):
        with pytest.raises(InvalidInput, match="holds something already"):
            index.to_fast_plaid(tmp_path / name)
    index.to_fast_plaid(tmp_path / "empty")

    small = PLAID(index_folder=tmp_path, index_name="small")
    small.add_documents(["a"], many(1))
    with pytest.raises(InvalidInput, match=r"not compressed yet, so it has no codes: call compact\(\) first"):
        small.to_fast_plaid(tmp_path / "out")
    small.compact()
    small.to_fast_plaid(tmp_path / "out")
    small.remove_documents(["a"])
    with pytest.raises(InvalidInput, match="no token embeddings"):
        small.to_fast_plaid(tmp_path / "none")
    assert {path.name for path in tmp_path.iterdir()} == {"ours", "full", "file", "empty", "small", "out"}


@pytest.mark.parametrize(
    ("name", "match"), [("codes", "a code is out of range"), ("postings", "a row is out of range")]
)
def test_export_of_a_damaged_index_is_refused(tmp_path, name, match):
    index = ours(tmp_path, many(20))
    [path] = (tmp_path / "ours/segments").glob(f"*/{name}.npy")
    np.lib.format.open_memmap(path, mode="r+")[3] = 60_000

    with pytest.raises(InvalidFolder, match=match):
        PLAID(index_folder=tmp_path, index_name="ours").to_fast_plaid(tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["ours"]
    assert len(index) == 20


def test_export_into_the_empty_folder_one_is_in(tmp_path, monkeypatch):
    index = ours(tmp_path, many(20))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    index.to_fast_plaid(".")

    assert len(PLAID.from_fast_plaid(tmp_path / "here", index_folder=tmp_path)) == 20


@pytest.mark.parametrize("name", ["numpy", "baseline"])
def test_norms_are_the_same_to_the_last_bit_whatever_the_kernel(tmp_path, monkeypatch, name):
    monkeypatch.setattr("colbert_kit.indexes.codec.kernel", lambda: open_kernel(name))
    index = ours(tmp_path, many(60))
    index.to_fast_plaid(tmp_path / "out")

    assert segment_files(PLAID.from_fast_plaid(tmp_path / "out", index_folder=tmp_path)) == segment_files(index)


def test_export_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    index = ours(tmp_path, many(20))
    monkeypatch.setattr(np, "save", lambda *_, **__: (_ for _ in ()).throw(OSError("the disk is full")))

    with pytest.raises(OSError, match="the disk is full"):
        index.to_fast_plaid(tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_snippets_of_the_guide_move_an_index_of_fast_plaid_and_one_of_pylate(fast_plaid, tmp_path, monkeypatch):
    # What PyLate leaves: fast-plaid's index with its shards beside the merged files, as before 1.7, and pickled ids.
    home = tmp_path / "pylate-indexes/colbert"
    home.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setenv("FAST_PLAID_KEEP_SHARDS", "1")
        theirs(fast_plaid, home / "fast_plaid_index", many(60)).close()
    (home / "plaid_ids_to_documents_ids.pkl").write_bytes(pickle.dumps({n: f"é{n}" for n in range(60)}))
    monkeypatch.chdir(tmp_path)
    names: dict = {}

    for snippet in re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(snippet, str(GUIDE), "exec"), names)
        if "again" in snippet:
            assert [hit["id"] for hit in names["index"](np.eye(8)[4:], k=1)[0]] == ["b"]

    assert [hit["id"] for hit in names["index"](many(60)[17], k=1)[0]] == ["é17"]
