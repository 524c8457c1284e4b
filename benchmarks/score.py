"""Exact MaxSim of one query with 1,000 SciFact abstracts: packed (ours) beside ``model.similarity``.

python -m benchmarks.score
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.machine import demo_texts, describe
from colbert_kit import models, scores

ROUNDS = 9
QUERY = "does aspirin lower the risk of colorectal cancer in patients with hereditary predisposition?"


def main() -> None:
    print(describe())
    model = models.load_demo_encoder("cpu")
    packed = [*models.encode_documents(model, demo_texts(1000))]
    documents = scores.PackedEmbeddings.pack([array for batch in packed for array in batch])
    [query] = models.encode_queries(model, [QUERY])
    as_list = [torch.from_numpy(np.asarray(array)) for array in documents]
    as_tensor = torch.from_numpy(query.embeddings)
    theirs, their_scores = _median(lambda: model.similarity([as_tensor], as_list).numpy())
    ours, our_scores = _median(lambda: scores.maxsim(query, documents))
    tokens = f"{len(query.embeddings)} query tokens, {len(documents.embeddings):,} document tokens"
    print(f"{tokens}, dim {documents.dim}, float32, median of {ROUNDS}")
    print(f"model.similarity  {1000 * theirs:7.1f} ms")
    print(f"scores.maxsim     {1000 * ours:7.1f} ms   {theirs / ours:.2f}x")
    print(f"largest difference of a score: {np.abs(their_scores - our_scores).max():.1e}")


def _median(call: Callable[[], Any]) -> tuple[float, Any]:
    result, times = call(), []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


if __name__ == "__main__":
    main()
