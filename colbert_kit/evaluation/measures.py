"""What a run is worth: measures query by query, and their means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from colbert_kit.errors import InvalidInput, MissingExtra
from colbert_kit.evaluation.runs import Qrels, Run, search_run

if TYPE_CHECKING:
    from colbert_kit.searcher import Searcher

__all__ = ["MEASURES", "Evaluation", "evaluate", "measure_queries"]

MEASURES = ("nDCG@10", "R@100", "RR@10", "AP@100", "Success@5")
"""Where nothing is asked for: ranking quality, what a reranker is left with, MS MARCO's, TREC's, LoTTE's."""

UNCUT = 1000
"""Documents a query, where a measure has no cut-off; TREC's depth."""

JUDGED = "Judged@10"


@dataclass(frozen=True)
class Evaluation:
    """What a run is worth.

    Args:
        run: The run itself.
        values: By measure, each judged query's value; 0 where the run has nothing for the query.
        num_missing: Judged queries for which the run has nothing.
        num_ignored: Queries of the run without a judgement; they count for nothing.
        judged: Mean share of the first ten documents that have a judgement. Where it is low, a run may be better than
            its measures say.

    Example:
        >>> evaluate({"q": {"a": 2.0, "b": 1.0}}, None, {"q": {"b": 1}}, ["RR@10"]).means
        {'RR@10': 0.5}
    """

    run: Run
    values: Mapping[str, Mapping[str, float]]
    num_missing: int
    num_ignored: int
    judged: float

    @property
    def means(self) -> dict[str, float]:
        """The mean over the judged queries, by measure."""
        return {measure: float(np.mean(list(found.values()))) for measure, found in self.values.items()}

    @property
    def num_queries(self) -> int:
        """Judged queries."""
        return len(next(iter(self.values.values())))


def evaluate(
    source: Searcher | Run,
    queries: Mapping[str, str] | None,
    qrels: Qrels,
    measures: Sequence[str] = MEASURES,
) -> Evaluation:
    """Measure a searcher, or a run that is there already.

    Documents are ordered once, by score and then by id, and handed to ``ir-measures`` in that order, so that no engine
    breaks ties anew.

    Args:
        source: What searches, or scores by document id, by query id (``data.read_run`` reads one).
        queries: Texts by query id, for a searcher; not looked at for a run.
        qrels: Relevance by document id, by query id (``data.read_qrels``).
        measures: As ``ir-measures`` calls them; ``"P(rel=2)@10"`` counts grades from 2 on.

    Raises:
        InvalidInput: There is no such measure, nothing is judged, or a judged query has no text.
        MissingExtra: ir-measures is not installed.

    Example:
        >>> evaluation = evaluate(searcher, queries, qrels)  # doctest: +SKIP
        >>> evaluation.means["nDCG@10"]  # doctest: +SKIP
        0.7068
    """
    if not qrels:
        raise InvalidInput("there are no judgements to measure by; qrels are empty.")
    parsed = {name: parse_measure(name) for name in dict.fromkeys(measures)}
    run = source if isinstance(source, Mapping) else _searched(source, queries, qrels, parsed)
    found = _values(run, qrels, {**parsed, JUDGED: parse_measure(JUDGED)})
    judged = found.pop(JUDGED) if JUDGED not in parsed else found[JUDGED]
    return Evaluation(
        run=run,
        values=found,
        num_missing=sum(not run.get(query) for query in qrels),
        num_ignored=sum(query not in qrels for query in run),
        judged=float(np.mean(list(judged.values()))),
    )


def measure_queries(run: Run, qrels: Qrels, measure: str = "nDCG@10") -> dict[str, float]:
    """One measure of each judged query; 0 where the run has nothing for it.

    Args:
        run: The run.
        qrels: The judgements.
        measure: As ``evaluate``.

    Raises:
        InvalidInput: There is no such measure.
        MissingExtra: ir-measures is not installed.
    """
    return _values(run, qrels, {measure: parse_measure(measure)})[measure]


def parse_measure(name: str) -> Any:  # noqa: ANN401 - ir-measures ships no types
    """``ir-measures``' object of a name.

    Raises:
        InvalidInput: There is no such measure.
        MissingExtra: ir-measures is not installed.
    """
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtra("ir-measures", "eval") from error
    try:
        return ir_measures.parse_measure(name)
    except (NameError, ValueError, SyntaxError, TypeError, AttributeError) as error:
        raise InvalidInput(f"there is no measure {name!r}; 'nDCG@10' and 'R@100' are two.") from error


def depth_of(measures: Sequence[str]) -> int:
    """Documents a query that measures look at."""
    cuts = [re.search(r"@(\d+)$", name) for name in measures]
    return max((int(cut[1]) if cut else UNCUT for cut in cuts), default=UNCUT)


def _searched(
    searcher: Searcher, queries: Mapping[str, str] | None, qrels: Qrels, parsed: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    missing = [query for query in qrels if query not in (queries or {})]
    if queries is None or missing:
        named = ", ".join(map(repr, missing[:3]))
        raise InvalidInput(f"a searcher needs the text of each judged query; {len(missing)} have none: {named} ...")
    return search_run(searcher, {query: queries[query] for query in qrels}, depth_of(list(parsed)))


def _values(run: Run, qrels: Qrels, measures: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    import ir_measures

    names = {measure: name for name, measure in measures.items()}
    values = {name: dict.fromkeys(qrels, 0.0) for name in measures}
    if ordered := {query: _ranks(run[query]) for query in qrels if run.get(query)}:
        for one in ir_measures.iter_calc(list(names), qrels, ordered):
            values[names[one.measure]][one.query_id] = float(one.value)
    return values


def _ranks(scores: Mapping[str, float]) -> dict[str, float]:
    """Strictly falling scores, in the order of score and then id."""
    ordered = sorted(scores, key=lambda name: (-scores[name], name))
    return {name: float(len(ordered) - place) for place, name in enumerate(ordered)}
