"""What stands before the routes: who may ask, how much may be sent, how many may wait."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from colbert_kit.serving.refusals import refusal

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard"]

OPEN_PATHS = ("/health", "/docs", "/openapi.json")
"""What needs no token and no place: that it runs, and how to ask."""

MAX_UNDER_WAY = 64
"""Requests that compute or wait to; with the body's limit it bounds what they hold, half a GiB."""

BODY_SECONDS = 30.0
"""A body that has not come by then is given up."""


class Guard:
    """Answers what may not pass; a request that may has its body whole before it takes a place.

    Args:
        app: What is asked otherwise.
        token: What requests must carry; none where None.
        max_body: Bytes of a request at most.
        only_here: Answer only to this machine's own names: no page of the web can then be made to ask in a visitor's
            browser (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, *, token: str | None, max_body: int, only_here: bool) -> None:
        self._app = app
        self._token = token
        self._max_body = max_body
        self._only_here = only_here
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is None and scope["path"] not in OPEN_PATHS:
            refused = await self._pass(scope, receive, send)
        elif refused is None:
            await self._app(scope, receive, send)
        if refused is not None:
            await refused(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if self._only_here and not _is_local(headers.get("host", "")):
            return refusal(
                400,
                "without a token only this machine is answered, by the names localhost, 127.0.0.1 and [::1]. "
                "Start the server with a token, or with --no-token, to use another name.",
            )
        if scope["path"] not in OPEN_PATHS and not self._is_allowed(headers):
            words = "this index needs its token: 'Authorization: Bearer TOKEN'."
            return refusal(401, words, {"WWW-Authenticate": "Bearer"})
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] == "POST" and kind != "application/json":
            return refusal(415, f"a request is JSON, with 'Content-Type: application/json'; got {kind or 'none'}.")
        length = headers.get("content-length", "0")
        return self._too_long() if length.isdecimal() and int(length[:20]) > self._max_body else None

    def _is_allowed(self, headers: Headers) -> bool:
        if self._token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # In constant time: how long a comparison takes would tell how many characters were right.
        return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), self._token.encode())

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(receive, self._max_body)
        except TimeoutError:
            return refusal(408, f"the request did not come within {BODY_SECONDS:.0f} s.", {"Connection": "close"})
        if body is None:
            return self._too_long()
        # Only now, so that who sends slowly keeps nobody's place.
        if self._under_way >= MAX_UNDER_WAY:
            return refusal(503, f"{MAX_UNDER_WAY} requests are under way already; ask again in a second.")
        self._under_way += 1
        try:
            await self._app(scope, _replayed(body, receive), send)
        finally:
            self._under_way -= 1
        return None

    def _too_long(self) -> Response:
        words = f"a request may have {self._max_body:,} bytes, and this one has more. Send fewer or shorter texts."
        return refusal(413, words, {"Connection": "close"})


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _read(receive: Receive, max_body: int) -> bytes | None:
    """The body, None where it is too long; of a client that has gone, as much as came."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > max_body:
            return None
        more = message.get("more_body", False)
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed
