"""nDCG@10 of the demo encoder through ``Searcher``, with BM25 beside it.

    python -m benchmarks.quality BEIR_FOLDER [--split test] [--index FOLDER]

Measures are ir-measures' (extra ``eval``), significance is not tested here.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import ir_measures
from ir_measures import R, nDCG

from benchmarks.machine import describe
from colbert_kit import Searcher, data, evaluation, models
from colbert_kit.folders import exists
from colbert_kit.progress import terminal_progress

MEASURES = [nDCG @ 10, R @ 100]
DEPTH = 100


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
        ours = evaluation.search_run(searcher, queries, DEPTH)
        seconds = time.perf_counter() - start
        corpus = {document["id"]: document["text"] for document in searcher.documents()}
        print(f"{len(searcher)} documents, {len(queries)} queries, {1000 * seconds / len(queries):.0f} ms a query")
        for name, run in (("Searcher, demo encoder", ours), ("BM25", evaluation.bm25_run(corpus, queries, DEPTH))):
            values = ir_measures.calc_aggregate(MEASURES, qrels, run)
            print(f"{name:24}" + "  ".join(f"{measure} {values[measure]:.4f}" for measure in MEASURES))


def _searcher(folder: str, index: Path) -> Searcher:
    model = models.load_demo("cpu")
    if exists(index):
        return Searcher.open(index, model)
    with terminal_progress() as on_progress:
        return Searcher.build(index, model, data.read_corpus(folder), on_progress=on_progress)


if __name__ == "__main__":
    main()
