"""Building an index: ours beside ``FastPlaid.create`` on the same token embeddings.

    python -m benchmarks.corpora 30000 FOLDER
    python -m benchmarks.build FOLDER [--passages N] [--without-peer] [--keep]

Each build runs in a process of its own, ours once before theirs and twice after it: a machine's pace drifts in the
quarter of an hour that theirs takes. Ours includes writing, hashing and syncing the folder, not the one compilation of
the kernel, which comes before. What ``--keep`` leaves is what ``benchmarks.search FOLDER`` searches.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.corpora import Encoded
from benchmarks.machine import describe
from colbert_kit.scores import PackedEmbeddings, kernel

NAMES = {"ours": "plaid", "theirs": "fast_plaid"}
"""Folders of the indexes, as ``benchmarks.search`` looks for them."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passages", type=int, default=None)
    parser.add_argument("--without-peer", action="store_true", help="only ours")
    parser.add_argument("--keep", action="store_true", help="the indexes, in FOLDER")
    parser.add_argument("--child", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.keep and arguments.passages:
        parser.error("--keep goes without --passages: benchmarks.search asks indexes of all passages")
    if arguments.child:
        build(arguments.child, arguments.folder, arguments.passages, arguments.keep)
        return
    print(describe())
    kernel()
    for child in ("ours",) * 3 if arguments.without_peer else ("ours", "theirs", "ours", "ours"):
        command = [sys.executable, "-m", "benchmarks.build", str(arguments.folder), "--child", child]
        if arguments.passages:
            command += ["--passages", str(arguments.passages)]
        if arguments.keep:
            command += ["--keep"]
        read_ahead(arguments.folder / "documents.npy")
        # Ours ends with everything on the disk, and is not to wait for what others wrote.
        os.sync()
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


def read_ahead(path: Path) -> None:
    """Bring a file into the page cache: ours reads it while it builds, theirs is given tensors."""
    with path.open("rb") as file:
        while file.read(2**24):
            pass


def build(child: str, folder: Path, number: int | None, keep: bool) -> None:
    """Build one index and print seconds, peak memory and size."""
    documents = Encoded.load(folder).documents
    number = number or len(documents)
    packed = PackedEmbeddings(documents.embeddings[: documents.offsets[number]], documents.lengths[:number])
    work = folder if keep else folder / "build_benchmark"
    output = work / NAMES[child]
    shutil.rmtree(output, ignore_errors=True)
    if keep and child == "ours":
        # What benchmarks.search had exported of the index before.
        shutil.rmtree(folder / "fast_plaid_of_ours", ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if child == "ours":
        from colbert_kit.indexes import PLAID

        start = time.perf_counter()
        index = PLAID(work, NAMES["ours"], exact_below=0)
        index.add_documents([str(row) for row in range(number)], packed)
        seconds = time.perf_counter() - start
        index.vacuum(grace_seconds=0)
    else:
        import torch
        from fast_plaid.search import FastPlaid

        tensors = [torch.from_numpy(np.array(one, dtype=np.float32)) for one in packed]
        start = time.perf_counter()
        FastPlaid(index=str(output), device="cpu").create(documents_embeddings=tensors, nbits=4)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(
        f"{child:7} {number:,} documents, {len(packed.embeddings):,} tokens: {seconds:8.1f} s, "
        f"peak {(peak - before) / 2**20:.2f} GiB above the start, {size / len(packed.embeddings):.1f} bytes a token"
    )
    if not keep:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
