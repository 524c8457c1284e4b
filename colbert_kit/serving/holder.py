"""The index behind the requests: loaded in the background, followed when another process changes it."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from colbert_kit.errors import ColbertKitError
from colbert_kit.folders import Manifest

if TYPE_CHECKING:
    from colbert_kit import Searcher

__all__ = ["Holder", "NotReady"]

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 1.0
"""How old an answer may be after another process's commit."""
AT_ONCE = max(2, os.cpu_count() or 1)
"""Requests that compute at the same time; others wait, which costs less than sharing the cores further."""


class NotReady(ColbertKitError):
    """The index is still loading."""


class Holder:
    """One index for all requests.

    Args:
        open_index: Opens it.
        name: What it is called.
    """

    def __init__(self, open_index: Callable[[], Searcher], name: str) -> None:
        self.name = name
        self.model = ""
        self.model_revision: str | None = None
        self.failure: BaseException | None = None
        self.problem: str | None = None
        self._open = open_index
        self._searcher: Searcher | None = None
        self._computing = threading.BoundedSemaphore(AT_ONCE)

    def start(self, on_failure: Callable[[], None]) -> None:
        """Begin to load; then to follow the folder."""
        threading.Thread(target=self._run, args=(on_failure,), name="load", daemon=True).start()

    @property
    def searcher(self) -> Searcher:
        """The index as it is now: never refreshed, so that who keeps it keeps its generation.

        Raises:
            NotReady: It is still loading.
        """
        if self._searcher is None:
            raise NotReady(f"{self.name} is still loading; ask again in a moment.")
        return self._searcher

    @contextlib.contextmanager
    def computing(self) -> Iterator[Searcher]:
        """The index, for as many requests at a time as there are cores."""
        with self._computing:
            yield self.searcher

    def _run(self, on_failure: Callable[[], None]) -> None:
        try:
            searcher = self._load()
        except BaseException as error:  # noqa: BLE001 - raised again by serve_index
            self.failure = error
            on_failure()
            return
        while True:
            self._searcher = searcher
            time.sleep(SECONDS_BETWEEN_LOOKS)
            searcher = self._newest(searcher)

    def _load(self) -> Searcher:
        from colbert_kit import models

        searcher = self._open()
        searcher.warm()
        # Once, for it hashes the weights; and no path of this machine, for /health needs no token.
        record = models.record_of(searcher.model)
        self.model = Path(record.id).name if Path(record.id).is_absolute() else record.id
        self.model_revision = record.revision
        logger.info("%s: %d documents, ready.", self.name, len(searcher))
        return searcher

    def _newest(self, searcher: Searcher) -> Searcher:
        """What another process has committed, or else what is open, which stays whole and goes on answering."""
        newer = copy.copy(searcher)
        try:
            manifest = Manifest.read(searcher.folder)
            if (manifest.generation, manifest.content_digest) != (searcher.generation, searcher.content_digest):
                newer.refresh()
        except Exception:
            if self.problem is None:
                logger.exception("The index has changed and cannot be taken up.")
            self.problem = "the index has changed and cannot be taken up; the server's log says why."
            return searcher
        self.problem = None
        return newer
