"""One query at a time: ours beside fast-plaid, at matched recall, in one run.

    python -m benchmarks.corpora 30000 FOLDER
    python -m benchmarks.search FOLDER [--kind natural|expanded] [--rounds 5] [--queries 512]

Both engines index the same token embeddings (ours is built where FOLDER/plaid is missing, fast-plaid's where
FOLDER/fast_plaid is, which takes it long). Recall@10 is against exact MaxSim on the float embeddings. All settings take
turns, round by round, and each figure is the median of its rounds; no query is left out. ``spread`` is p95 / p50 among
queries of the most frequent length; ``steady`` is the same of each query's median over the rounds, so that what the
machine does beside is out of it and what the queries differ by stays. fast-plaid runs without its progress bar, with
torch's threads as they are, warmed. Two rows are of the first round alone: exact MaxSim, and fast-plaid with its
defaults on the index that we built, whose recall beside that on its own says what our build is worth.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
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
WARMING = 16

OURS: dict[str, SearchConfig] = {
    "colbert_kit, defaults": SearchConfig(),
    **{
        f"colbert_kit {probe}/{approximated}/{rescored}": SearchConfig(probe, approximated, rescored)
        for probe, approximated, rescored in (
            (8, 8192, 2048), (8, 4096, 1024), (4, 4096, 768), (4, 4096, 512), (4, 4096, 256), (4, 2048, 256),
            (4, 1024, 128), (2, 1024, 128), (2, 768, 96), (2, 512, 64),
        )
    },
}  # fmt: skip
THEIRS = {
    "fast-plaid, defaults": {},
    "fast-plaid 4/1024": {"n_ivf_probe": 4, "n_full_scores": 1024},
    "fast-plaid 4/256": {"n_ivf_probe": 4, "n_full_scores": 256},
    "fast-plaid 2/256": {"n_ivf_probe": 2, "n_full_scores": 256},
}

EXACT = "exact MaxSim of all documents, float16"
OUR_BUILD = "fast-plaid, defaults, on our index"
ONCE = {EXACT, OUR_BUILD}
"""Measured in the first round alone."""

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
    engines = {EXACT: exact(encoded)} | ours(arguments.folder, encoded)
    if not arguments.without_peer:
        engines |= theirs(arguments.folder, encoded)
    print(f"{describe()}; kernel {kernel().name}; {torch.get_num_threads()} torch threads")
    print(
        f"{len(encoded.documents):,} documents, {len(encoded.documents.embeddings):,} token embeddings; {len(queries)} "
        f"queries of {statistics.mean(map(len, queries)):.1f} tokens; median of {arguments.rounds} rounds"
    )
    rows = measure(engines, queries, truth, arguments.rounds)
    heads = "".join(f" {head:>8}" for head in ("p50 ms", "p95 ms", "spread", "steady"))
    print(f"{'engine, probes/approximated/rescored':40}{heads} {'recall@10':>10}")
    for name, row in rows.items():
        print(f"{name:40} {row.p50:8.2f} {row.p95:8.2f} {row.spread:8.2f} {row.steady:8.2f} {row.recall:10.4f}")
    print_ratios(rows)


@dataclass(frozen=True)
class Row:
    """Milliseconds a query; ``spread`` and ``steady`` as the module says."""

    p50: float
    p95: float
    spread: float
    steady: float
    recall: float

    @classmethod
    def of(cls, milliseconds: NDArray[np.float64], recall: float, usual: NDArray[np.bool_]) -> Row:
        """From one row a round and one column a query; ``usual`` marks those of the most frequent length."""
        p50, p95 = np.percentile(milliseconds, (50, 95), axis=1)
        middles, ends = np.percentile(milliseconds[:, usual], (50, 95), axis=1)
        middle, end = np.percentile(np.median(milliseconds[:, usual], axis=0), (50, 95))
        spread = float(np.median(ends / middles))
        return cls(float(np.median(p50)), float(np.median(p95)), spread, float(end / middle), recall)


def measure(
    engines: dict[str, Search], queries: list[NDArray[np.float32]], truth: NDArray[Any], rounds: int
) -> dict[str, Row]:
    """One row an engine."""
    lengths = np.asarray([len(query) for query in queries])
    usual = lengths == np.bincount(lengths).argmax()
    figures: dict[str, list[NDArray[Any]]] = {name: [] for name in engines}
    recalls = {}
    for search in engines.values():
        for query in queries[:WARMING]:
            search(query)
    for number in range(rounds):
        taking = {name: search for name, search in engines.items() if number == 0 or name not in ONCE}
        for name, search in taking.items():
            seconds, rankings = [], []
            for query in queries:
                start = time.perf_counter()
                rankings.append(search(query))
                seconds.append(time.perf_counter() - start)
            figures[name].append(np.asarray(seconds) * 1e3)
            recalls[name] = recall_of(rankings, truth)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for name in taking:
            p50 = np.median(figures[name][-1])
            print(f"  {name}: {p50:.2f} ms, recall {recalls[name]:.4f}", file=sys.stderr, flush=True)
    return {name: Row.of(np.stack(taken), recalls[name], usual) for name, taken in figures.items()}


def print_ratios(rows: dict[str, Row]) -> None:
    """For each of their settings, the fastest of ours whose recall is at most 0.002 below."""
    for name, theirs in rows.items():
        if name not in THEIRS:
            continue
        enough = [
            (row.p50, other) for other, row in rows.items() if other in OURS and row.recall >= theirs.recall - 0.002
        ]
        if enough:
            fastest, other = min(enough)
            print(f"{name}: {theirs.p50 / fastest:.1f}x by {other}")
        else:
            print(f"{name}: none of ours reaches recall {theirs.recall:.4f}")


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


def exact(encoded: Encoded) -> Search:
    """Every document scored, as an index that is not compressed does."""

    def search(query: NDArray[np.float32]) -> list[int]:
        scores = maxsim(PackedEmbeddings.pack([query]), encoded.documents)[0]
        best: list[int] = np.argsort(-scores, kind="stable")[:K].tolist()
        return best

    return search


def ours(folder: Path, encoded: Encoded) -> dict[str, Search]:
    """Our settings over one index."""
    index = PLAID(folder, "plaid", exact_below=0)
    if not len(index):
        index.add_documents([str(row) for row in range(len(encoded.documents))], encoded.documents)

    def searching(config: SearchConfig) -> Search:
        return lambda query: [int(hit["id"]) for hit in index([query], k=K, config=config)[0]]

    return {name: searching(config) for name, config in OURS.items()}


def theirs(folder: Path, encoded: Encoded) -> dict[str, Search]:
    """fast-plaid's settings over its own index, and its defaults over ours."""
    from fast_plaid.search import FastPlaid

    exported = folder / "fast_plaid_of_ours"
    if not exported.exists():
        PLAID(folder, "plaid").to_fast_plaid(exported)

    is_new = not (folder / "fast_plaid" / "metadata.json").exists()
    index = FastPlaid(index=str(folder / "fast_plaid"), device="cpu")
    if is_new:
        documents = [torch.from_numpy(np.array(one, dtype=np.float32)) for one in encoded.documents]
        index.create(documents_embeddings=documents, nbits=4)

    def searching(index: FastPlaid, options: dict[str, int]) -> Search:
        def search(query: NDArray[np.float32]) -> list[int]:
            [ranking] = index.search(torch.from_numpy(query)[None], top_k=K, show_progress=False, **options)
            return [row for row, _ in ranking]

        return search

    own = {name: searching(index, options) for name, options in THEIRS.items()}
    return own | {OUR_BUILD: searching(FastPlaid(index=str(exported), device="cpu"), {})}


if __name__ == "__main__":
    main()
