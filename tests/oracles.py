"""Slow and obvious versions of what the kit computes. Nothing here imports colbert_kit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

__all__ = [
    "best_cells", "compress", "decode", "estimates", "levels", "maxsim", "maxsim_of_levels", "ndcg_at_10", "nearest",
    "postings", "ranking",
]  # fmt: skip

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


def decode(centroid: Sequence[float], residual: bytes, weights: Sequence[float], inverse_norm: float) -> list[float]:
    """A token embedding from its residual: each dimension has its bits one after the other, the lowest bit first.

    >>> decode([0, 10], bytes([0b01_10_00_00]), [0, 1, 2, 3], 0.5)
    [1.0, 5.5]
    """
    nbits = len(weights).bit_length() - 1
    bits = "".join(f"{byte:08b}" for byte in residual)
    token = []
    for number, value in enumerate(centroid):
        code = 0
        for place in range(nbits):
            if bits[number * nbits + place] == "1":
                code += 2**place
        token.append((float(value) + float(weights[code])) * float(inverse_norm))
    return token


def compress(token: Sequence[float], centroid: Sequence[float], cutoffs: Sequence[float]) -> bytes:
    """The residual of a token: for each dimension how many cutoffs lie below the difference, lowest bit first.

    >>> compress([1.5, 2.5, 0, 0], [0, 0, 0, 0], [0, 1, 2]) == bytes([0b01_11_00_00])
    True
    """
    nbits = len(cutoffs).bit_length()
    bits = ""
    for value, middle in zip(token, centroid, strict=True):
        bucket = 0
        for cutoff in cutoffs:
            if float(cutoff) < float(value) - float(middle):
                bucket += 1
        for place in range(nbits):
            bits += str(bucket // 2**place % 2)
    return bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))


def best_cells(centroids: Vectors, query: Vectors, nprobe: int) -> list[list[tuple[int, float]]]:
    """For each query token its ``nprobe`` nearest centroids and their similarities, best first, ties by number.

    >>> best_cells([[1, 0], [0, 1], [1, 0]], [[1, 0]], 2)
    [[(0, 1.0), (2, 1.0)]]
    """
    found = []
    for token in query:
        cells = [(number, maxsim([token], [centroid])) for number, centroid in enumerate(centroids)]
        cells.sort(key=lambda cell: (-cell[1], cell[0]))
        found.append(cells[:nprobe])
    return found


def levels(centroids: Vectors, query: Vectors) -> list[list[float]]:
    """255 times the similarity of each centroid to each query token, at least 0 and at most 255, not rounded.

    >>> levels([[1, 0], [-1, 2]], [[1, 0], [0, 0.5]])
    [[255.0, 0.0], [0.0, 255.0]]
    """
    table = []
    for centroid in centroids:
        table.append([min(255.0, max(0.0, 255 * maxsim([token], [centroid]))) for token in query])
    return table


def maxsim_of_levels(table: Sequence[Sequence[int]], codes: Sequence[int]) -> int:
    """MaxSim of a document whose tokens stand at centroids, from a table of levels; 0 without tokens.

    >>> maxsim_of_levels([[1, 20], [10, 2]], [0, 1, 1]), maxsim_of_levels([[1]], [])
    (30, 0)
    """
    score = 0
    for column in range(len(table[0])):
        best = 0
        for code in codes:
            best = max(best, int(table[code][column]))
        score += best
    return score


def postings(documents: Sequence[Sequence[int]], num_lists: int) -> list[list[int]]:
    """For each centroid the rows of the documents that have it among their codes.

    >>> postings([[1, 1], [], [0, 1]], 3)
    [[2], [0, 2], []]
    """
    return [[row for row, codes in enumerate(documents) if cell in codes] for cell in range(num_lists)]


def estimates(
    cells: Sequence[Sequence[tuple[int, float]]], lists: Sequence[Sequence[int]], allowed: Sequence[bool]
) -> dict[int, int]:
    """Rows in the lists of the cells: for each query token what the row's best cell has above the token's last one.

    >>> estimates([[(0, 1.0), (1, 0.5)], [(1, 0.9), (2, -1.0)]], [[0], [0, 1], [2]], [True, True, False])
    {0: 358, 1: 230}
    """
    rows: dict[int, int] = {}
    for mine in cells:
        last = min(1.0, max(0.0, mine[-1][1]))
        for row, is_allowed in enumerate(allowed):
            similarities = [similarity for cell, similarity in mine if 0 <= cell < len(lists) and row in lists[cell]]
            if is_allowed and similarities:
                gain = 255 * (min(1.0, max(0.0, max(similarities))) - last)
                rows[row] = min(65535, rows.get(row, 0) + math.floor(gain + 0.5))
    return dict(sorted(rows.items()))


def nearest(token: Sequence[float], centroids: Vectors) -> tuple[int, float]:
    """The centroid of the highest dot product with a token, and that product.

    >>> nearest([1, 0], [[0, 1], [2, 0]])
    (1, 2.0)
    """
    (((number, similarity),),) = best_cells(centroids, [token], 1)
    return number, similarity
