"""A report with made-up figures, for cards."""

from __future__ import annotations

from typing import Any

from colbert_kit.evaluation import CollectionReport, Report, System
from colbert_kit.evaluation.index_points import Latency

__all__ = ["TITLE", "small_report"]

TITLE = "/home/alice/what-was-evaluated"


def small_report(fingerprint: str = "0" * 64) -> Report:
    """Two queries of one collection, for a model that lay in a folder."""
    values = {"nDCG@10": {"q1": 0.5, "q2": 0.75}, "R@100": {"q1": 1.0, "q2": 1.0}}
    latency = Latency(p50_seconds=0.012, p95_seconds=0.02, p99_seconds=0.03)
    system = System(
        "index",
        values,
        judged=0.5,
        top={"q1": ("d1",), "q2": ("d2",)},
        latency=latency,
        search_latency=latency,
        bytes_per_document=1234.0,
    )
    collection = CollectionReport("acme/songs:test", 30, {"q1": "secret query", "q2": "another"}, {}, (system,))
    model: dict[str, Any] = {"id": TITLE, "revision": None, "fingerprint": fingerprint}
    return Report(
        TITLE, model, {"nbits": 4, "depth": 100}, {"processor": "AMD EPYC", "cores": "2"}, tuple(values), (collection,)
    )
