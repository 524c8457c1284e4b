"""A report for people: Markdown with tables, verdicts in words, and examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from colbert_kit.evaluation.index_points import Latency, pareto_front
from colbert_kit.evaluation.report import CollectionReport, Example, Report, System
from colbert_kit.evaluation.significance import PairwiseComparison

__all__ = ["card_lines", "comparison_lines", "example_lines", "table", "to_markdown", "to_text"]

SPECIAL = str.maketrans({"|": "\\|", "`": "'", "\n": " ", "<": "&lt;", ">": "&gt;", "*": "\\*", "_": "\\_"})
"""What a text of the corpus must not mean in a table."""


def to_markdown(report: Report, plots: Sequence[str] = ()) -> str:
    """The report as Markdown.

    Args:
        report: What was found.
        plots: Paths of pictures to show, relative to the file.
    """
    lines = [f"# Evaluation of {plain(report.title)}", "", *_about(report), "", *_summary(report), ""]
    lines += [f"![{path.rpartition('/')[2].partition('.')[0]}]({path})\n" for path in plots]
    for one in report.collections:
        lines += [f"## {plain(one.name)}", "", *_collection(one, report), ""]
        lines += comparison_lines(report.comparisons.get(one.name, ()))
        lines += example_lines(one.examples)
        lines += _points(one)
    lines += ["## How it was measured", "", *_method(report)]
    return "\n".join(lines).rstrip() + "\n"


def card_lines(report: Report) -> list[str]:
    """Measures, bytes and latency of each system, without any text of the corpus.

    Args:
        report: What was found.
    """
    lines: list[str] = []
    for one in report.collections:
        lines += [f"### {plain(one.name)}", "", f"{one.num_documents:,} documents, {len(one.queries)} queries.", ""]
        lines += [*_collection(one, report), ""]
    # Not the model: it may have lain in a folder of somebody's machine.
    return [*lines, _settings(report), _machine(report), "", *_method(report)]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns after the first are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def comparison_lines(found: Sequence[PairwiseComparison]) -> list[str]:
    """What comparisons say, a sentence and a row each."""
    if not found:
        return []
    rows = [
        (
            f"{plain(one.second_name)} against {plain(one.first_name)}",
            f"{one.comparison.second - one.comparison.first:+.4f}",
            f"{one.comparison.low:+.4f} to {one.comparison.high:+.4f}",
            f"{one.comparison.wins} / {one.comparison.ties} / {one.comparison.losses}",
            _p(one.comparison.p_value),
            _p(one.comparison.t_p_value),
            f"{_p(one.corrected_p_value)}{' *' if one.is_different else ''}",
        )
        for one in found
    ]
    header = (found[0].measure, "difference", "95 % interval", "wins / ties / losses", "p", "p (t test)", "p corrected")
    return [*(f"- {plain(one.verdict)}" for one in found), "", *table(header, rows), ""]


def example_lines(examples: Sequence[Example]) -> list[str]:
    """Queries on which two systems differ, a list for each pair."""
    lines: list[str] = []
    for pair in dict.fromkeys((one.first_name, one.second_name) for one in examples):
        lines += [f"### Where {plain(pair[1])} and {plain(pair[0])} differ most", ""]
        for one in examples:
            if (one.first_name, one.second_name) == pair:
                lines += _example(one)
        lines.append("")
    return lines


def to_text(report: Report) -> str:
    """What matters most of a report, for a terminal: the first measure of each system, and the verdicts."""
    lines = _summary(report)
    for name, found in report.comparisons.items():
        lines += ["", f"{name}:", *(f"- {one.verdict}" for one in found)]
    return "\n".join(lines)


def plain(text: str) -> str:
    """A text that means nothing to Markdown."""
    return " ".join(text.split()).translate(SPECIAL)


def _about(report: Report) -> list[str]:
    model = report.model
    revision = f" at {model['revision']}" if model.get("revision") else ""
    named = f"Model `{plain(str(model['id']))}`{revision}, fingerprint `{str(model['fingerprint'])[:12]}`. "
    return [named + _settings(report), _machine(report)]


def _settings(report: Report) -> str:
    return "Index: " + ", ".join(f"{name} {value}" for name, value in report.settings.items()) + "."


def _machine(report: Report) -> str:
    return "Machine: " + ", ".join(f"{name} {value}" for name, value in report.machine.items()) + "."


def _summary(report: Report) -> list[str]:
    measure = report.measures[0]
    names = list(dict.fromkeys(system.name for one in report.collections for system in one.systems))
    rows = []
    for one in report.collections:
        by_name = {system.name: system for system in one.systems}
        worse = {
            pair.first_name
            for pair in report.comparisons.get(one.name, ())
            if pair.is_different and pair.comparison.second > pair.comparison.first
        }
        cells = [
            f"{by_name[name].mean(measure):.4f}{' †' if name in worse else ''}" if name in by_name else ""
            for name in names
        ]
        rows.append((plain(one.name), f"{one.num_documents:,}", str(len(one.queries)), *cells))
    if len(rows) > 1:
        means = [
            f"{sum(one.system(name).mean(measure) for one in report.collections) / len(report.collections):.4f}"
            if all(name in {system.name for system in one.systems} for one in report.collections)
            else ""
            for name in names
        ]
        rows.append((f"mean of {len(report.collections)}", "", "", *means))
    header = (measure, "documents", "queries", *map(plain, names))
    note = "† the index is better by more than chance (paired permutation test, 5 %, corrected for all pairs here)."
    return [*table(header, rows), "", note]


def _collection(one: CollectionReport, report: Report) -> list[str]:
    rows = []
    for system in one.systems:
        low, high = system.interval(report.measures[0])
        rows.append(
            (
                plain(system.name),
                *(f"{system.mean(measure):.4f}" for measure in report.measures),
                f"{low:.3f} to {high:.3f}",
                f"{100 * system.judged:.0f} %",
            )
        )
    header = ("", *report.measures, f"95 % of {report.measures[0]}", "judged@10")
    return [*table(header, rows), "", *_cost(one)]


def _cost(one: CollectionReport) -> list[str]:
    rows = []
    for system in one.systems:
        if system.bytes_per_document is None:
            continue
        built = "was there" if system.build_seconds is None else f"{system.build_seconds:.1f} s"
        times = [""] * 4
        if (latency := system.latency) is not None and (search := system.search_latency) is not None:
            times = [f"{1e3 * seconds:.1f}" for seconds in _percentiles(latency)]
            times.append(f"{1e3 * search.p50_seconds:.1f} / {1e3 * search.p95_seconds:.1f}")
        rows.append((plain(system.name), f"{system.bytes_per_document:,.0f}", built if latency else "", *times))
    header = ("", "bytes a document", "compressed in", "p50 ms", "p95 ms", "p99 ms", "of it search, p50 / p95")
    lines = table(header, rows) if rows else []
    by_name = {system.name: system for system in one.systems}
    if {"index", "exact MaxSim"} <= by_name.keys():
        overlap = _overlap(by_name["index"], by_name["exact MaxSim"])
        lines += ["", f"Of exact MaxSim's first ten documents the index has {100 * overlap:.1f} % among its own."]
    return [*lines, ""]


def _overlap(index: System, exact: System) -> float:
    shares = [len(set(index.top[query]) & set(top)) / len(top) for query, top in exact.top.items() if top]
    return sum(shares) / len(shares) if shares else 0.0


def _example(one: Example) -> list[str]:
    ranks = [f"rank {rank}" if rank else "not in the first ten" for rank in one.ranks]
    where = f" Relevant `{plain(one.document_id)}`: {ranks[0]} and {ranks[1]}." if one.document_id else ""
    lines = [
        f"- **{plain(one.query)}** ({plain(one.change.query_id)}): {plain(one.first_name)} {one.change.first:.3f}, "
        f"{plain(one.second_name)} {one.change.second:.3f}.{where}"
    ]
    if one.text:
        lines.append(f"  {plain(one.text)}")
    if one.matches:
        met = ", ".join(f"{plain(query)} → {plain(token)} {value:.2f}" for query, token, value in one.matches)
        lines.append(f"  Tokens that met: {met}.")
    return lines


def _points(one: CollectionReport) -> list[str]:
    """Index settings; those that no other one beats are marked."""
    if not one.points:
        return []
    front = {id(point) for point in pareto_front(one.points)}
    rows = [
        (
            f"{point.setting}{' †' if id(point) in front else ''}",
            "" if point.quality is None else f"{point.quality:.4f}",
            "" if point.recall is None else f"{point.recall:.3f}",
            f"{point.bytes_per_document:,.0f}",
            "" if point.build_seconds is None else f"{point.build_seconds:.1f}",
            *(f"{1e3 * seconds:.1f}" for seconds in _percentiles(point.search)),
            " / ".join(f"{number:.0f}" for number in point.queries_per_second.values()),
        )
        for point in one.points
    ]
    measure, k = one.points[0].measure, one.points[0].k
    threads = " / ".join(map(str, one.points[0].queries_per_second))
    header = (
        "bits, pooling, cells / approximated / rescored", measure, f"recall@{k}", "bytes a document", "built in s",
        "p50 ms", "p95 ms", "p99 ms", f"queries a second, {threads} threads",
    )  # fmt: skip
    note = (
        "† no other setting is as good, as fast (p95) and as small. Seconds are of the search alone, with queries "
        f"that have just been encoded, {k} hits each; recall is that of exact MaxSim's first {k}."
    )
    return ["### Index settings", "", *table(header, rows), "", note, ""]


def _percentiles(latency: Latency) -> tuple[float, float, float]:
    return latency.p50_seconds, latency.p95_seconds, latency.p99_seconds


def _method(report: Report) -> list[str]:
    return [
        "Documents are ordered by score and then by id, and measured by ir-measures; judged queries for which nothing "
        "is found count 0. Intervals are by bootstrap over queries. Differences are tested by a two-sided paired "
        "permutation test and corrected by Holm's method for all pairs of this report; the t test is beside it. "
        "Seconds are of one query at a time, from text to hits, with "
        f"{report.settings.get('depth', '')} hits asked for. BM25: k1 0.9, b 0.4, English stemming and stop words.",
    ]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
