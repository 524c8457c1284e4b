"""Evaluators for training: sentence-transformers' own, under the names that PyLate users know."""

from colbert_kit.evaluation.evaluators import (
    ColBERTDistillationEvaluator,
    ColBERTTripletEvaluator,
    NanoBEIREvaluator,
)
from colbert_kit.evaluation.information_retrieval import InformationRetrievalEvaluator

__all__ = [
    "ColBERTDistillationEvaluator",
    "ColBERTTripletEvaluator",
    "InformationRetrievalEvaluator",
    "NanoBEIREvaluator",
]
