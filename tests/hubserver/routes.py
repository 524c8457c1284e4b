"""Which function answers which path."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from tests.hubserver.messages import Response

__all__ = ["Routes"]

Handler = Callable[..., Response]

# A repository is named by one segment or two. A path's slashes may be sent as they are or as %2F.
PATTERNS = {
    "kind": "models|datasets|spaces",
    "prefix": "(?:datasets/|spaces/)?",
    "repo": "[^/]+(?:/[^/]+)?",
    "path": ".+",
}


class Routes:
    """Templates such as ``/api/{kind}/{repo}/tree/{revision}``, tried in order; the fields become keyword arguments."""

    def __init__(self) -> None:
        self._table: list[tuple[str, re.Pattern[str], Handler]] = []

    def on(self, methods: str, template: str) -> Callable[[Handler], Handler]:
        """Decorate a handler: ``routes.on("GET", "/api/whoami-v2")``. One that serves GET serves HEAD."""
        pattern = re.sub(r"\{(\w+)\}", lambda field: f"(?P<{field[1]}>{PATTERNS.get(field[1], '[^/]+')})", template)
        compiled = re.compile(pattern)

        def keep(handler: Handler) -> Handler:
            self._table += [(method, compiled, handler) for method in methods.split()]
            return handler

        return keep

    def include(self, other: Routes) -> None:
        self._table += other._table

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, Any]] | None:
        for known, pattern, handler in self._table:
            if known in (method, "GET" if method == "HEAD" else method) and (match := pattern.fullmatch(path)):
                return handler, {name: unquote(value) for name, value in match.groupdict().items()}
        return None
