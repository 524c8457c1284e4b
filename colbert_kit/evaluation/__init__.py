"""Evaluation: runs and their measures, whether two of them differ, and evaluators for training."""

from colbert_kit.evaluation.benchmarking import evaluate_on
from colbert_kit.evaluation.cards import card_entries
from colbert_kit.evaluation.collections import Collection, load_collection
from colbert_kit.evaluation.comparing import ReportComparison, compare_reports
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
from colbert_kit.evaluation.limits import Limits, parse_bytes, parse_seconds
from colbert_kit.evaluation.markdown import to_markdown, to_text
from colbert_kit.evaluation.measures import MEASURES, Evaluation, evaluate, measure_queries
from colbert_kit.evaluation.mteb_tasks import run_mteb
from colbert_kit.evaluation.pushing import push_report
from colbert_kit.evaluation.report import CollectionReport, Example, Report, System
from colbert_kit.evaluation.runs import Qrels, Run, bm25_run, dense_run, search_run
from colbert_kit.evaluation.significance import (
    Change,
    Comparison,
    PairwiseComparison,
    compare,
    compare_paired,
    correct_holm,
)
from colbert_kit.evaluation.timed import timed_run
from colbert_kit.evaluation.tuned import Tuned
from colbert_kit.evaluation.tuning import tune
from colbert_kit.evaluation.writing import check_output, write_report

__all__ = [
    "MEASURES",
    "Change",
    "ColBERTDistillationEvaluator",
    "ColBERTTripletEvaluator",
    "Collection",
    "CollectionReport",
    "Comparison",
    "Evaluation",
    "Example",
    "IndexPoint",
    "InformationRetrievalEvaluator",
    "Latency",
    "Limits",
    "MeasureConfig",
    "NanoBEIREvaluator",
    "PairwiseComparison",
    "Qrels",
    "Report",
    "ReportComparison",
    "Run",
    "System",
    "Tuned",
    "bm25_run",
    "card_entries",
    "check_output",
    "compare",
    "compare_paired",
    "compare_reports",
    "correct_holm",
    "dense_run",
    "encoded_corpus",
    "evaluate",
    "evaluate_on",
    "load_collection",
    "measure_index",
    "measure_queries",
    "pareto_front",
    "parse_bytes",
    "parse_seconds",
    "push_report",
    "recall_of",
    "run_mteb",
    "search_run",
    "search_settings",
    "sweep_index",
    "timed_run",
    "to_markdown",
    "to_text",
    "tune",
    "write_report",
]
