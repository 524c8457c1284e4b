"""Queries on which two systems differ much, with the document that shows it and the tokens that met."""

from __future__ import annotations

from collections.abc import Sequence

from colbert_kit.evaluation.collections import Collection
from colbert_kit.evaluation.report import Example, System
from colbert_kit.evaluation.significance import Change, changes
from colbert_kit.searcher import Searcher

__all__ = ["example_of", "telling_examples"]

NUM_EXAMPLES = 3
"""Of queries won and as many of queries lost, for each pair of systems."""

SNIPPET = 300
NUM_MATCHES = 12


def telling_examples(
    searcher: Searcher, collection: Collection, systems: Sequence[System], measure: str
) -> tuple[Example, ...]:
    """For the first system against each other one, the queries it wins and loses most.

    Args:
        searcher: The first system; has the texts, and says which token met which.
        collection: What was searched.
        systems: At least one.
        measure: What is won.
    """
    first, *others = systems
    examples = []
    for other in others:
        every = changes(other.values[measure], first.values[measure], len(collection.queries))
        won = [one for one in every if one.second > one.first][:NUM_EXAMPLES]
        lost = [one for one in every if one.second < one.first][:NUM_EXAMPLES]
        for change in [*won, *lost]:
            relevant = [one for one, grade in collection.qrels[change.query_id].items() if grade > 0]
            query = collection.queries[change.query_id]
            examples.append(example_of(change, (other, first), query, relevant, searcher))
    return tuple(examples)


def example_of(
    change: Change, pair: tuple[System, System], query: str, relevant: Sequence[str], searcher: Searcher | None
) -> Example:
    """A query on which two systems differ, with the relevant document whose ranks differ most.

    Args:
        change: The query and its values.
        pair: The two systems.
        query: Its text.
        relevant: Ids of documents that answer it.
        searcher: Has texts and explains; no text and no tokens where None, or where the document is not in it.
    """
    ranks = {one: (_rank(pair[0], change, one), _rank(pair[1], change, one)) for one in relevant}
    document = max(relevant, key=lambda one: _distance(*ranks[one]), default="")
    text, matches = ("", ()) if searcher is None or not document else _explained(searcher, query, document)
    return Example(
        first_name=pair[0].name,
        second_name=pair[1].name,
        change=change,
        query=query,
        document_id=document,
        text=text if len(text) <= SNIPPET else f"{text[:SNIPPET]} …",
        ranks=ranks.get(document, (None, None)),
        matches=matches,
    )


def _rank(system: System, change: Change, document: str) -> int | None:
    top = system.top.get(change.query_id, ())
    return top.index(document) + 1 if document in top else None


def _distance(first: int | None, second: int | None) -> float:
    """How much a rank weighs, by its reciprocal; nothing below the tenth."""
    return abs((1 / first if first else 0.0) - (1 / second if second else 0.0))


def _explained(searcher: Searcher, query: str, document: str) -> tuple[str, tuple[tuple[str, str, float], ...]]:
    """The document's text, and the query's tokens by how near they came to one of its."""
    if document not in searcher:
        return "", ()
    [found] = searcher.get_documents([document])
    matches = sorted(searcher.explain(query, document), key=lambda one: -one.similarity)[:NUM_MATCHES]
    return str(found["text"]), tuple(
        (one.query.token, one.document.token, round(float(one.similarity), 4)) for one in matches
    )
