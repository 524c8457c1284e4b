"""Evaluators for training, under the names that PyLate users know; runs, measures, and whether two runs differ."""

from colbert_kit.evaluation.encoded import encoded_corpus
from colbert_kit.evaluation.evaluators import (
    ColBERTDistillationEvaluator,
    ColBERTTripletEvaluator,
    NanoBEIREvaluator,
)
from colbert_kit.evaluation.index_measures import measure_index, recall_of
from colbert_kit.evaluation.index_points import IndexPoint, Latency, MeasureConfig, pareto_front
from colbert_kit.evaluation.index_sweep import search_settings, sweep_index
from colbert_kit.evaluation.information_retrieval import InformationRetrievalEvaluator
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
    "IndexPoint",
    "InformationRetrievalEvaluator",
    "Latency",
    "MeasureConfig",
    "NanoBEIREvaluator",
    "Qrels",
    "Run",
    "bm25_run",
    "compare_paired",
    "encoded_corpus",
    "measure_index",
    "measure_queries",
    "pareto_front",
    "recall_of",
    "search_run",
    "search_settings",
    "sweep_index",
]
