"""Queries on which two systems differ much, with the document that shows it and the tokens that met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from colbert_kit.evaluation.collections import Collection
from colbert_kit.evaluation.report import Example, System
from colbert_kit.evaluation.significance import Change, changes
from colbert_kit.searcher import Searcher

__all__ = ["explained_changes", "telling_examples"]

NUM_EXAMPLES = 3
"""Of queries won and as many of queries lost, for each pair of systems."""

SNIPPET = 300
NUM_MATCHES = 12


def telling_examples(
    searcher: Searcher, collection: Collection, systems: Sequence[System], measure: str, texts: Mapping[str, str]
) -> tuple[Example, ...]:
    """For the first system against each other one, the queries it wins and loses most.

    Args:
        searcher: The first system; says which token met which.
        collection: What was searched.
        systems: At least one.
        measure: What is won.
        texts: By document id.
    """
    first, *others = systems
    found: list[Example] = []
    for other in others:
        every = changes(other.values[measure], first.values[measure], len(collection.queries))
        won = [one for one in every if one.second > one.first][:NUM_EXAMPLES]
        lost = [one for one in every if one.second < one.first][:NUM_EXAMPLES]
        found += explained_changes(searcher, collection, (other, first), [*won, *lost], texts)
    return tuple(found)


def explained_changes(
    searcher: Searcher,
    collection: Collection,
    pair: tuple[System, System],
    found: Sequence[Change],
    texts: Mapping[str, str],
) -> list[Example]:
    """Examples of queries on which two systems differ.

    Args:
        searcher: Explains.
        collection: What was searched.
        pair: The two systems.
        found: The queries.
        texts: By document id.

    Returns:
        One a query whose relevant documents are there.
    """
    examples = []
    for change in found:
        grades = collection.qrels[change.query_id]
        relevant = [one for one, grade in grades.items() if grade > 0 and one in texts]
        if not relevant:
            continue
        ranks = {one: (_rank(pair[0], change, one), _rank(pair[1], change, one)) for one in relevant}
        document = max(relevant, key=lambda one: (_distance(*ranks[one]), grades[one]))
        text = texts[document]
        examples.append(
            Example(
                first_name=pair[0].name,
                second_name=pair[1].name,
                change=change,
                query=collection.queries[change.query_id],
                document_id=document,
                text=text if len(text) <= SNIPPET else f"{text[:SNIPPET]} …",
                ranks=ranks[document],
                matches=_matches(searcher, collection.queries[change.query_id], document),
            )
        )
    return examples


def _rank(system: System, change: Change, document: str) -> int | None:
    top = system.top.get(change.query_id, ())
    return top.index(document) + 1 if document in top else None


def _distance(first: int | None, second: int | None) -> float:
    """How much a rank weighs, by its reciprocal; nothing below the tenth."""
    return abs((1 / first if first else 0.0) - (1 / second if second else 0.0))


def _matches(searcher: Searcher, query: str, document: str) -> tuple[tuple[str, str, float], ...]:
    """The query's own words first as they add most; a query may have many tokens."""
    found = sorted(searcher.explain(query, document), key=lambda one: -one.similarity)[:NUM_MATCHES]
    return tuple((one.query.token, one.document.token, round(float(one.similarity), 4)) for one in found)
