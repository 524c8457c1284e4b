"""Thin forms of sentence-transformers' evaluators that take columns of a ``datasets.Dataset`` as well as lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sentence_transformers.multi_vector_encoder.evaluation import (
    MultiVectorDistillationEvaluator,
    MultiVectorNanoBEIREvaluator,
    MultiVectorTripletEvaluator,
)

from colbert_kit.errors import InvalidInput

__all__ = ["ColBERTDistillationEvaluator", "ColBERTTripletEvaluator", "NanoBEIREvaluator"]


class ColBERTTripletEvaluator(MultiVectorTripletEvaluator):
    """How often a query's MaxSim with its positive is above that with its negative.

    Args:
        anchors: Queries, ``(n,)``.
        positives: Documents that answer them, ``(n,)``.
        negatives: Documents that do not, ``(n,)``.
        options: As ``MultiVectorTripletEvaluator``: ``name``, ``batch_size``, ``margin``, ``write_csv`` ...

    Raises:
        InvalidInput: They differ in number, or there are none.

    Example:
        >>> ColBERTTripletEvaluator(rows["query"], rows["positive"], rows["negative"])(model)  # doctest: +SKIP
        {'maxsim_accuracy': 0.93}
    """

    def __init__(
        self,
        anchors: Iterable[str],
        positives: Iterable[str],
        negatives: Iterable[str],
        **options: Any,  # noqa: ANN401 - theirs
    ) -> None:
        columns = {"anchors": list(anchors), "positives": list(positives), "negatives": list(negatives)}
        _check_alike(columns)
        super().__init__(**columns, **options)


class ColBERTDistillationEvaluator(MultiVectorDistillationEvaluator):
    """Divergence and rank correlation of the model's scores and a teacher's.

    Args:
        queries: ``(n,)``.
        documents: For each query the same number of documents.
        scores: For each query one score a document.
        options: As ``MultiVectorDistillationEvaluator``.

    Raises:
        InvalidInput: They differ in number, or there are none.
    """

    def __init__(
        self,
        queries: Iterable[str],
        documents: Iterable[Sequence[str]],
        scores: Iterable[Sequence[float]],
        **options: Any,  # noqa: ANN401 - theirs
    ) -> None:
        columns: dict[str, list[Any]] = {
            "queries": list(queries),
            "documents": [list(one) for one in documents],
            "scores": [list(one) for one in scores],
        }
        _check_alike(columns)
        for row, (texts, numbers) in enumerate(zip(columns["documents"], columns["scores"], strict=True)):
            if len(texts) != len(columns["documents"][0]) or len(numbers) != len(texts):
                raise InvalidInput(
                    f"every query needs the same number of documents and a score for each; row {row} has {len(texts)} "
                    f"and {len(numbers)}, the first one {len(columns['documents'][0])} documents."
                )
        super().__init__(columns["queries"], columns["documents"], columns["scores"], **options)


class NanoBEIREvaluator(MultiVectorNanoBEIREvaluator):
    """nDCG@10 and more on NanoBEIR's thirteen sets of about 50 queries, by exact MaxSim; they come from the Hub.

    A difference of 0.01 in the mean is within the noise of so few queries.

    Args:
        dataset_names: Sets, ``["scifact", "nq"]``; all where None.
        options: As ``MultiVectorNanoBEIREvaluator``: ``dataset_id``, ``batch_size``, ``corpus_chunk_size`` ...

    Example:
        >>> NanoBEIREvaluator(["scifact"])(model)["NanoBEIR_mean_maxsim_ndcg@10"]  # doctest: +SKIP
    """

    def __init__(self, dataset_names: Sequence[str] | None = None, **options: Any) -> None:  # noqa: ANN401 - theirs
        super().__init__(list(dataset_names) if dataset_names is not None else None, **options)


def _check_alike(columns: dict[str, list[Any]]) -> None:
    numbers = {name: len(values) for name, values in columns.items()}
    if len(set(numbers.values())) > 1 or not all(numbers.values()):
        raise InvalidInput(f"an evaluator needs as many of each, and one at least, got {numbers}.")
