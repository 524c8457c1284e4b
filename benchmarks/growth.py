"""How search, build, memory and disk grow with the corpus, up to a million passages.

    python -m benchmarks.corpora 30000 FOLDER
    python -m benchmarks.growth FOLDER WORK_FOLDER [--passages 30000 100000 1000000] [--tokens 32] [--dim 128]

Real corpora of that size cannot be had here, so passages are resampled: each takes ``--tokens`` neighbouring token
embeddings of one of FOLDER's passages and adds noise to each, so that its cosine to the source is 0.90. They are made
block by block from a seed, for building and again for the exact rankings, and never held whole. WORK_FOLDER needs about
350 bytes a token embedding while an index is built.
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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpora import Encoded
from benchmarks.machine import MemoryWatch, describe
from colbert_kit.folders import Commit, Snapshot
from colbert_kit.indexes import IndexReader, IndexSection, stage_documents_embeddings
from colbert_kit.scores import PackedEmbeddings, kernel, maxsim

K = 10
BLOCK = 8192
COSINE = 0.90
NUM_QUERIES = 200


def main() -> None:
    """Measure and print one row a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--passages", type=int, nargs="+", default=[30_000, 100_000, 1_000_000])
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--child", choices=("build", "search"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child = {"build": build, "search": search}[arguments.child]
        print(json.dumps(child(arguments.folder, arguments.work, arguments.passages[0], arguments.tokens)))
        return
    print(f"{describe()}; kernel {kernel().name}; {NUM_QUERIES} queries, one at a time, default settings, k = {K}")
    print(
        f"{'passages':>10} {'tokens':>11} {'cosine':>7} {'build s':>8} {'peak GiB':>9} {'own':>9} {'disk GiB':>9} "
        f"{'p50 ms':>7} {'p95 ms':>7} {'1 core':>7} {'recall@10':>10}"
    )
    for number in arguments.passages:
        row: dict[str, float] = {}
        for name in ("build", "search"):
            command = [sys.executable, "-m", "benchmarks.growth", str(arguments.folder), str(arguments.work)]
            command += ["--passages", str(number), "--tokens", str(arguments.tokens), "--child", name]
            row |= json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        print(
            f"{number:10,} {number * arguments.tokens:11,} {row['cosine']:7.3f} {row['seconds']:8.0f} "
            f"{row['peak']:9.2f} {row['own']:9.2f} {row['disk']:9.2f} {row['p50']:7.2f} {row['p95']:7.2f} "
            f"{row['single']:7.2f} {row['recall']:10.4f}",
            flush=True,
        )
        shutil.rmtree(arguments.work / "index", ignore_errors=True)


def build(folder: Path, work: Path, number: int, tokens: int) -> dict[str, float]:
    """Build the index as a stream of blocks."""
    source = Encoded.load(folder).documents
    shutil.rmtree(work / "index", ignore_errors=True)
    start = time.perf_counter()
    with MemoryWatch() as memory, Commit(work / "index", replace=True) as commit:
        IndexSection.plaid(nbits=4, exact_below=0).stage(commit)
        stage_documents_embeddings(commit, map(str, range(number)), blocks(source, number, tokens))
    seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in (work / "index").rglob("*") if path.is_file())
    cosine = float(np.mean([np.vdot(*pair) for pair in zip(*next(pairs(source, 256, tokens)), strict=True)]))
    return {"seconds": seconds, "peak": memory.peak, "own": memory.own, "disk": size / 2**30, "cosine": cosine / tokens}


def search(folder: Path, work: Path, number: int, tokens: int) -> dict[str, float]:
    """Search it, with two threads and with one."""
    encoded = Encoded.load(folder)
    queries = encoded.natural[:NUM_QUERIES]
    reader = IndexReader(Snapshot(work / "index"))
    one_by_one = [PackedEmbeddings.pack([query]) for query in queries]
    found = [[row for row, _ in reader.search(one, K, None)[0]] for one in one_by_one]
    seconds = timed(reader, one_by_one)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    single = timed(reader, one_by_one)
    os.sched_setaffinity(0, cores)
    truth = exact(encoded.documents, queries, number, tokens)
    recall = np.mean([len(set(one) & set(best)) / K for one, best in zip(found, truth.tolist(), strict=True)])
    p50, p95 = np.percentile(seconds, (50, 95)) * 1e3
    return {"p50": p50, "p95": p95, "single": float(np.median(single)) * 1e3, "recall": float(recall)}


def timed(reader: IndexReader, queries: list[PackedEmbeddings]) -> list[float]:
    """Seconds of each query, the second time round."""
    seconds = []
    for query in queries * 2:
        start = time.perf_counter()
        reader.search(query, K, None)
        seconds.append(time.perf_counter() - start)
    return seconds[len(queries) :]


def exact(source: PackedEmbeddings, queries: list[NDArray[Any]], number: int, tokens: int) -> NDArray[Any]:
    """The true first ``K`` of each query, from the blocks made once more."""
    packed = PackedEmbeddings.pack(queries)
    best = np.full((len(queries), K), -np.inf, dtype=np.float32)
    rows = np.zeros((len(queries), K), dtype=np.int64)
    first = 0
    for block in blocks(source, number, tokens):
        scores = np.concatenate([best, maxsim(packed, block)], axis=1)
        these = np.broadcast_to(np.arange(first, first + len(block)), (len(queries), len(block)))
        numbers = np.concatenate([rows, these], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        best, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(numbers, order, 1)
        first += len(block)
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
