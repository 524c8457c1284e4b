"""Bodies of a bounded size."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

__all__ = ["LimitBody"]


class LimitBody:
    """Refuses a body that is longer than said, at its announced length or while it comes.

    Args:
        app: What is asked otherwise.
        max_body: Bytes.
    """

    def __init__(self, app: Any, max_body: int) -> None:  # noqa: ANN401 - an ASGI application
        self.app = app
        self.max_body = max_body

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        """One request."""
        announced = dict(scope.get("headers", ())).get(b"content-length", b"0")
        if scope["type"] != "http" or not announced.isdigit() or int(announced) <= self.max_body:
            await self.app(scope, self._counted(receive), send)
            return
        message = f"a request may have {self.max_body:,} bytes, got {int(announced):,}. Send fewer or shorter texts."
        await JSONResponse({"error": {"message": message}}, 413, {"Connection": "close"})(scope, receive, send)

    def _counted(self, receive: Any) -> Any:  # noqa: ANN401 - ASGI's
        came = 0

        async def counted() -> Any:  # noqa: ANN401 - ASGI's
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            # A client that announced less, or nothing: as if it had gone.
            return message if came <= self.max_body else {"type": "http.disconnect"}

        return counted
