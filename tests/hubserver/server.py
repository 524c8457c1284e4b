"""The loopback Hub: two listening sockets, and all that is behind them."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from tests.hubserver import (
    accounts,
    download_routes,
    hardware,
    job_routes,
    objects,
    repository_routes,
    spaces,
    tree_routes,
    upload_routes,
)
from tests.hubserver.faults import Faults
from tests.hubserver.jobs import Jobs, JobSettings
from tests.hubserver.listener import Listener
from tests.hubserver.messages import HubError, Request, Response
from tests.hubserver.repositories import Repositories
from tests.hubserver.routes import Routes
from tests.hubserver.traffic import Traffic

__all__ = ["HubServer"]

HUB_ROUTES = Routes()
# First the ones with more of their path written out: /api/spaces/hardware could be a repository's name.
for part in (accounts, hardware, spaces, job_routes, upload_routes, tree_routes, repository_routes, download_routes):
    HUB_ROUTES.include(part.routes)


class HubServer:
    """A Hub on 127.0.0.1, from entering to leaving the ``with`` block.

    ``url`` is the Hub; ``storage_url`` is where large files lie, another host to a client. What a test may set up
    and look at: ``accounts``, ``repositories``, ``jobs``, ``faults``, ``traffic``; ``errors`` are the server's own.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        storage_port: int = 0,
        page_size: int = 1000,
        job_settings: JobSettings | None = None,
    ) -> None:
        self.page_size = page_size
        self._folder = tempfile.TemporaryDirectory(prefix="hubserver-")
        self.accounts = accounts.Accounts()
        self.objects = objects.Objects(Path(self._folder.name))
        self.repositories = Repositories(self.objects)
        self.jobs = Jobs(job_settings or JobSettings())
        self.faults = Faults()
        self.traffic = Traffic()
        self._hub = Listener("hub", port, self._answer, self.faults, self.traffic)
        self._storage = Listener("storage", storage_port, self._answer_for_storage, self.faults, self.traffic)

    @property
    def url(self) -> str:
        return self._hub.url

    @property
    def storage_url(self) -> str:
        # Another name for the same machine: to clients a host of its own, which they must not give their token.
        return self._storage.url.replace("127.0.0.1", "localhost")

    @property
    def stopping(self) -> threading.Event:
        return self._hub.stopping

    @property
    def errors(self) -> list[str]:
        """Tracebacks of the server's own failures. A test that leaves any here met a bug of the server."""
        return [*self._hub.errors, *self._storage.errors]

    def start(self) -> None:
        self._hub.start()
        self._storage.start()

    def stop(self) -> None:
        """End jobs and connections, and delete what was stored; once."""
        if self.stopping.is_set():
            return
        self.jobs.stop()
        self._hub.stop()
        self._storage.stop()
        self._folder.cleanup()

    def __enter__(self) -> HubServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, request: Request) -> Response:
        request.caller = self.accounts.caller_of(request)
        return self._dispatch(HUB_ROUTES, request)

    def _answer_for_storage(self, request: Request) -> Response:
        return self._dispatch(objects.routes, request)

    def _dispatch(self, routes: Routes, request: Request) -> Response:
        found = routes.find(request.method, request.path)
        if found is None:
            raise HubError(404, f"hubserver does not know {request.method} {request.path}")
        handler, fields = found
        return handler(self, request, **fields)
