"""Measured quality in the form that model cards carry: the Hub's ``model-index``."""

from __future__ import annotations

import re
from typing import Any

from colbert_kit.evaluation.report import Report

__all__ = ["card_entries"]

TYPES = {"nDCG": "ndcg", "R": "recall", "RR": "mrr", "AP": "map", "Success": "success", "P": "precision"}
"""ir-measures' names, and those that cards of sentence-transformers and MTEB use."""


def card_entries(report: Report, *, system: str = "index") -> list[dict[str, Any]]:
    """What a card's ``model-index`` says of one system.

    Args:
        report: What was found.
        system: Whose figures.

    Returns:
        The value of ``model-index``: a list with one model and a result a collection.

    Raises:
        InvalidInput: A collection has no such system.

    Example:
        >>> card_entries(report)[0]["results"][0]["metrics"][0]  # doctest: +SKIP
        {'type': 'ndcg_at_10', 'value': 0.7104, 'name': 'nDCG@10'}
    """
    results = []
    for one in report.collections:
        measured = one.system(system)
        name, _, split = one.name.partition(":")
        dataset = {"name": name, "type": name} | ({"split": split} if split else {})
        metrics = [
            {"type": _type(measure), "value": round(measured.mean(measure), 4), "name": measure}
            for measure in report.measures
        ]
        results.append(
            {"task": {"type": "text-retrieval", "name": "Retrieval"}, "dataset": dataset, "metrics": metrics}
        )
    return [{"name": report.title, "results": results}]


def _type(measure: str) -> str:
    name, _, cut = measure.partition("@")
    base = TYPES.get(re.sub(r"\(.*\)", "", name), re.sub(r"\W+", "_", name).strip("_").lower())
    return f"{base}_at_{cut}" if cut else base
