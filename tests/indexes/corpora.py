"""Made-up token embeddings that behave as those of texts do: unit vectors around a few directions a document."""

from __future__ import annotations

import numpy as np

from colbert_kit.indexes import PLAID, Exact
from tests import oracles

DIM = 16

__all__ = ["DIM", "decoded", "exact_of", "found", "overlap", "plaid_of", "queries_for", "some_documents"]


def some_documents(number, *, seed=0, dim=DIM, lengths=(3, 9), topics=40, prefix="d", noise=0.25):
    """``{"d000": (tokens, dim) float32, ...}``; another seed has other topics."""
    generator = np.random.default_rng(seed)
    centres = unit(generator.standard_normal((topics, dim)))
    documents = {}
    for position in range(number):
        about = centres[generator.choice(topics, generator.integers(*lengths))]
        documents[f"{prefix}{position:03d}"] = unit(about + noise * generator.standard_normal(about.shape))
    return documents


def queries_for(documents, number, *, seed=0, tokens=4, noise=0.1):
    """Queries that each take a few tokens of one document, and the ids of these."""
    generator = np.random.default_rng(seed)
    wanted = [str(one) for one in generator.choice([one for one in documents if len(documents[one])], number)]
    queries = []
    for one in wanted:
        chosen = documents[one][generator.choice(len(documents[one]), tokens)]
        queries.append(unit(chosen + noise * generator.standard_normal(chosen.shape)))
    return queries, wanted


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def plaid_of(folder, documents=None, **options):
    """The PLAID index in a folder, with documents added if there are any."""
    index = PLAID(folder, "plaid", **options)
    if documents:
        index.add_documents(list(documents), list(documents.values()))
    return index


def exact_of(folder, documents):
    index = Exact(folder, "exact", override=True)
    index.add_documents(list(documents), list(documents.values()))
    return index


def found(index, query, k=10, subset=None, config=None):
    """``(id, score)`` of each hit of one query."""
    [hits] = index([query], k=k, subset=subset, config=config)
    return [(hit["id"], hit["score"]) for hit in hits]


def overlap(ranking, other):
    """The part of the ids of one ranking that are in another."""
    return len({one for one, _ in ranking} & {one for one, _ in other}) / max(1, len(ranking))


def decoded(index, ids):
    """What an index stores of documents, by id."""
    return dict(zip(ids, index.get_embeddings(list(ids)), strict=True))


def assert_same_ranking(ranking, truth, atol):
    """Scores agree in order, and every hit has the score that the truth gives it."""
    assert len(ranking) == len(truth)
    scores = [score for _, score in ranking]
    np.testing.assert_allclose(scores, [score for _, score in truth], atol=atol)


def assert_is_exhaustive(ranking, query, stored, k, atol=1e-3):
    """A ranking is that of scoring every document of ``stored``."""
    by_id = dict(oracles.ranking(query, stored, len(stored)))
    assert_same_ranking(ranking, list(by_id.items())[:k], atol)
    for one, score in ranking:
        np.testing.assert_allclose(score, by_id[one], atol=atol)
