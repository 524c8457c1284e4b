"""The demo model: all-MiniLM-L6-v2's 384 dimensions become 128, on one core in half an hour.

    python examples/demo_model.py DATA OUTPUT

DATA is a folder of training pairs (``scifact_train``, ``docstring_pairs``, ``debian_pairs``, ``wordnet_pairs``, each
``.jsonl.gz``). No judgement is learnt: the encoder teaches itself. The target is how similar its own 384-d tokens of
queries and documents are once each has been given a share of its text's mean, which it was trained to be pooled to; a
projection to 128 dimensions and adapters of the upper layers learn to give those similarities by themselves. What the
package ships is those weights: ``OUTPUT/demo.safetensors``.
"""

import argparse
import gzip
import json
import logging
import re
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from colbert_kit import models, progress, training

SHARES = {"scifact_train": 0.12, "docstring_pairs": 0.2, "debian_pairs": 0.4, "wordnet_pairs": 0.28}
"""Of the rows: abstracts are few and long, glosses many and short."""

MOST = {"debian_pairs": 22_000, "wordnet_pairs": 20_000}
"""Pairs taken of the large sets."""

HELD_OUT = slice(99, 399)
"""SciFact's training claims on which candidates are compared; the others are learnt from."""

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
    parser.add_argument("--steps", type=int, default=480)
    parser.add_argument("--batch-size", type=int, default=48)
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("colbert_kit").setLevel(logging.INFO)
    rows = arguments.output / "rows.jsonl"
    if not rows.exists():
        arguments.output.mkdir(parents=True, exist_ok=True)
        write_rows(arguments, rows)
    student = str(models.demo_encoder_folder())
    config = training.TrainingConfig(
        model=student,
        embedding_size=128,
        query_prefix="",
        document_prefix="",
        query_expansion=False,
        document_length=256,
        skiplist_words=(),
        train=str(rows),
        loss="token_distillation",
        teachers=student,
        teacher_context=0.3,
        lora=training.LoRA(rank=64, alpha=64, targets=LAYERS),
        dropout=0.0,
        learning_rate=5e-4,
        projection_learning_rate=2e-3,
        weight_decay=0.0,
        batch_size=arguments.batch_size,
        max_steps=arguments.steps,
        eval_fraction=0,
        output_dir=arguments.output / "model",
    )
    with progress.terminal_progress() as on_progress:
        print(training.train(config, on_progress=on_progress))
    write_deltas(config, arguments.output / "demo.safetensors")


def write_rows(arguments: argparse.Namespace, path: Path) -> None:
    """Rows of all sets in their shares, a query with a positive and, where there is one, a negative."""
    taking, generator = np.random.default_rng(0), np.random.default_rng(1)
    shares = {name: share for name, share in SHARES.items() if name not in arguments.without}
    number = arguments.steps * arguments.batch_size * 1.05
    mixed = []
    for name, share in shares.items():
        with gzip.open(arguments.data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
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
                    "negative": negatives[0],
                }
            )
    with path.open("w", encoding="utf-8") as file:
        for place in generator.permutation(len(mixed)).tolist():
            file.write(json.dumps(mixed[place]) + "\n")


def write_deltas(config: training.TrainingConfig, path: Path) -> None:
    """What the training changed, as ``models.load_demo`` takes it: adapters and projection in float16."""
    kept = {}
    for name, value in load_file(config.folder / "adapters.safetensors").items():
        if found := re.fullmatch(r"0\.model\.(.+)\.lora_([AB])\.default\.weight", name):
            kept[".".join(found.groups())] = value.half().contiguous()
        else:
            kept["projection"] = value.half().contiguous()
    save_file(kept, path, metadata={"scale": str(config.lora.alpha / config.lora.rank)})
    print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
