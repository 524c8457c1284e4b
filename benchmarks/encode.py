"""Encoding SciFact abstracts: ``encode_documents`` (ours) beside ``MultiVectorEncoder.encode_document``.

    python -m benchmarks.encode [NUMBER]

Both run in turn on the same texts, with sentence-transformers' default batch size of 32.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from benchmarks.machine import demo_texts, describe
from colbert_kit import models, scores

ROUNDS = 3
QUERIES = ("does vitamin D prevent flu?", "stem cells repair the heart", "aspirin and cancer", "antibiotic resistance")


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 768
    print(describe())
    model = models.load_demo_encoder("cpu")
    dtype = models.choose_dtype("auto", model.device)
    texts = demo_texts(number)
    seconds: dict[str, list[float]] = {"theirs": [], "float32": [], "auto": []}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        reference = scores.PackedEmbeddings.pack(model.encode_document(texts, batch_size=32, show_progress_bar=False))
        seconds["theirs"].append(time.perf_counter() - start)
        for name in ("float32", "auto") if dtype != "float32" else ("float32",):
            start = time.perf_counter()
            batches = list(models.encode_documents(model, texts, dtype=name))
            seconds[name].append(time.perf_counter() - start)
    packed = scores.PackedEmbeddings.pack([array for batch in batches for array in batch])
    medians = {name: statistics.median(values) for name, values in seconds.items() if values}
    print(f"{number} abstracts, {len(packed.embeddings):,} tokens, median of {ROUNDS}; 'auto' is {dtype} here")
    for name, value in medians.items():
        print(f"{name:8} {number / value:7.1f} documents/s   {medians['theirs'] / value:.2f}x")
    print(f"top-10 overlap over {len(QUERIES)} queries: {_overlap(model, reference, packed):.3f}")


def _overlap(model: object, left: scores.PackedEmbeddings, right: scores.PackedEmbeddings) -> float:
    [queries] = models.encode_queries(model, QUERIES)
    best = [np.argsort(-scores.maxsim(queries, side), axis=1)[:, :10] for side in (left, right)]
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*best, strict=True)]))


if __name__ == "__main__":
    main()
