"""Everything the server received and sent, for tests to look through."""

from __future__ import annotations

import json
import threading
import urllib.parse
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["KEPT_BYTES", "Exchange", "Traffic"]

# Longer bodies that came in are kept as their size and sha256 only; of ones that went out, this much is kept.
KEPT_BYTES = 1 << 20


@dataclass
class Exchange:
    """One request and its answer. ``host`` is "hub", or "storage" where large files lie."""

    host: str
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes | None = None
    body_bytes: int = 0
    body_sha256: str = ""
    status: int = 0
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    response_body: bytearray = field(default_factory=bytearray)
    response_bytes: int = 0
    # The server hung up before everything was received and sent.
    is_cut: bool = False

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.status} {self.method} {self.path}{query}"

    def json(self) -> Any:
        """The body that was received, parsed."""
        return json.loads(self.body or b"")

    def lines(self) -> list[Any]:
        """The body that was received, as a commit is: one JSON value per line."""
        return [json.loads(line) for line in (self.body or b"").splitlines()]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def texts(self) -> dict[str, str]:
        """Every place a text could be in, by name."""
        places = {"path": urllib.parse.unquote(self.path), "query": urllib.parse.unquote_plus(self.query)}
        places |= {f"header {key.lower()}": value for key, value in self.headers}
        places |= {f"response header {key.lower()}": value for key, value in self.response_headers}
        places["body"] = (self.body or b"").decode(errors="replace")
        places["response body"] = bytes(self.response_body).decode(errors="replace")
        return places


class Traffic:
    """The exchanges in the order they began. A request that is under way is in it already, with status 0."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []

    def add(self, exchange: Exchange) -> None:
        with self._lock:
            self._exchanges.append(exchange)

    def clear(self) -> None:
        with self._lock:
            self._exchanges.clear()

    def all(self, method: str = "*", path: str = "*", *, host: str = "*") -> list[Exchange]:
        """The exchanges with this method and a path that matches the pattern, such as ``/api/jobs/*``."""
        with self._lock:
            known = list(self._exchanges)
        return [
            exchange
            for exchange in known
            if fnmatchcase(exchange.method, method)
            and fnmatchcase(urllib.parse.unquote(exchange.path), path)
            and fnmatchcase(exchange.host, host)
        ]

    def only(self, method: str, path: str = "*") -> Exchange:
        """The one exchange with this method and path."""
        found = self.all(method, path)
        if len(found) != 1:
            seen = "\n".join(map(str, self.all()))
            raise AssertionError(f"{len(found)} requests are {method} {path}; there were:\n{seen}")
        return found[0]

    def received_bytes(self, method: str = "*", path: str = "*") -> int:
        """How many bytes of bodies came in."""
        return sum(exchange.body_bytes for exchange in self.all(method, path))

    def sent_bytes(self, method: str = "*", path: str = "*") -> int:
        """How many bytes of bodies went out."""
        return sum(exchange.response_bytes for exchange in self.all(method, path))

    def where(self, text: str) -> list[tuple[str, str]]:
        """Where a text occurs: ``("201 POST /api/jobs/alice", "body")``, and so on. For tokens and secrets."""
        return [
            (str(exchange), place)
            for exchange in self.all()
            for place, content in exchange.texts().items()
            if text in content
        ]
