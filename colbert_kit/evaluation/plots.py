"""Pictures of a report, as PNG and SVG: quality with intervals, differences query by query, what bytes and time buy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from colbert_kit.errors import MissingExtra
from colbert_kit.evaluation.index_points import IndexPoint, pareto_front
from colbert_kit.evaluation.report import CollectionReport, Report

__all__ = ["write_plots"]

COLOURS = ("#0072b2", "#56b4e9", "#999999", "#e69f00", "#009e73", "#cc79a7")
"""Okabe and Ito's, told apart by colour-blind eyes; the index first, BM25 grey."""

DPI = 144


def write_plots(report: Report, folder: Path) -> list[str]:
    """Draw what there is to draw.

    Args:
        report: What was found.
        folder: Where the pictures go, each as ``.png`` and ``.svg``.

    Returns:
        The names of the PNG files.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [_write(folder, "quality", _quality(report))]
    for one in report.collections:
        for pair in report.comparisons.get(one.name, ()):
            first, second = one.system(pair.first_name), one.system(pair.second_name)
            values = first.values[pair.measure], second.values[pair.measure]
            differences = np.array([values[1][query] - values[0][query] for query in values[0]])
            if np.any(differences != 0):
                name = f"differences-{_file_name(one.name)}-{_file_name(first.name)}"
                title = f"{one.name}: {second.name} against {first.name}"
                names.append(_write(folder, name, _differences(differences, title, pair.measure)))
        if one.points:
            for axis in ("latency", "bytes"):
                names.append(_write(folder, f"pareto-{axis}-{_file_name(one.name)}", _pareto(one, axis)))
    return names


@contextmanager
def figure(width: float, height: float) -> Iterator[tuple[Any, Any]]:
    """A figure with one plot, in the project's look, whatever the user's own settings are.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "eval") from error
    look: dict[Any, Any] = {
        "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
        "svg.hashsalt": "colbert_kit", "svg.fonttype": "none", "axes.titlelocation": "left",
    }  # fmt: skip
    with mpl.rc_context(look):
        # Not through pyplot, which would keep every figure.
        drawn = Figure(figsize=(width, height), layout="constrained")
        yield drawn, drawn.add_subplot()


def save(drawn: Any, folder: Path, name: str) -> str:  # noqa: ANN401 - matplotlib's
    """Write a figure as PNG and SVG; the name of the PNG."""
    drawn.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
    drawn.savefig(folder / f"{name}.svg", metadata={"Date": None})
    return f"{name}.png"


def _write(folder: Path, name: str, draw: Any) -> str:  # noqa: ANN401 - a function of axes, and a size
    size, fill = draw
    with figure(*size) as (drawn, axes):
        fill(axes)
        return save(drawn, folder, name)


def _quality(report: Report) -> Any:  # noqa: ANN401
    """Bars of the first measure with intervals, a group a collection."""
    measure = report.measures[0]
    systems = list(dict.fromkeys(system.name for one in report.collections for system in one.systems))
    height = 0.8 / len(systems)

    def fill(axes: Any) -> None:  # noqa: ANN401
        for number, name in enumerate(systems):
            found = [
                (place, system)
                for place, one in enumerate(report.collections)
                for system in one.systems
                if system.name == name
            ]
            means = np.array([system.mean(measure) for _, system in found])
            ends = np.array([system.interval(measure) for _, system in found]).T
            places = np.array([place + (number - (len(systems) - 1) / 2) * height for place, _ in found])
            axes.barh(places, means, height * 0.92, color=COLOURS[number % len(COLOURS)], label=name)
            axes.errorbar(
                means, places, xerr=np.maximum(np.stack([means - ends[0], ends[1] - means]), 0), fmt="none",
                ecolor="#333333", elinewidth=1, capsize=2,
            )  # fmt: skip
            for place, mean, end in zip(places, means, ends[1], strict=True):
                axes.text(end + 0.01, place, f"{mean:.3f}", va="center", fontsize=8)
        axes.set_yticks(range(len(report.collections)), [one.name for one in report.collections])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.08)
        axes.set_xlabel(f"{measure}, with 95 % intervals over queries")
        axes.grid(axis="x", color="#dddddd")
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(4, len(systems)))

    return (8.0, 0.9 + len(report.collections) * max(0.7, 0.28 * len(systems))), fill


def _differences(differences: Any, title: str, measure: str) -> Any:  # noqa: ANN401
    """Each query's difference, sorted: what the mean hides."""
    ordered = np.sort(differences)[::-1]
    wins, losses = int((ordered > 0).sum()), int((ordered < 0).sum())

    def fill(axes: Any) -> None:  # noqa: ANN401
        places = np.arange(1, len(ordered) + 1)
        axes.bar(places, ordered, width=1.0, color=np.where(ordered > 0, COLOURS[0], COLOURS[3]))
        axes.axhline(0, color="#333333", linewidth=0.8)
        axes.axhline(ordered.mean(), color="#333333", linewidth=0.8, linestyle="--")
        axes.annotate(
            f"mean {ordered.mean():+.3f}", (len(ordered), ordered.mean()), xytext=(0, 4), textcoords="offset points",
            ha="right", fontsize=8,
        )  # fmt: skip
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(f"{len(ordered)} queries by difference: {wins} better, {losses} worse")
        axes.set_ylabel(f"difference in {measure}")
        axes.set_ylim(-1.05, 1.05)
        axes.margins(x=0.01)

    return (8.0, 3.0), fill


def _pareto(one: CollectionReport, axis: Literal["latency", "bytes"]) -> Any:  # noqa: ANN401
    """Quality of index settings against what they cost; those that no other one beats are joined and named."""
    kinds = list(dict.fromkeys((point.nbits, point.pool_factor) for point in one.points))
    front = pareto_front(one.points, ("quality", axis))

    def cost(point: IndexPoint) -> float:
        return 1e3 * point.search.p95_seconds if axis == "latency" else point.bytes_per_document

    def fill(axes: Any) -> None:  # noqa: ANN401
        for number, kind in enumerate(kinds):
            mine = [point for point in one.points if (point.nbits, point.pool_factor) == kind]
            bits, pooling = kind
            label = f"{bits} bits" if bits else "float16"
            axes.scatter(
                [cost(point) for point in mine], [point.goodness for point in mine], s=26,
                color=COLOURS[number % len(COLOURS)], marker="o^sD"[number // len(COLOURS) % 4],
                label=f"{label}, pooled by {pooling}" if pooling > 1 else label,
            )  # fmt: skip
        best = sorted(front, key=cost)
        axes.step([cost(point) for point in best], [point.goodness for point in best], where="post", color="#333333",
                  linewidth=0.8, zorder=0)  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("p95 of a search, ms" if axis == "latency" else "bytes a document, texts included")
        axes.set_ylabel(one.points[0].measure if one.points[0].quality is not None else f"recall@{one.points[0].k}")
        axes.set_title(f"{one.name}: index settings", fontsize=10)
        axes.grid(color="#dddddd")
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))

    return (8.0, 4.0), fill


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name).strip("-.")
