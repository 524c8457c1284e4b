"""Errors as JSON: what a client can mend is told in a line, a bug of ours in the log alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from colbert_kit.errors import ColbertKitError, InvalidInput
from colbert_kit.serving.holder import NotReady

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

__all__ = ["add_errors", "refusal"]

logger = logging.getLogger(__name__)

MISTAKES_TOLD = 3
MESSAGE_LENGTH = 600
"""Characters of a message: it may quote what came."""


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer of an error: ``{"error": {"message": ...}}``."""
    headers = {"Retry-After": "1", **(headers or {})} if status == 503 else headers
    return JSONResponse({"error": {"message": message[:MESSAGE_LENGTH]}}, status, headers)


def add_errors(app: FastAPI) -> None:
    """Make all errors of an application refusals."""

    # With ``async``, for what has none waits for a thread, and all may be computing.
    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        return refusal(422, "; ".join(_said(one) for one in error.errors()[:MISTAKES_TOLD]))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return refusal(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(NotReady)
    async def loading(_: Request, error: NotReady) -> JSONResponse:
        return refusal(503, str(error))

    @app.exception_handler(InvalidInput)
    async def mistaken(_: Request, error: InvalidInput) -> JSONResponse:
        return refusal(400, str(error))

    @app.exception_handler(ColbertKitError)
    async def unreadable(_: Request, error: ColbertKitError) -> JSONResponse:
        # It names folders of this machine: for who runs the server.
        logger.error("A request could not be answered: %s", error)
        return refusal(503, "the index cannot be read at the moment; the server's log says why.")

    @app.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> JSONResponse:
        # Starlette raises it again: uvicorn logs it and hangs up, which a client that keeps connections must know.
        return refusal(500, "colbert_kit failed: see the server's log.", {"Connection": "close"})


def _said(error: Mapping[str, Any]) -> str:
    place = ".".join(map(str, error["loc"][1:])) or "body"
    if error["type"] == "string_unicode":
        return f"{place}: half of a surrogate pair is no character; send Unicode text"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"
