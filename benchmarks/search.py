"""One query at a time: ours beside fast-plaid, at matched recall, in one run.

    python -m benchmarks.corpora 30000 FOLDER
    python -m benchmarks.search FOLDER [--kind natural|expanded] [--rounds 5] [--queries 512]

Both engines index the same token embeddings (ours is built where FOLDER/plaid is missing, fast-plaid's where
FOLDER/fast_plaid is, which takes it long). Recall@10 is against exact MaxSim on the float embeddings. All settings take
turns, round by round, and each figure is the median of its rounds; no query is left out. fast-plaid runs without its
progress bar, with torch's threads as they are, warmed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.corpora import Encoded
from benchmarks.machine import describe
from colbert_kit.indexes import PLAID, SearchConfig
from colbert_kit.scores import PackedEmbeddings, kernel, maxsim

K = 10

OURS: dict[str, SearchConfig] = {
    "colbert_kit, defaults": SearchConfig(),
    **{
        f"colbert_kit {probe}/{approximated}/{rescored}": SearchConfig(probe, approximated, rescored)
        for probe, approximated, rescored in (
            (8, 8192, 2048), (8, 4096, 1024), (4, 4096, 512), (4, 4096, 256), (4, 2048, 256), (4, 1024, 128),
            (2, 1024, 128), (2, 512, 64),
        )
    },
}  # fmt: skip
THEIRS = {
    "fast-plaid, defaults": {},
    "fast-plaid 4/1024": {"n_ivf_probe": 4, "n_full_scores": 1024},
    "fast-plaid 2/256": {"n_ivf_probe": 2, "n_full_scores": 256},
}

Search = Callable[[NDArray[np.float32]], list[int]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=("natural", "expanded"), default="natural")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=512)
    parser.add_argument("--without-peer", action="store_true", help="only ours")
    arguments = parser.parse_args()
    encoded = Encoded.load(arguments.folder)
    queries = getattr(encoded, arguments.kind)[: arguments.queries]
    truth = exact_rankings(arguments.folder, encoded, arguments.kind)[: len(queries), :K]
    engines = ours(arguments.folder, encoded)
    if not arguments.without_peer:
        engines |= theirs(arguments.folder, encoded)
    print(f"{describe()}; kernel {kernel().name}; {torch.get_num_threads()} torch threads")
    print(
        f"{len(encoded.documents):,} documents, {len(encoded.documents.embeddings):,} token embeddings; {len(queries)} "
        f"queries of {statistics.mean(map(len, queries)):.1f} tokens; median of {arguments.rounds} rounds"
    )
    rows = measure(engines, queries, truth, arguments.rounds)
    print(f"{'engine, probes/approximated/rescored':40} {'p50 ms':>8} {'p95 ms':>8} {'recall@10':>10}")
    for name, (p50, p95, recall) in rows.items():
        print(f"{name:40} {p50:8.2f} {p95:8.2f} {recall:10.4f}")
    print_ratios(rows)


def measure(
    engines: dict[str, Search], queries: list[NDArray[np.float32]], truth: NDArray[Any], rounds: int
) -> dict[str, tuple[float, float, float]]:
    """``(p50 ms, p95 ms, recall)`` of each engine."""
    percentiles: dict[str, list[NDArray[Any]]] = {name: [] for name in engines}
    recalls = {}
    for name, search in engines.items():
        recalls[name] = recall_of([search(query) for query in queries], truth)
    for _ in range(rounds):
        for name, search in engines.items():
            seconds = []
            for query in queries:
                start = time.perf_counter()
                search(query)
                seconds.append(time.perf_counter() - start)
            percentiles[name].append(np.percentile(seconds, (50, 95)) * 1e3)
    medians = {name: np.median(values, axis=0) for name, values in percentiles.items()}
    return {name: (float(medians[name][0]), float(medians[name][1]), recalls[name]) for name in engines}


def print_ratios(rows: dict[str, tuple[float, float, float]]) -> None:
    """For each of their settings, the fastest of ours whose recall is at most 0.002 below."""
    for name, (p50, _, recall) in rows.items():
        if not name.startswith("fast-plaid"):
            continue
        enough = [(row[0], other) for other, row in rows.items() if other in OURS and row[2] >= recall - 0.002]
        if enough:
            fastest, other = min(enough)
            print(f"{name}: {p50 / fastest:.1f}x by {other}")
        else:
            print(f"{name}: none of ours reaches recall {recall:.4f}")


def recall_of(rankings: list[list[int]], truth: NDArray[Any]) -> float:
    """Part of the true first ``K`` that were found."""
    return float(np.mean([len(set(one) & set(best)) / K for one, best in zip(rankings, truth.tolist(), strict=True)]))


def exact_rankings(folder: Path, encoded: Encoded, kind: str) -> NDArray[Any]:
    """The true first 100 documents of each query, kept in the folder."""
    path = folder / f"truth_{kind}.npy"
    if not path.exists():
        parts = []
        queries = getattr(encoded, kind)
        for start in range(0, len(queries), 32):
            scores = maxsim(PackedEmbeddings.pack(queries[start : start + 32]), encoded.documents)
            parts.append(np.argsort(-scores, axis=1, kind="stable")[:, :100])
        np.save(path, np.concatenate(parts))
    found: NDArray[Any] = np.load(path)
    return found


def ours(folder: Path, encoded: Encoded) -> dict[str, Search]:
    """Our settings over one index."""
    index = PLAID(folder, "plaid", exact_below=0)
    if not len(index):
        index.add_documents([str(row) for row in range(len(encoded.documents))], encoded.documents)

    def searching(config: SearchConfig) -> Search:
        return lambda query: [int(hit["id"]) for hit in index([query], k=K, config=config)[0]]

    return {name: searching(config) for name, config in OURS.items()}


def theirs(folder: Path, encoded: Encoded) -> dict[str, Search]:
    """fast-plaid's settings over one index."""
    from fast_plaid.search import FastPlaid

    is_new = not (folder / "fast_plaid" / "metadata.json").exists()
    index = FastPlaid(index=str(folder / "fast_plaid"), device="cpu")
    if is_new:
        documents = [torch.from_numpy(np.array(one, dtype=np.float32)) for one in encoded.documents]
        index.create(documents_embeddings=documents, nbits=4)

    def searching(options: dict[str, int]) -> Search:
        def search(query: NDArray[np.float32]) -> list[int]:
            [ranking] = index.search(torch.from_numpy(query)[None], top_k=K, show_progress=False, **options)
            return [row for row, _ in ranking]

        return search

    return {name: searching(options) for name, options in THEIRS.items()}


if __name__ == "__main__":
    main()
