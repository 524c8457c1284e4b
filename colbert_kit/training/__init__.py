"""Training on sentence-transformers' trainers: batches by role, with the markers that encoding uses."""

from colbert_kit.training.collator import ColBERTCollator
from colbert_kit.training.distillation import KDProcessing

__all__ = ["ColBERTCollator", "KDProcessing"]
