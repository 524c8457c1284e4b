"""How search, build, memory and disk grow with the corpus, up to a million passages.

    python -m benchmarks.corpora 30000 FOLDER
    python -m benchmarks.growth FOLDER WORK_FOLDER [--passages 30000 100000 1000000] [--tokens 32]
        [--sweep] [--keep]

Real corpora of that size cannot be had here, so passages are resampled: each takes ``--tokens`` neighbouring token
embeddings of one of FOLDER's passages and adds noise to each, so that its cosine to the source is 0.90. They are made
block by block from a seed, for building and again for the exact rankings, and never held whole. WORK_FOLDER needs
about 350 bytes a token embedding while an index is built; it keeps the exact rankings, and with ``--keep`` the indexes,
for the next run. ``--sweep`` prints other settings of the search too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpora import Encoded
from benchmarks.machine import MemoryWatch, describe
from colbert_kit.folders import Commit, Snapshot, exists
from colbert_kit.indexes import IndexReader, IndexSection, SearchConfig, stage_documents_embeddings
from colbert_kit.scores import PackedEmbeddings, kernel, maxsim

K = 10
BLOCK = 8192
COSINE = 0.90
NUM_QUERIES = 200

SWEEP = [
    SearchConfig(nprobe, approximated, rescored)
    for nprobe, approximated, rescored in (
        (4, 8192, 1024), (4, 8192, 2048), (4, 16384, 1024), (4, 16384, 4096), (8, 8192, 2048), (8, 16384, 2048),
        (8, 16384, 4096), (16, 32768, 8192), (32, 65536, 16384),
    )
]  # fmt: skip


def main() -> None:
    """Measure and print one row a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--passages", type=int, nargs="+", default=[30_000, 100_000, 1_000_000])
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--child", choices=("build", "search"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = Sizes(arguments.folder, arguments.work, arguments.passages[0], arguments.tokens)
    if arguments.child:
        found = build(sizes) if arguments.child == "build" else search(sizes, arguments.sweep)
        print(json.dumps(found))
        return
    print(f"{describe()}; kernel {kernel().name}; {NUM_QUERIES} queries, one at a time, k = {K}")
    for number in arguments.passages:
        command = [sys.executable, "-m", "benchmarks.growth", str(arguments.folder), str(arguments.work)]
        command += ["--passages", str(number), "--tokens", str(arguments.tokens)]
        command += ["--sweep"] if arguments.sweep else []
        index = Sizes(arguments.folder, arguments.work, number, arguments.tokens).index
        if not exists(index):
            built = said([*command, "--child", "build"])
            print(
                f"{number:,} passages, {number * arguments.tokens:,} tokens at cosine {built['cosine']:.3f}: built in "
                f"{built['seconds']:.0f} s, peak {built['peak']:.2f} GiB, of it {built['own']:.2f} not of files, "
                f"{built['disk']:.2f} GiB on disk",
                flush=True,
            )
        for name, row in said([*command, "--child", "search"]).items():
            print(
                f"{number:10,} {name:22} p50 {row['p50']:6.2f} ms, p95 {row['p95']:6.2f}, on one core "
                f"{row['single']:6.2f}, recall@10 {row['recall']:.4f}",
                flush=True,
            )
        if not arguments.keep:
            shutil.rmtree(index)


def said(command: list[str]) -> Any:  # noqa: ANN401 - what a child found
    """A child's last line."""
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


@dataclass(frozen=True)
class Sizes:
    """What is measured, and where it lies."""

    folder: Path
    work: Path
    number: int
    tokens: int

    @property
    def index(self) -> Path:
        """The index's folder."""
        return self.work / f"index_{self.number}_{self.tokens}"


def build(sizes: Sizes) -> dict[str, float]:
    """Build the index as a stream of blocks."""
    source = Encoded.load(sizes.folder).documents
    start = time.perf_counter()
    with MemoryWatch() as memory, Commit(sizes.index, replace=True) as commit:
        IndexSection.plaid(nbits=4, exact_below=0).stage(commit)
        made = blocks(source, sizes.number, sizes.tokens)
        stage_documents_embeddings(commit, map(str, range(sizes.number)), made)
    seconds = time.perf_counter() - start
    disk = sum(path.stat().st_size for path in sizes.index.rglob("*") if path.is_file()) / 2**30
    cosine = float(np.mean([np.vdot(*pair) for pair in zip(*next(pairs(source, 256, sizes.tokens)), strict=True)]))
    return {"seconds": seconds, "peak": memory.peak, "own": memory.own, "disk": disk, "cosine": cosine / sizes.tokens}


