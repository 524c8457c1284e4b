"""Evaluators for training, under the names that PyLate users know; runs, measures, and whether two runs differ."""

from colbert_kit.evaluation.evaluators import (
    ColBERTDistillationEvaluator,
    ColBERTTripletEvaluator,
    NanoBEIREvaluator,
)
from colbert_kit.evaluation.information_retrieval import InformationRetrievalEvaluator
from colbert_kit.evaluation.mteb_tasks import run_mteb
from colbert_kit.evaluation.runs import (
    Comparison,
    Qrels,
    Run,
    bm25_run,
    compare_paired,
    measure_queries,
    search_run,
)

__all__ = [
    "ColBERTDistillationEvaluator",
    "ColBERTTripletEvaluator",
    "Comparison",
    "InformationRetrievalEvaluator",
    "NanoBEIREvaluator",
    "Qrels",
    "Run",
    "bm25_run",
    "compare_paired",
    "measure_queries",
    "run_mteb",
    "search_run",
]
