"""Two reports beside each other, query by query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from colbert_kit.errors import InvalidInput
from colbert_kit.evaluation.examples import example_of
from colbert_kit.evaluation.markdown import comparison_lines, example_lines
from colbert_kit.evaluation.report import CollectionReport, Example, Report, System, compare_systems
from colbert_kit.evaluation.significance import PairwiseComparison
from colbert_kit.searcher import Searcher

__all__ = ["ReportComparison", "compare_reports"]


@dataclass(frozen=True)
class ReportComparison:
    """What differs between two reports.

    Args:
        measure: What is compared.
        comparisons: By collection; corrected for all of them together.
        examples: By collection, the queries that changed most.
        left_out: Collections that only one of the reports has.
    """

    measure: str
    comparisons: Mapping[str, PairwiseComparison]
    examples: Mapping[str, tuple[Example, ...]]
    left_out: tuple[str, ...]

    def to_markdown(self) -> str:
        """All of it, for people."""
        lines: list[str] = []
        for name, one in self.comparisons.items():
            lines += [f"## {name}", "", *comparison_lines([one]), *example_lines(self.examples[name])]
        if self.left_out:
            lines += [f"Only one of the reports has {', '.join(self.left_out)}."]
        return "\n".join(lines).rstrip() + "\n"

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return asdict(self)


def compare_reports(
    first: Report,
    second: Report,
    *,
    system: str = "index",
    measure: str | None = None,
    num_changes: int = 5,
    searcher: Searcher | None = None,
) -> ReportComparison:
    """Compare the same system of two reports on the collections that both have.

    Args:
        first: A report.
        second: The one to compare with it.
        system: Which system of them.
        measure: What to compare; the first report's first measure where None.
        num_changes: Queries named for each collection.
        searcher: The second report's index, for texts and for which token met which.

    Raises:
        InvalidInput: They share no collection, were asked different queries, or have no such system or measure.

    Example:
        >>> before, after = Report.read("before"), Report.read("after")  # doctest: +SKIP
        >>> print(compare_reports(before, after).to_markdown())  # doctest: +SKIP
    """
    measure = measure or first.measures[0]
    theirs = {one.name: one for one in second.collections}
    shared = [(one, theirs[one.name]) for one in first.collections if one.name in theirs]
    if not shared:
        raise InvalidInput(
            f"the reports share no collection: {', '.join(one.name for one in first.collections)} and "
            f"{', '.join(theirs)}."
        )
    titles = (first.title, second.title) if first.title != second.title else ("the first", "the second")
    pairs: list[tuple[str, System, System]] = [
        (
            one.name,
            replace(one.system(system), name=titles[0]),
            replace(other.system(system), name=titles[1]),
        )
        for one, other in shared
    ]
    found = compare_systems(pairs, measure, num_changes=num_changes)
    examples = {
        one.name: _examples(one, pair[1:], found[one.name][0], searcher)
        for (one, _), pair in zip(shared, pairs, strict=True)
    }
    names = {one.name for one, _ in shared}
    left_out = [one.name for one in (*first.collections, *second.collections) if one.name not in names]
    return ReportComparison(measure, {name: one[0] for name, one in found.items()}, examples, tuple(left_out))


def _examples(
    collection: CollectionReport,
    systems: Sequence[System],
    comparison: PairwiseComparison,
    searcher: Searcher | None,
) -> tuple[Example, ...]:
    first, second = systems
    return tuple(
        example_of(
            change,
            (first, second),
            collection.queries[change.query_id],
            collection.relevant.get(change.query_id, ()),
            searcher,
        )
        for change in comparison.changes
    )
