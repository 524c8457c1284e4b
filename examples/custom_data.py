"""Training sets of your own: triplets with any number of negatives, and distillation by ids.

    python examples/custom_data.py FOLDER

Writes both sets to FOLDER and trains a step on each, with sentence-transformers' trainer and our collator.
"""

import argparse
from pathlib import Path

from datasets import Dataset
from sentence_transformers import MultiVectorEncoderTrainer, MultiVectorEncoderTrainingArguments

from colbert_kit import losses, models, utils

TRIPLETS = [
    {"query": "who wrote Faust?", "positive": "Goethe wrote Faust.", "negative_1": "Schiller wrote The Robbers."},
    {"query": "tallest mountain", "positive": "Everest is 8,849 m high.", "negative_1": "K2 is 8,611 m high."},
]
QUERIES = [{"query_id": 54528, "text": "who wrote Faust?"}, {"query_id": 749480, "text": "tallest mountain"}]
DOCUMENTS = [
    {"document_id": 6862419, "text": "Goethe wrote Faust."},
    {"document_id": 335116, "text": "Everest is 8,849 m high."},
    {"document_id": 339186, "text": "K2 is 8,611 m high."},
]
SCORED = [
    {"query_id": 54528, "document_ids": [6862419, 335116, 339186], "scores": [0.95, 0.06, 0.05]},
    {"query_id": 749480, "document_ids": [6862419, 335116, 339186], "scores": [0.02, 0.93, 0.71]},
]


def main() -> None:
    """Train a step on each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="bert-base-uncased")
    arguments = parser.parse_args()
    scored = Dataset.from_list(SCORED)
    processing = utils.KDProcessing(queries=Dataset.from_list(QUERIES), documents=Dataset.from_list(DOCUMENTS))
    scored.set_transform(processing.transform)
    for name, rows, loss_class in (
        ("triplets", Dataset.from_list(TRIPLETS), losses.Contrastive),
        ("distillation", scored, losses.Distillation),
    ):
        model = models.ColBERT(arguments.model)
        trainer = MultiVectorEncoderTrainer(
            model=model,
            args=MultiVectorEncoderTrainingArguments(
                output_dir=str(arguments.folder / name), max_steps=1, per_device_train_batch_size=2, report_to="none"
            ),
            train_dataset=rows,
            loss=loss_class(model=model),
            data_collator=utils.ColBERTCollator(model),
        )
        trainer.train()
        model.save_pretrained(str(arguments.folder / name))


if __name__ == "__main__":
    main()
