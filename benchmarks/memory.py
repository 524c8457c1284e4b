"""Peak memory of building and searching, from texts to compressed index, beside the encoder's own.

    python -m benchmarks.memory WORK_FOLDER [--passages 277000] [--layers 6] [--data FOLDER]

Single WordNet, Debian and man passages through ``Searcher.build`` with the demo encoder. With fewer ``--layers`` only
the first so many of the encoder's six run: memory is what is measured, and it does not depend on them. Rows: encoding;
each later stage; then 200 searches of the opened folder.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from benchmarks.corpora import DATA, passages, queries
from benchmarks.machine import MemoryWatch, describe
from colbert_kit import Searcher, models
from colbert_kit.progress import Progress


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--passages", type=int, default=277_000)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    print(describe())
    texts = passages(arguments.data, words=0)[: arguments.passages]
    model = models.load_demo_encoder("cpu")
    encoder = model[0].auto_model.encoder
    encoder.layer = encoder.layer[: arguments.layers]
    documents = ({"id": str(number), "text": text} for number, text in enumerate(texts))
    folder = arguments.work / "index"
    shutil.rmtree(folder, ignore_errors=True)
    with MemoryWatch() as memory:
        stage = "encoding"

        def on_progress(progress: Progress) -> None:
            nonlocal stage
            if progress.stage != stage:
                report(stage, memory)
                stage = progress.stage
            if progress.done % 20_480 == 0:
                print(f"{progress.stage} {progress.done}", file=sys.stderr, flush=True)

        print(f"{len(texts):,} passages; GiB above the loaded model: in all, and without pages of files")
        start = time.perf_counter()
        searcher = Searcher.build(folder, model, documents, dtype="float32", on_progress=on_progress, total=len(texts))
        report(f"{stage} and writing", memory)
        seconds = time.perf_counter() - start
    searcher.vacuum(grace_seconds=0)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"built in {seconds:.0f} s; {len(searcher):,} documents, {size / 2**30:.2f} GiB on disk")
    searcher = Searcher.open(folder, model, dtype="float32")
    with MemoryWatch() as memory:
        for query in queries(arguments.data)[:200]:
            searcher.search(query)
    report("200 searches", memory)


def report(stage: str, memory: MemoryWatch) -> None:
    """One row, and begin anew."""
    print(f"{stage:24} {memory.peak:7.2f} {memory.own:7.2f}", flush=True)
    memory.restart()


if __name__ == "__main__":
    main()
