"""What goes in and out of the server: requests, responses, and errors as the Hub words them."""

from __future__ import annotations

import datetime
import http.client
import io
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

__all__ = ["BAD_TOKEN", "HubError", "Request", "Response", "json_response", "page_of", "ranged_response", "timestamp"]

PIECE_BYTES = 1 << 16
# The one 401 that the client does not take for a missing repository.
BAD_TOKEN = "Invalid credentials in Authorization header"
REPOSITORY_PATH = re.compile(r"/api/(models|datasets|spaces)/.|/.+/resolve/.")


def timestamp(moment: datetime.datetime | None = None) -> str:
    """A moment, or now, as the Hub writes it: ``2025-07-22T16:06:25.079Z``."""
    moment = moment or datetime.datetime.now(datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Request:
    """A request whose body has been received; ``path`` is as sent, still percent-encoded."""

    method: str
    path: str
    query: str
    headers: http.client.HTTPMessage
    stream: IO[bytes]
    body_sha256: str
    # Who asks, or None; an `accounts.Caller`, set once the token is known to be good.
    caller: Any = None

    def body(self) -> bytes:
        self.stream.seek(0)
        return self.stream.read()

    def json(self) -> Any:
        try:
            return json.loads(self.body())
        except ValueError:
            raise HubError(400, "Invalid JSON in the body of the request") from None

    def parameters(self, name: str) -> list[str]:
        return urllib.parse.parse_qs(self.query, keep_blank_values=True).get(name, [])

    def flag(self, name: str) -> bool:
        """Whether a parameter is true. The client writes Python's ``True``."""
        return self.parameters(name)[-1:] in (["true"], ["True"], ["1"])

    def form(self) -> dict[str, list[str]]:
        """The fields of a body, form-encoded as the client sends some, or JSON."""
        if "json" in (self.headers.get("Content-Type") or ""):
            return {key: value if isinstance(value, list) else [value] for key, value in self.json().items()}
        return urllib.parse.parse_qs(self.body().decode(), keep_blank_values=True)


@dataclass
class Response:
    """Status, headers, and a body of known ``length``; a body without one is sent in chunks, as it comes."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.body, bytes):
            self.length = len(self.body)

    def pieces(self) -> Iterator[bytes]:
        if isinstance(self.body, bytes):
            for start in range(0, len(self.body), PIECE_BYTES):
                yield self.body[start : start + PIECE_BYTES]
        else:
            yield from self.body


class HubError(Exception):
    """An answer that is an error: the message goes into the body and ``X-Error-Message``, a code into its header."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.fields = status, message, fields
        self.headers = {**(headers or {}), "X-Error-Message": " ".join(message.split())}
        if code is not None:
            self.headers["X-Error-Code"] = code

    def response(self, path: str) -> Response:
        """The answer to a request for this path.

        The client takes a 401 without a code for a missing repository, but only from an https address. Here the code
        says so, that code under test gets the same exception.
        """
        headers = dict(self.headers)
        if self.status == 401 and self.message != BAD_TOKEN and REPOSITORY_PATH.match(path):
            headers.setdefault("X-Error-Code", "RepoNotFound")
        return json_response({"error": self.message, **self.fields}, self.status, headers)


def json_response(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(data, ensure_ascii=False).encode()
    return Response(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def ranged_response(request: Request, source: bytes | Path, headers: Mapping[str, str]) -> Response:
    """A file, or the range of it that was asked for: 206, or 416 where there is no such range."""
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **headers}
    wanted = request.headers.get("Range")
    if wanted is None:
        return Response(200, _read(source, 0, size), headers, length=size)
    span = _span(wanted, size)
    if span is None:
        return Response(416, b"", {**headers, "Content-Range": f"bytes */{size}"})
    start, stop = span
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Response(206, _read(source, start, stop), headers, length=stop - start)


def _span(wanted: str, size: int) -> tuple[int, int] | None:
    """Start and end of ``bytes=2-5``, ``bytes=2-`` or ``bytes=-3``."""
    unit, _, spec = wanted.partition("=")
    first, dash, last = spec.partition("-")
    if unit != "bytes" or not dash or not (first + last).isdigit():
        return None
    if not first:
        return (max(size - int(last), 0), size) if int(last) and size else None
    stop = min(int(last) + 1, size) if last else size
    return (int(first), stop) if int(first) < stop else None


def _read(source: bytes | Path, start: int, stop: int) -> Iterator[bytes]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        file.seek(start)
        while start < stop:
            piece = file.read(min(PIECE_BYTES, stop - start))
            start += len(piece)
            yield piece


def page_of(items: Sequence[Any], request: Request, url: str, limit: int) -> Response:
    """One page of a listing; ``Link`` names the next one, which begins where the cursor says."""
    start = int((request.parameters("cursor") or ["0"])[-1])
    headers = {}
    if start + limit < len(items):
        query = [pair for pair in urllib.parse.parse_qsl(request.query) if pair[0] != "cursor"]
        query.append(("cursor", str(start + limit)))
        headers["Link"] = f'<{url}{request.path}?{urllib.parse.urlencode(query)}>; rel="next"'
    return json_response(list(items[start : start + limit]), headers=headers)
