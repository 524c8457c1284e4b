"""What bits and token pooling cost and save: bytes a document, nDCG@10 and latency on a judged collection.

    python -m benchmarks.compression BEIR_FOLDER [--nbits 8 4 2 1] [--pool 1 2 3]

The demo encoder, queries one at a time through the defaults of ``indexes.PLAID``; ``exact`` is float16, every document
scored. Pooling is sentence-transformers' hierarchical one, of the same token embeddings.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import torch
from ir_measures import nDCG
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

from benchmarks.machine import describe
from colbert_kit import data, models
from colbert_kit.indexes import PLAID, Exact
from colbert_kit.scores import PackedEmbeddings


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--nbits", type=int, nargs="+", default=[8, 4, 2, 1])
    parser.add_argument("--pool", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    print(describe())
    model = models.load_demo("cpu")
    qrels = data.read_qrels(arguments.folder, "test")
    texts = {one: text for one, text in data.read_queries(arguments.folder).items() if one in qrels}
    [queries] = models.encode_queries(model, list(texts.values()), dtype="float32")
    documents = list(data.read_corpus(arguments.folder))
    ids = [document["id"] for document in documents]
    whole = encode(model, [document["text"] for document in documents])
    print(f"{len(ids):,} documents, {len(texts)} queries")
    print(f"{'pool':>4} {'nbits':>6} {'bytes a document':>17} {'nDCG@10':>8} {'p50 ms':>7}")
    for factor in arguments.pool:
        packed = whole if factor == 1 else pooled(whole, factor)
        for nbits in ("exact", *arguments.nbits):
            with tempfile.TemporaryDirectory() as folder:
                index: Any = Exact(folder) if nbits == "exact" else PLAID(folder, nbits=nbits, exact_below=0)
                index.add_documents(ids, packed)
                index.vacuum(grace_seconds=0)
                size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
                run, milliseconds = search(index, list(texts), queries)
            value = ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10]
            print(f"{factor:4} {nbits:>6} {size / len(ids):17,.0f} {value:8.4f} {milliseconds:7.1f}", flush=True)


def encode(model: Any, texts: list[str]) -> PackedEmbeddings:  # noqa: ANN401 - an encoder
    """All token embeddings, float16."""
    batches = list(models.encode_documents(model, texts, dtype="float32"))
    embeddings = np.concatenate([batch.embeddings.astype(np.float16) for batch in batches])
    return PackedEmbeddings(embeddings, np.concatenate([batch.lengths for batch in batches]))


def pooled(packed: PackedEmbeddings, factor: int) -> PackedEmbeddings:
    """About one token embedding for each ``factor`` of them."""
    tensors = [torch.from_numpy(np.array(one, dtype=np.float32)) for one in packed]
    return PackedEmbeddings.pack(HierarchicalTokenPooling(factor).pool(tensors, task="document"))


def search(index: Any, names: list[str], queries: PackedEmbeddings) -> tuple[dict[str, dict[str, float]], float]:  # noqa: ANN401
    """The run, and the median milliseconds of a query."""
    run, seconds = {}, []
    for name, query in zip(names, queries, strict=True):
        start = time.perf_counter()
        [hits] = index([query], k=10)
        seconds.append(time.perf_counter() - start)
        run[name] = {hit["id"]: hit["score"] for hit in hits}
    return run, 1e3 * float(np.median(seconds))


if __name__ == "__main__":
    main()
