"""A job's figures as curves: plain SVG in the page's own colors, so that nothing has to be loaded to see them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from colbert_kit.app.render import escape
from colbert_kit.runners import Metrics

__all__ = ["curves_html"]

WIDTH, HEIGHT = 320.0, 120.0
MOST_CURVES = 6
MOST_POINTS = 400
FIRST = ("loss", "nDCG@10")
"""What is looked at first; the others follow as they came."""

Point = tuple[int, float]


def curves_html(metrics: Sequence[Metrics]) -> str:
    """A curve for each figure, its steps to the right; nothing where there are no figures."""
    curves: dict[str, list[Point]] = {}
    for one in metrics:
        for name, value in one.values.items():
            if math.isfinite(value):
                curves.setdefault(name, []).append((one.step, value))
    steps = next((one.steps for one in reversed(metrics) if one.steps), None)
    names = sorted(curves, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))[:MOST_CURVES]
    if not names:
        return ""
    return f'<div class="ck-curves">{"".join(_figure(name, _thinned(curves[name]), steps) for name in names)}</div>'


def _figure(name: str, points: list[Point], steps: int | None) -> str:
    last_step, last = points[-1]
    lowest, highest = min(value for _, value in points), max(value for _, value in points)
    right = max(steps or 0, last_step, 1)
    said = f"{name}: {_number(points[0][1])} at step {points[0][0]}, {_number(last)} at step {last_step}"
    places = [_place(step, value, right, lowest, highest) for step, value in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x, y = places[-1]
    return (
        f'<figure class="ck-curve"><figcaption>{escape(name)} <strong>{_number(last)}</strong></figcaption>'
        f'<svg viewBox="-4 -6 {WIDTH + 8:.0f} {HEIGHT + 12:.0f}" role="img" aria-label="{escape(said)}" '
        f'preserveAspectRatio="none"><path class="ck-axis" d="M0 {HEIGHT} H{WIDTH}"/>'
        f'<polyline points="{line}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="3"/></svg>'
        f'<p class="ck-range"><span>{_number(lowest)} to {_number(highest)}</span>'
        f"<span>step {last_step:,} of {right:,}</span></p></figure>"
    )


def _place(step: int, value: float, right: int, lowest: float, highest: float) -> tuple[float, float]:
    share = 0.5 if highest == lowest else (value - lowest) / (highest - lowest)
    return WIDTH * min(max(step, 0), right) / right, HEIGHT * (1 - share)


def _thinned(points: list[Point]) -> list[Point]:
    """As many as can be seen, the last one among them."""
    stride = math.ceil(len(points) / MOST_POINTS)
    return [*points[: -1 : max(1, stride)], points[-1]]


def _number(value: float) -> str:
    return f"{value:.2e}" if value and not 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"
