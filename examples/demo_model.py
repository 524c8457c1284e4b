"""The demo model: all-MiniLM-L6-v2's 384 dimensions become 128, in some hours of two cores.

    python examples/demo_model.py DATA OUTPUT

DATA is a folder of training pairs (``scifact_train``, ``docstring_pairs``, ``debian_pairs``, ``wordnet_pairs``, each
``.jsonl.gz``). No judgement is learnt: the encoder, and in the end BM25, teach it. The target is how similar its own
384-d tokens of queries and documents are once each has been given a share of its text's mean, which it was trained to
be pooled to; a projection to 128 dimensions and adapters of the upper layers learn to give those similarities by
themselves: first on a mixture, then with more of the long abstracts. Then they learn to rank as MaxSim, the pooled
vector and BM25 do together (``ranked_lists.py``). What the package ships is those weights:
``OUTPUT/demo.safetensors``.
"""

import argparse
import gzip
import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ranked_lists import HELD_OUT, write_lists
from safetensors.torch import save_file

from colbert_kit import models, progress, training


class Run(NamedTuple):
    """One of the training runs."""

    steps: int
    batch_size: int
    learning_rate: float
    projection_learning_rate: float
    shares: dict[str, float] | None = None
    """Of the rows, for similarities: abstracts are few and long, glosses many and short. None: ranked lists instead."""


RUNS = (
    Run(
        480, 48, 5e-4, 2e-3, {"scifact_train": 0.12, "docstring_pairs": 0.2, "debian_pairs": 0.4, "wordnet_pairs": 0.28}
    ),
    Run(
        280,
        32,
        3e-4,
        1e-3,
        {"scifact_train": 0.45, "docstring_pairs": 0.15, "debian_pairs": 0.22, "wordnet_pairs": 0.18},
    ),
    Run(400, 8, 2e-4, 4e-4),
    Run(400, 8, 3e-4, 5e-4),
)

MOST = {"debian_pairs": 22_000, "wordnet_pairs": 20_000}
"""Pairs taken of the large sets."""

RANK = 128
"""Of what ships of a layer's change."""

LAYERS = [
    f"{layer}.{part}"
    for layer in (3, 4, 5)
    for part in (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    )
]
"""The upper half of the encoder: nothing is computed backwards through the lower one."""


def main() -> None:
    """Train, and write what is to be shipped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--without", nargs="*", default=[], help="training sets to leave out")
    parser.add_argument(
        "--steps", type=int, default=max(one.steps for one in RUNS), help="of each run at most, for a trial"
    )
    parser.add_argument(
        "--batch-size", type=int, default=max(one.batch_size for one in RUNS), help="of each run at most, for a trial"
    )
    parser.add_argument("--most", type=int, default=10**9, help="ranked lists and their documents, of each set")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("colbert_kit").setLevel(logging.INFO)
    folders: list[Path] = []
    for number, run in enumerate(RUNS, start=1):
        run = run._replace(steps=min(run.steps, arguments.steps), batch_size=min(run.batch_size, arguments.batch_size))
        rows = arguments.output / f"rows-{number}.jsonl"
        if not rows.exists():
            arguments.output.mkdir(parents=True, exist_ok=True)
            if run.shares:
                write_rows(arguments.data, run, run.shares, rows, arguments.without)
            else:
                write_lists(arguments.data, rows, seed=number, most=arguments.most, without=arguments.without)
        config = config_of(run, rows, arguments.output / f"model-{number}", folders[-1] if folders else None)
        with progress.terminal_progress() as on_progress:
            print(training.train(config, on_progress=on_progress))
        folders.append(config.folder)
    write_deltas(folders[-1], arguments.output / "demo.safetensors")


def config_of(run: Run, rows: Path, output: Path, start: Path | None) -> training.TrainingConfig:
    """The encoder with a new projection, or what the run before has made of it."""
    encoder = str(models.demo_encoder_folder())
    new: dict[str, Any] = {
        "embedding_size": 128,
        "query_prefix": "",
        "document_prefix": "",
        "query_expansion": False,
        "document_length": 256,
        "skiplist_words": (),
    }
    tokens: dict[str, Any] = {"loss": "token_distillation", "teachers": encoder, "teacher_context": 0.3}
    lists: dict[str, Any] = {"loss": "distillation", "normalize_scores": False}
    return training.TrainingConfig(
        model=str(start or encoder),
        **({} if start else new),
        **(tokens if run.shares else lists),
        train=str(rows),
        lora=training.LoRA(rank=64, alpha=64, targets=LAYERS),
        dropout=0.0,
        learning_rate=run.learning_rate,
        projection_learning_rate=run.projection_learning_rate,
        weight_decay=0.0,
        batch_size=run.batch_size,
        max_steps=run.steps,
        eval_fraction=0,
        output_dir=output,
    )


def write_rows(data: Path, run: Run, shares: dict[str, float], path: Path, without: list[str]) -> None:
    """Rows of all sets in their shares, a query with a positive and, where there is one, a negative."""
    taking, generator = np.random.default_rng(0), np.random.default_rng(1)
    shares = {name: share for name, share in shares.items() if name not in without}
    number = run.steps * run.batch_size * 1.05
    mixed = []
    for name, share in shares.items():
        with gzip.open(data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            known = [json.loads(line) for line in file]
        if name == "scifact_train":
            del known[HELD_OUT]
        if name in MOST:
            known = [known[place] for place in np.sort(taking.permutation(len(known))[: MOST[name]])]
        wanted = int(number * share / sum(shares.values()))
        for place in generator.permutation(np.resize(generator.permutation(len(known)), wanted)).tolist():
            row = known[place]
            positives, negatives = row.get("positives") or [row["positive"]], row.get("negatives") or [None]
            mixed.append(
                {
                    "query": row["query"],
                    "positive": positives[generator.integers(len(positives))],
                    "negative": negatives[generator.integers(len(negatives))],
                }
            )
    with path.open("w", encoding="utf-8") as file:
        for place in generator.permutation(len(mixed)).tolist():
            file.write(json.dumps(mixed[place]) + "\n")


def write_deltas(folder: Path, path: Path) -> None:
    """What the runs changed, as ``models.load_demo`` takes it: two narrow matrices a layer, and the projection.

    The runs' adapters together are wider than what they came to: the product of rank ``RANK`` nearest to their sum.
    """
    made: Any = models.ColBERT(str(folder), device="cpu")
    encoder: Any = models.load_demo_encoder("cpu")
    kept = {"projection": made[1].linear.weight.detach()}
    lost = changed = 0.0
    for name in (f"encoder.layer.{one}" for one in LAYERS):
        sides = [model[0].model.get_submodule(name).weight.detach().double() for model in (made, encoder)]
        left, values, right = torch.linalg.svd(sides[0] - sides[1], full_matrices=False)
        roots = values[:RANK].sqrt()
        kept |= {f"{name}.A": roots[:, None] * right[:RANK], f"{name}.B": left[:, :RANK] * roots}
        lost, changed = lost + float((values[RANK:] ** 2).sum()), changed + float((values**2).sum())
    save_file({name: value.half().contiguous() for name, value in kept.items()}, path, metadata={"scale": "1"})
    print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB, without {lost / changed:.2%} of the squared change")


if __name__ == "__main__":
    main()
