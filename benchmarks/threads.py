"""Many threads searching one index at a time: the same hits, and no less throughput than one after another.

    python -m benchmarks.threads SEARCHER_FOLDER BEIR_FOLDER [--threads 8] [--queries 500]

The folder is one that ``Searcher.build`` or ``colbert-kit index`` wrote of the BEIR folder's corpus.
"""

from __future__ import annotations

import argparse
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.machine import describe
from colbert_kit import Searcher, data
from colbert_kit.searcher import Hit


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("searcher")
    parser.add_argument("beir")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--queries", type=int, default=500)
    arguments = parser.parse_args()
    texts = list(itertools.islice(data.read_queries(arguments.beir).values(), arguments.queries))
    searcher = Searcher.open(arguments.searcher, dtype="float32")
    print(f"{describe()}; {len(searcher):,} documents, compressed: {searcher.is_compressed}; {len(texts)} queries")
    searcher.warm()
    searcher.search(texts[0])

    def ranking(text: str) -> list[tuple[str, float]]:
        return [(hit.id, hit.score) for hit in searcher.search(text)]

    start = time.perf_counter()
    serial = [ranking(text) for text in texts]
    alone = time.perf_counter() - start
    with ThreadPoolExecutor(arguments.threads) as executor:
        start = time.perf_counter()
        threaded = list(executor.map(ranking, texts))
        beside = time.perf_counter() - start
    start = time.perf_counter()
    batched = searcher.search_many(texts)
    many = time.perf_counter() - start
    print(f"one after another   {alone:6.1f} s  {len(texts) / alone:6.1f} queries/s")
    print(f"{arguments.threads} threads           {beside:6.1f} s  {len(texts) / beside:6.1f} queries/s")
    print(f"search_many         {many:6.1f} s  {len(texts) / many:6.1f} queries/s")
    print(f"hits and scores equal: threads {threaded == serial}, search_many {close(batched, serial)}")


def close(batched: list[list[Hit]], serial: list[list[tuple[str, float]]]) -> str:
    """A batch is encoded in other shapes, so scores differ in their last digits."""
    pairs = list(zip(batched, serial, strict=True))
    same = sum([hit.id for hit in hits] == [one for one, _ in ranking] for hits, ranking in pairs)
    differences = [abs(a.score - b[1]) for hits, ranking in pairs for a, b in zip(hits, ranking, strict=True)]
    return f"{same} of {len(serial)} in the same order, scores within {max(differences):.1e}"


if __name__ == "__main__":
    main()
