"""What the demo model reaches beside its own encoder's other forms and BM25: the table of its card.

    python -m benchmarks.demo_model COLLECTION [COLLECTION ...] [--model FOLDER] [--document-length 256] [--work FOLDER]

Each collection is a BEIR folder whose test queries are asked. nDCG@10 through exact MaxSim, and through an index of
4 bits; p values are of paired permutation tests on nDCG@10, corrected (Holm) for the collections of a row.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer

from benchmarks.machine import describe
from colbert_kit import evaluation, models, progress
from colbert_kit.evaluation import Report

SEED = 0
MEASURE = "nDCG@10"


def main() -> None:
    """Evaluate three models, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, help="a candidate in place of the demo model that ships")
    parser.add_argument("--document-length", type=int, default=256, help="tokens of a document at most")
    parser.add_argument("--work", type=Path, help="a folder for token embeddings and reports")
    arguments = parser.parse_args()
    collections = [evaluation.load_collection(one) for one in arguments.collections]
    length = arguments.document_length
    if arguments.model is None:
        demo = models.load_demo(document_length=length)
    else:
        demo = models.ColBERT(arguments.model, document_length=length)
    found: dict[str, Report] = {}
    with tempfile.TemporaryDirectory() as temporary, progress.terminal_progress() as on_progress:
        for name, model in {
            "demo, 128": demo,
            "untrained, 384": models.load_demo_encoder(document_length=length),
            "random projection, 128": random_projection(length),
        }.items():
            dense = SentenceTransformer(str(models.demo_encoder_folder())) if name.startswith("untrained") else None
            work = (arguments.work or Path(temporary)) / name.replace(", ", "-").replace(" ", "-")
            found[name] = evaluation.evaluate_on(
                model, collections, measures=(MEASURE,), dense=dense, cache=work, on_progress=on_progress
            )
    print(f"{describe()}; {MEASURE}\n")
    print_table(found)


def random_projection(document_length: int) -> MultiVectorEncoder:
    """The encoder with a projection as it comes from the factory's seed."""
    torch.manual_seed(SEED)
    return models.ColBERT(
        models.demo_encoder_folder(),
        query_prefix="",
        document_prefix="",
        query_expansion=False,
        document_length=document_length,
        skiplist_words=[],
    )


def print_table(found: dict[str, Report]) -> None:
    """A row a system, a column a collection."""
    demo, untrained = found["demo, 128"], found["untrained, 384"]
    names = [one.name for one in demo.collections]
    print(f"| | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    row("demo model, 128-d, exact MaxSim", demo, "exact MaxSim")
    row("the same, index of 4 bits", demo, "index")
    row("untrained encoder, 384-d, exact MaxSim", untrained, "exact MaxSim", demo)
    row("the same under a random projection, 128-d", found["random projection, 128"], "exact MaxSim", demo)
    dense = next(
        one.name for one in untrained.collections[0].systems if one.name not in {"index", "exact MaxSim", "BM25"}
    )
    row("its pooled vector, 384-d", untrained, dense, demo)
    row("BM25", untrained, "BM25", demo)


def row(label: str, report: Report, system: str, demo: Report | None = None) -> None:
    """Means, and how sure it is that the demo model differs."""
    values = {one.name: one.system(system).values[MEASURE] for one in report.collections}
    cells = {one.name: f"{one.system(system).mean(MEASURE):.4f}" for one in report.collections}
    if demo is not None:
        theirs = {one.name: one.system("exact MaxSim").values[MEASURE] for one in demo.collections}
        compared = [evaluation.compare_paired(values[name], theirs[name]) for name in values]
        corrected = evaluation.correct_holm([one.p_value for one in compared])
        for name, p_value in zip(values, corrected, strict=True):
            cells[name] += f" (p = {p_value:.2g})"
    print(f"| {label} | {' | '.join(cells.values())} |")


if __name__ == "__main__":
    main()
