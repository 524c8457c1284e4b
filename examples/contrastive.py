"""Contrastive training from a bare encoder, with PyLate's values: bert-base-uncased on MS MARCO triplets, one epoch.

    python examples/contrastive.py
    python examples/contrastive.py --train pairs.jsonl --model sentence-transformers/all-MiniLM-L6-v2 --max-steps 100

Cached contrastive, for a batch that does not fit in memory: ``--loss cached_contrastive --batch-size 256``.
Several GPUs, each query compared with the documents of all (as many negatives in every row)::

    torchrun --nproc_per_node 4 examples/contrastive.py --gather
"""

import argparse
import logging

import torch

from colbert_kit import progress, training


def main() -> None:
    """Train, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bert-base-uncased")
    parser.add_argument("--train", help="a file with query, positive and negatives; MS MARCO's triplets if left out")
    parser.add_argument("--loss", choices=("contrastive", "cached_contrastive"), default="contrastive")
    parser.add_argument("--temperature", type=float, default=0.02)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-6)
    parser.add_argument("--gather", action="store_true")
    parser.add_argument("--max-steps", type=int)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("colbert_kit").setLevel(logging.INFO)
    triplets = {"path": "sentence-transformers/msmarco-bm25", "name": "triplet"}
    config = training.TrainingConfig(
        model=arguments.model,
        train=arguments.train or triplets,
        loss=arguments.loss,
        temperature=arguments.temperature,
        mini_batch_size=32,
        gather_across_devices=arguments.gather,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        epochs=1,
        max_steps=arguments.max_steps,
        eval_fraction=0.01,
        precision="fp16" if torch.cuda.is_available() else "auto",
        output_dir=arguments.output,
    )
    with progress.terminal_progress() as on_progress:
        print(training.train(config, on_progress=on_progress))


if __name__ == "__main__":
    main()
