"""What bits and token pooling cost and save: bytes a document, nDCG@10 and latency on a judged collection.

    python -m benchmarks.compression BEIR_FOLDER WORK_FOLDER [--nbits 8 4 2 1] [--pool 1 2 3]

The demo encoder, queries one at a time through the defaults of ``indexes.PLAID``; ``exact`` is float16, every document
scored. Pooling is sentence-transformers' hierarchical one, of the same token embeddings. All indexes are built first
and kept, with the embeddings, in WORK_FOLDER; then all are timed, one after another. A second call only times.
"""

from __future__ import annotations

import argparse
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
    """Build, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("work", type=Path)
    parser.add_argument("--nbits", type=int, nargs="+", default=[8, 4, 2, 1])
    parser.add_argument("--pool", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    print(describe())
    arguments.work.mkdir(parents=True, exist_ok=True)
    model = models.load_demo_encoder("cpu")
    qrels = data.read_qrels(arguments.folder, "test")
    texts = {one: text for one, text in data.read_queries(arguments.folder).items() if one in qrels}
    [queries] = models.encode_queries(model, list(texts.values()), dtype="float32")
    documents = list(data.read_corpus(arguments.folder))
    ids = [document["id"] for document in documents]
    indexes: dict[tuple[int, str], Any] = {}
    for factor in arguments.pool:
        packed = None
        for nbits in ("exact", *map(str, arguments.nbits)):
            folder = arguments.work / f"pool{factor}_{nbits}"
            index: Any = Exact(folder) if nbits == "exact" else PLAID(folder, nbits=int(nbits), exact_below=0)
            if not len(index):
                if packed is None:
                    packed = pooled(encoded(model, documents, arguments.work), factor)
                index.add_documents(ids, packed)
                index.vacuum(grace_seconds=0)
            indexes[factor, nbits] = index
    print(f"{len(ids):,} documents, {len(texts)} queries")
    print(f"{'pool':>4} {'nbits':>6} {'bytes a document':>17} {'nDCG@10':>8} {'p50 ms':>7}")
    for (factor, nbits), index in indexes.items():
        size = sum(path.stat().st_size for path in Path(index.folder).rglob("*") if path.is_file())
        run, milliseconds = search(index, list(texts), queries)
        value = ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10]
        print(f"{factor:4} {nbits:>6} {size / len(ids):17,.0f} {value:8.4f} {milliseconds:7.1f}", flush=True)


def encoded(model: Any, documents: list[dict[str, Any]], work: Path) -> PackedEmbeddings:  # noqa: ANN401 - an encoder
    """All token embeddings, float16, kept in the work folder."""
    paths = work / "embeddings.npy", work / "lengths.npy"
    if not paths[1].exists():
        texts = [document["text"] for document in documents]
        batches = list(models.encode_documents(model, texts, dtype="float32"))
        np.save(paths[0], np.concatenate([batch.embeddings.astype(np.float16) for batch in batches]))
        np.save(paths[1], np.concatenate([batch.lengths for batch in batches]))
    return PackedEmbeddings(np.load(paths[0], mmap_mode="r"), np.load(paths[1]))


def pooled(packed: PackedEmbeddings, factor: int) -> PackedEmbeddings:
    """About one token embedding for each ``factor`` of them."""
    if factor == 1:
        return packed
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
