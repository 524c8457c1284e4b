"""Whether ``evaluation.tune`` meets its limits, measured once more afterwards, and what it says of impossible ones.

    python -m benchmarks.corpora 30000 FOLDER
    python -m benchmarks.tune FOLDER WORK_FOLDER [--passages 30000] [--queries 512] [--data FOLDER]

The passages of FOLDER, whose token embeddings are taken over and not encoded again; queries are those of the
collection's pairs whose answer stands in a passage, which is the judgement. The index is one of 4 bits and 128
dimensions. Each row tunes a fresh copy of it, opens that anew, and measures it with all queries. Limits are parts of
what the index takes with its defaults.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpora import DATA, Encoded, encoder, pair_rows, passages
from benchmarks.machine import describe
from colbert_kit import Searcher, evaluation, progress
from colbert_kit.documents import stage_documents
from colbert_kit.errors import InvalidInput
from colbert_kit.evaluation import IndexPoint, MeasureConfig, Qrels, Run
from colbert_kit.evaluation.encoded import folder_of
from colbert_kit.evaluation.limits import describe as describe_point
from colbert_kit.folders import Commit, exists
from colbert_kit.indexes import IndexSection, stage_documents_embeddings
from colbert_kit.scores import PackedEmbeddings
from colbert_kit.searcher.encoding import model_section

WORDS = 8
"""Words of an answer that a passage must have in a row."""


def main() -> None:
    """Build, tune, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--passages", type=int, default=30_000)
    parser.add_argument("--queries", type=int, default=512)
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    os.environ["COLBERT_KIT_CACHE"] = str(arguments.work / "cache")
    model = encoder(expansion=False)
    texts = passages(arguments.data, 50)[: arguments.passages]
    queries, qrels = judged(arguments.data, texts, arguments.queries)
    whole = taken_over(arguments.folder, texts, model)
    folder = arguments.work / f"index_{len(texts)}"
    index = Searcher.open(folder, model, dtype="float32") if exists(folder) else whole.compress_to(folder)
    exact_run = evaluation.search_run(whole, queries, 10)
    print(f"{describe()}; {len(texts):,} passages, {len(queries)} judged queries, one at a time, k = 10")
    start = measured(index, queries, qrels, exact_run)
    print(f"defaults: {said(start)}\nencoding a query: p50 {1e3 * start.encode.p50_seconds:.1f} ms\n")
    for limits in cases(start, len(texts)):
        print(f"limits: {spelled(limits)}")
        copied = arguments.work / "tuned"
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(folder, copied)
        try:
            with progress.terminal_progress() as on_progress:
                searcher = Searcher.open(copied, model, dtype="float32")
                tuned = evaluation.tune(searcher, queries, qrels, on_progress=on_progress, **limits)
        except InvalidInput as error:
            print(f"  refused: {error}\n", flush=True)
            continue
        print("".join(f"  {line}\n" for line in tuned.words.splitlines()), end="")
        again = Searcher.open(copied, model, dtype="float32", verify=True)
        point = measured(again, queries, qrels, exact_run)
        print(f"  measured once more with all queries: {said(point)}")
        print(f"  every limit is met: {'yes' if tuned.limits.excess(point) <= 1 else 'NO'}\n", flush=True)


def cases(start: IndexPoint, number: int) -> list[dict[str, float]]:
    """Limits that can be met, and three that cannot."""
    seconds, size, quality = start.search.p95_seconds, start.bytes_per_document * number, start.quality or 0.0
    return [
        {"max_latency_seconds": 0.7 * seconds},
        {"max_latency_seconds": 0.5 * seconds},
        {"min_quality": 0.98 * quality},
        {"max_bytes": 0.6 * size},
        {"max_bytes": 0.4 * size, "max_latency_seconds": seconds, "min_quality": 0.9 * quality},
        {"max_latency_seconds": 0.01 * seconds},
        {"max_bytes": 0.02 * size},
        {"min_quality": min(1.0, 1.2 * quality), "max_latency_seconds": seconds},
    ]


def spelled(limits: dict[str, float]) -> str:
    """Limits in a row."""
    units = {"max_latency_seconds": ("p95", 1e3, "ms"), "max_bytes": ("size", 1e-6, "MB")}
    words = []
    for name, value in limits.items():
        what, factor, unit = units.get(name, ("nDCG@10 at least", 1.0, ""))
        words.append(f"{what} {value * factor:.3f} {unit}".strip())
    return ", ".join(words)


def measured(index: Searcher, queries: dict[str, str], qrels: Qrels, exact_run: Run) -> IndexPoint:
    """What an index does by itself."""
    return evaluation.measure_index(index, queries, qrels, exact_run, how=MeasureConfig(rounds=3))


def said(point: IndexPoint) -> str:
    """A point in a row."""
    return f"{describe_point(point)}, p50 {1e3 * point.search.p50_seconds:.1f} ms, recall@10 {point.recall:.4f}"


def taken_over(folder: Path, texts: list[str], model: Any) -> Searcher:  # noqa: ANN401 - an encoder
    """The corpus as ``encoded_corpus`` would encode it, from what is encoded already."""
    documents = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    place = folder_of(model, documents, dtype="float32")
    if not exists(place):
        packed = Encoded.load(folder).documents
        if len(packed) < len(texts):
            raise InvalidInput(f"{folder} holds {len(packed)} passages, {len(texts)} are asked for.")
        bounds = packed.offsets
        with Commit(place, replace=True) as commit:
            commit.sections |= {"model": model_section(model, "float32", 1), "documents": {"files": []}}
            IndexSection.plaid(exact_below=2**62).stage(commit)
            stage_documents(commit, documents)
            batches = (
                PackedEmbeddings(
                    np.asarray(packed.embeddings[bounds[first] : bounds[last]]), packed.lengths[first:last]
                )
                for first in range(0, len(texts), 1000)
                for last in (min(first + 1000, len(texts)),)
            )
            stage_documents_embeddings(commit, [one["id"] for one in documents], batches)
    return Searcher.open(place, model, dtype="float32")


def judged(data: Path, texts: list[str], number: int) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Queries of which a passage has the answer, at most ``number``, and the passages that have it."""
    answers = {}
    for name in ("debian", "wordnet"):
        for row in pair_rows(data, name):
            if len(words := row["positive"].split()) >= WORDS:
                answers[row["query"]] = " ".join(words[:WORDS])
    wanted = set(answers.values())
    places: dict[str, set[int]] = defaultdict(set)
    for place, text in enumerate(texts):
        words = text.split()
        for start in range(len(words) - WORDS + 1):
            if (key := " ".join(words[start : start + WORDS])) in wanted:
                places[key].add(place)
    found = [query for query in sorted(answers) if 1 <= len(places.get(answers[query], ())) <= 3]
    chosen = [found[row] for row in np.random.default_rng(0).permutation(len(found))[:number]]
    queries = {f"q{row}": query for row, query in enumerate(chosen)}
    return queries, {one: {str(place): 1 for place in places[answers[query]]} for one, query in queries.items()}


if __name__ == "__main__":
    main()
