"""Evaluators for training: sentence-transformers' own, under the names that PyLate users know."""

from colbert_kit.evaluation.evaluators import (
    ColBERTDistillationEvaluator,
    ColBERTTripletEvaluator,
    NanoBEIREvaluator,
)

__all__ = ["ColBERTDistillationEvaluator", "ColBERTTripletEvaluator", "NanoBEIREvaluator"]
