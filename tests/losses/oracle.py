"""Losses written down slowly, in float64, for token embeddings as lists of arrays. Imports nothing of ours."""

import math

import numpy as np


def maxsim(query, document, skipped=False):
    """Sum of best similarities; with ``skipped`` a token that counts 0 stands beside the document's own."""
    total = 0.0
    for token in query:
        similarities = [float(np.dot(token, other)) for other in document] + ([0.0] if skipped else [])
        total += max(similarities)
    return total


def cross_entropy(scores, positive):
    top = max(scores)
    return top + math.log(sum(math.exp(score - top) for score in scores)) - scores[positive]


def contrastive(queries, groups, temperature):
    """``groups[i]`` are the documents of query ``i``, its positive first; None is one that is missing."""
    losses = []
    for number, query in enumerate(queries):
        scores, positive = [], None
        for other, documents in enumerate(groups):
            for position, document in enumerate(documents):
                if document is None:
                    continue
                if other == number and position == 0:
                    positive = len(scores)
                scores.append(maxsim(query, document) / temperature)
        losses.append(cross_entropy(scores, positive))
    return sum(losses) / len(losses)


def softmax_log(values):
    top = max(values)
    total = top + math.log(sum(math.exp(value - top) for value in values))
    return [value - total for value in values]


def distillation(queries, groups, teacher, normalize=True, temperature=1.0):
    total = 0.0
    for query, documents, labels in zip(queries, groups, teacher, strict=True):
        scores = [maxsim(query, document) for document in documents]
        if normalize:
            low, high = min(scores), max(scores)
            scores = [(score - low) / (high - low) if high > low else 0.0 for score in scores]
        student = softmax_log([score / temperature for score in scores])
        wanted = softmax_log([label / temperature for label in labels])
        total += sum(math.exp(a) * (a - b) for a, b in zip(wanted, student, strict=True))
    return total / len(queries) * temperature**2


def margin_mse(queries, groups, teacher):
    squares = []
    for query, documents, labels in zip(queries, groups, teacher, strict=True):
        scores = [maxsim(query, document) for document in documents]
        for score, label in zip(scores[1:], labels[1:], strict=True):
            squares.append(((scores[0] - score) - (labels[0] - label)) ** 2)
    return sum(squares) / len(squares)
