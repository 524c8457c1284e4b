"""From a folder's name to a server that answers, and back to a quiet machine."""

from __future__ import annotations

import importlib.util
import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from colbert_kit.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from colbert_kit import Searcher

__all__ = ["DEFAULT_MAX_BODY", "DEFAULT_PORT", "is_loopback", "serve_index"]

DEFAULT_PORT = 8000
DEFAULT_MAX_BODY = 8 * 2**20
"""Bytes: a thousand candidates of 8,000 characters."""
SECONDS_TO_FINISH = 20
"""For running requests, when the process is asked to end; Kubernetes kills after 30."""


def serve_index(
    open_index: Callable[[], Searcher],
    *,
    name: str,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    token: str | None = None,
    open_to_all: bool = False,
    max_body: int = DEFAULT_MAX_BODY,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Answer requests until the process is asked to end (SIGINT, SIGTERM); the index loads meanwhile.

    Args:
        open_index: Opens it; called in a thread.
        name: What the index is called in answers.
        host: The address to bind; other machines reach any but a loopback one.
        port: The port; 0 takes a free one.
        token: What requests must carry, ``Authorization: Bearer ...``; none where None.
        open_to_all: Answer without a token whoever reaches the address, by whatever name.
        max_body: Bytes of a request at most.
        on_start: Told the address once it is bound.

    Raises:
        MissingExtra: FastAPI or uvicorn is not installed.
        InvalidInput: Others would reach it without a token, or the address cannot be bound.
        ColbertKitError: The index could not be opened.

    Example:
        >>> serve_index(lambda: Searcher.open("my-index"), name="my-index")  # doctest: +SKIP
    """
    for library in ("fastapi", "uvicorn"):
        if importlib.util.find_spec(library) is None:
            raise MissingExtra(library, "serve")
    if token is None and not open_to_all and not is_loopback(host):
        raise InvalidInput(
            f"other machines reach {host}, and whoever reaches it could read the index. Give a token (--token, or "
            "COLBERT_KIT_TOKEN), bind 127.0.0.1, or say --no-token if everybody may."
        )
    if token is not None and (not token.isascii() or not token.isprintable() or token.split() != [token]):
        raise InvalidInput("a token is made of ASCII letters, digits and signs, without spaces; give another one.")
    if token is not None and open_to_all:
        raise InvalidInput("a token (--token, or COLBERT_KIT_TOKEN) and --no-token contradict each other; give one.")
    import uvicorn

    from colbert_kit.serving.application import create_application
    from colbert_kit.serving.holder import Holder

    listener = _bind(host, port)
    holder = Holder(open_index, name)
    only_here = token is None and not open_to_all
    application = create_application(holder, token=token, max_body=max_body, only_here=only_here)
    config = uvicorn.Config(
        application, log_level="warning", server_header=False, timeout_graceful_shutdown=SECONDS_TO_FINISH
    )
    server: Any = uvicorn.Server(config)
    if on_start is not None:
        shown = f"[{host}]" if ":" in host else host
        on_start(f"http://{shown}:{listener.getsockname()[1]}")

    def stop() -> None:
        server.should_exit = True

    holder.start(on_failure=stop)
    with listener:
        server.run(sockets=[listener])
    if holder.failure is not None:
        raise holder.failure


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bind(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # asyncio sets it on its own sockets alone; without it an answer waits 40 ms to be acknowledged.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, OverflowError) as error:
        raise InvalidInput(
            f"{host}:{port} cannot be bound: {error}. Choose another --port; 0 takes a free one."
        ) from error
    return listener
