"""What a job says to machines: a line on its standard output for each event, the same wherever it runs.

A line is ``::colbert-kit::``, a space and a JSON object with ``event``::

    ::colbert-kit:: {"event": "metrics", "step": 10, "steps": 200, "values": {"loss": 1.25}}
    ::colbert-kit:: {"event": "progress", "stage": "encoding", "done": 512, "total": 5183}
    ::colbert-kit:: {"event": "result", "values": {"repo_id": "me/model", "revision": "0123..."}}
    ::colbert-kit:: {"event": "failure", "message": "there is no file or Hub dataset me/pairs; check the path."}
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colbert_kit.progress import Progress

__all__ = ["PREFIX", "Event", "Failure", "Metrics", "Result", "format_event", "parse_event"]

PREFIX = "::colbert-kit:: "


@dataclass(frozen=True)
class Metrics:
    """Figures of a step.

    Args:
        step: Which.
        steps: Of how many; None where nobody knows.
        values: By name; NaN and infinities come as NaN.
    """

    step: int
    steps: int | None
    values: Mapping[str, float]


@dataclass(frozen=True)
class Result:
    """What came of a job, said once, when its result is where it belongs.

    Args:
        values: ``repo_id``, ``revision``, ``url`` of what was pushed, and figures.
    """

    values: Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """Why a job ends without a result.

    Args:
        message: One line.
    """

    message: str


Event = Metrics | Progress | Result | Failure
"""What a line can say."""


def format_event(event: Event) -> str:
    """The line of an event, without its end.

    Example:
        >>> format_event(Metrics(10, None, {"loss": 1.25}))
        '::colbert-kit:: {"event": "metrics", "step": 10, "steps": null, "values": {"loss": 1.25}}'
    """
    # vars keeps the order of the fields.
    fields = {"event": type(event).__name__.lower(), **vars(event)}
    if isinstance(event, Metrics):
        fields["values"] = {name: value if math.isfinite(value) else None for name, value in event.values.items()}
    return PREFIX + json.dumps(fields, allow_nan=False)


def parse_event(line: str) -> Event | None:
    """The event of a line, or None where it is a line like any other, or not whole.

    Example:
        >>> parse_event('::colbert-kit:: {"event": "failure", "message": "no rows"}')
        Failure(message='no rows')
    """
    # A bar of somebody's may stand before it, on the same line.
    text = line.rpartition("\r")[2]
    if not text.startswith(PREFIX):
        return None
    try:
        fields = json.loads(text.removeprefix(PREFIX))
        return _event(fields.pop("event"), fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _event(name: str, fields: dict[str, Any]) -> Event | None:
    if name == "metrics":
        values = {str(key): math.nan if value is None else float(value) for key, value in fields["values"].items()}
        steps = fields["steps"]
        return Metrics(int(fields["step"]), None if steps is None else int(steps), values)
    if name == "progress":
        total = fields["total"]
        return Progress(str(fields["stage"]), int(fields["done"]), None if total is None else int(total))
    if name == "result":
        return Result(dict(fields["values"]))
    return Failure(str(fields["message"])) if name == "failure" else None
