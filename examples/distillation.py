"""Knowledge distillation with PyLate's values: bert-base-uncased on lightonai/ms-marco-en-bge, one epoch.

    python examples/distillation.py
    python examples/distillation.py --train scored.jsonl --max-steps 100

The default set holds ids and a teacher's scores; queries and documents are looked up as batches are made. A file has
``query``, ``documents`` (a list) and ``scores`` (a list) a row.
"""

import argparse
import logging

import torch

from colbert_kit import progress, training

MS_MARCO = "lightonai/ms-marco-en-bge"


def main() -> None:
    """Train, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bert-base-uncased")
    parser.add_argument("--train", help="a file or folder of scored rows; MS MARCO's if left out")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--max-steps", type=int)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("colbert_kit").setLevel(logging.INFO)
    scored = {
        "path": MS_MARCO,
        "name": "train",
        "queries": {"path": MS_MARCO, "name": "queries"},
        "documents": {"path": MS_MARCO, "name": "documents"},
    }
    config = training.TrainingConfig(
        model=arguments.model,
        train=arguments.train or scored,
        loss="distillation",
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        epochs=1,
        max_steps=arguments.max_steps,
        precision="fp16" if torch.cuda.is_available() else "auto",
        output_dir=arguments.output,
    )
    with progress.terminal_progress() as on_progress:
        print(training.train(config, on_progress=on_progress))


if __name__ == "__main__":
    main()
