"""nDCG@10 of the demo encoder through ``Searcher``, with BM25 beside it.

    python -m benchmarks.quality BEIR_FOLDER [--split test] [--index FOLDER]

Measures are ir-measures' (extra ``eval``), significance is not tested here.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import bm25s
import ir_measures
import Stemmer
from ir_measures import R, nDCG

from benchmarks.machine import describe
from colbert_kit import Searcher, data, models
from colbert_kit.folders import exists
from colbert_kit.progress import terminal_progress

MEASURES = [nDCG @ 10, R @ 100]
DEPTH = 100

Run = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--split", default="test")
    parser.add_argument("--index", help="keep the index here, or use the one that is there")
    arguments = parser.parse_args()
    print(describe())
    qrels = data.read_qrels(arguments.folder, arguments.split)
    queries = {query_id: text for query_id, text in data.read_queries(arguments.folder).items() if query_id in qrels}
    with tempfile.TemporaryDirectory() as temporary:
        searcher = _searcher(arguments.folder, Path(arguments.index or Path(temporary) / "index"))
        start = time.perf_counter()
        hits = searcher.search_many(list(queries.values()), k=DEPTH)
        seconds = time.perf_counter() - start
        ours = {q: {hit.id: hit.score for hit in found} for q, found in zip(queries, hits, strict=True)}
        print(f"{len(searcher)} documents, {len(queries)} queries, {1000 * seconds / len(queries):.0f} ms a query")
        for name, run in (("Searcher, demo encoder", ours), ("BM25", _bm25(searcher, queries))):
            values = ir_measures.calc_aggregate(MEASURES, qrels, run)
            print(f"{name:24}" + "  ".join(f"{measure} {values[measure]:.4f}" for measure in MEASURES))


def _searcher(folder: str, index: Path) -> Searcher:
    model = models.load_demo("cpu")
    if exists(index):
        return Searcher.open(index, model)
    with terminal_progress() as on_progress:
        return Searcher.build(index, model, data.read_corpus(folder), on_progress=on_progress)


def _bm25(searcher: Searcher, queries: dict[str, str]) -> Run:
    documents = list(searcher.documents())
    stemmer = Stemmer.Stemmer("english")
    retriever = bm25s.BM25(k1=0.9, b=0.4)
    texts = [document["text"] for document in documents]
    retriever.index(bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False)
    tokens = bm25s.tokenize(list(queries.values()), stopwords="en", stemmer=stemmer, show_progress=False)
    rows, scores = retriever.retrieve(tokens, k=min(DEPTH, len(documents)), show_progress=False)
    return {
        query_id: {documents[row]["id"]: float(score) for row, score in zip(rows[n], scores[n], strict=True)}
        for n, query_id in enumerate(queries)
    }


if __name__ == "__main__":
    main()