def search(sizes: Sizes, sweep: bool) -> dict[str, dict[str, float]]:
    """Search it, with two threads and with one."""
    encoded = Encoded.load(sizes.folder)
    queries = encoded.natural[:NUM_QUERIES]
    reader = IndexReader(Snapshot(sizes.index))
    packed = [PackedEmbeddings.pack([query]) for query in queries]
    figures: dict[str, dict[str, float]] = {}
    rankings = {}
    configs = {"defaults": SearchConfig()} | (
        {f"{one.nprobe}/{one.num_approximated}/{one.num_rescored}": one for one in SWEEP} if sweep else {}
    )
    for name, config in configs.items():
        rankings[name], seconds = timed(reader, packed, config)
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        _, single = timed(reader, packed, config)
        os.sched_setaffinity(0, cores)
        p50, p95 = np.percentile(seconds, (50, 95)) * 1e3
        figures[name] = {"p50": p50, "p95": p95, "single": float(np.median(single)) * 1e3}
    truth = exact(sizes, encoded.documents, queries).tolist()
    for name, found in rankings.items():
        hits = [len(set(one) & set(best)) / K for one, best in zip(found, truth, strict=True)]
        figures[name]["recall"] = float(np.mean(hits))
    return figures


def timed(
    reader: IndexReader, queries: list[PackedEmbeddings], config: SearchConfig
) -> tuple[list[list[int]], list[float]]:
    """Rankings, and seconds of each query the second time round."""
    for _ in range(2):
        rankings, seconds = [], []
        for query in queries:
            start = time.perf_counter()
            [ranking] = reader.search(query, K, None, config)
            seconds.append(time.perf_counter() - start)
            rankings.append([row for row, _ in ranking])
    return rankings, seconds


def exact(sizes: Sizes, source: PackedEmbeddings, queries: list[NDArray[Any]]) -> NDArray[Any]:
    """The true first ``K`` of each query, from the blocks made once more; kept in the work folder."""
    kept = sizes.work / f"truth_{sizes.number}_{sizes.tokens}.npy"
    if kept.exists():
        known: NDArray[Any] = np.load(kept)
        return known
    packed = PackedEmbeddings.pack(queries)
    best = np.full((len(queries), K), -np.inf, dtype=np.float32)
    rows = np.zeros((len(queries), K), dtype=np.int64)
    first = 0
    for block in blocks(source, sizes.number, sizes.tokens):
        scores = np.concatenate([best, maxsim(packed, block)], axis=1)
        these = np.broadcast_to(np.arange(first, first + len(block)), (len(queries), len(block)))
        numbers = np.concatenate([rows, these], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        best, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(numbers, order, 1)
        first += len(block)
        print(f"exact rankings: {first:,} of {sizes.number:,}", file=sys.stderr, flush=True)
    np.save(kept, rows)
    return rows


def blocks(source: PackedEmbeddings, number: int, tokens: int) -> Iterator[PackedEmbeddings]:
    """Passages ``0 ... number - 1``, the same ones each time."""
    for made, _ in pairs(source, number, tokens):
        yield PackedEmbeddings(made.reshape(-1, made.shape[-1]), np.full(len(made), tokens))


def pairs(source: PackedEmbeddings, number: int, tokens: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Blocks of passages ``(n, tokens, dim)`` and, alike, what they were made from."""
    dim = source.dim
    long_enough = np.flatnonzero(source.lengths >= tokens)
    scale = np.float32(np.sqrt((1 / COSINE**2 - 1) / dim))
    for start in range(0, number, BLOCK):
        generator = np.random.default_rng((7, start))
        rows = generator.choice(long_enough, min(BLOCK, number - start))
        firsts = source.offsets[rows] + generator.integers(0, source.lengths[rows] - tokens + 1)
        # Ascending, so that the mapped file is read from front to back.
        firsts.sort()
        taken = source.embeddings[firsts[:, None] + np.arange(tokens)].astype(np.float32)
        made = taken + scale * generator.standard_normal(taken.shape, dtype=np.float32)
        yield made / np.linalg.norm(made, axis=-1, keepdims=True), taken


if __name__ == "__main__":
    main()
