"""Slow and obvious versions of what the kit computes. Nothing here imports colbert_kit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

__all__ = ["maxsim", "ndcg_at_10", "ranking"]

Vectors = Sequence[Sequence[float]]


def maxsim(query: Vectors, document: Vectors) -> float:
    """The sum over query tokens of the highest dot product with any document token, in three loops.

    >>> maxsim([[1, 0], [0, 1]], [[1, 0], [-1, -1]]), maxsim([[1]], []), maxsim([], [[1]])
    (1.0, -inf, 0.0)
    """
    if len(document) == 0:
        return -math.inf
    score = 0.0
    for query_token in query:
        best = -math.inf
        for document_token in document:
            similarity = 0.0
            for left, right in zip(query_token, document_token, strict=True):
                similarity += float(left) * float(right)
            best = max(best, similarity)
        score += best
    return score


def ranking(query: Vectors, documents: Mapping[str, Vectors], k: int) -> list[tuple[str, float]]:
    """Ids and scores by score, best first, ties by id."""
    scored = [(document_id, maxsim(query, document)) for document_id, document in documents.items()]
    scored.sort(key=lambda pair: (-pair[1], pair[0]))
    return scored[:k]


def ndcg_at_10(ranked_ids: Sequence[str], relevance: Mapping[str, int]) -> float:
    """Normalised discounted cumulative gain of the first ten, with linear gain as in trec_eval.

    >>> ndcg_at_10(["b", "a"], {"a": 1}) == 1 / math.log2(3), ndcg_at_10(["a"], {"a": 2}), ndcg_at_10([], {"a": 1})
    (True, 1.0, 0.0)
    """
    ideal = sorted((grade for grade in relevance.values() if grade > 0), reverse=True)[:10]
    best = sum(grade / math.log2(place + 1) for place, grade in enumerate(ideal, start=1))
    if best == 0:
        return 0.0
    found = (max(0, relevance.get(one, 0)) for one in ranked_ids[:10])
    return sum(grade / math.log2(place + 1) for place, grade in enumerate(found, start=1)) / best
