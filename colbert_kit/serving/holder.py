"""The index behind the requests: loaded in the background, followed when another process changes it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from colbert_kit.errors import ColbertKitError, InvalidFolder

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
    """One searcher for all requests.

    Args:
        open_index: Opens it.
        name: What it is called.
    """

    def __init__(self, open_index: Callable[[], Searcher], name: str) -> None:
        self.name = name
        self.failure: BaseException | None = None
        self._open = open_index
        self._searcher: Searcher | None = None
        self._seen: tuple[int, int] | None = None
        self._looked = 0.0
        self._looking = threading.Lock()
        self._computing = threading.BoundedSemaphore(AT_ONCE)

    def start(self, on_failure: Callable[[], None]) -> None:
        """Begin to load."""
        threading.Thread(target=self._load, args=(on_failure,), name="load", daemon=True).start()

    @property
    def searcher(self) -> Searcher:
        """The index as it is now.

        Raises:
            NotReady: It is still loading.
        """
        if self._searcher is None:
            raise NotReady(f"{self.name} is still loading; ask again in a moment.")
        self._follow(self._searcher)
        return self._searcher

    @contextlib.contextmanager
    def computing(self) -> Iterator[Searcher]:
        """The index, for as many requests at a time as there are cores."""
        searcher = self.searcher
        with self._computing:
            yield searcher

    def _load(self, on_failure: Callable[[], None]) -> None:
        try:
            searcher = self._open()
            searcher.warm()
            self._seen = _stamp(searcher)
            self._searcher = searcher
            logger.info("%s: %d documents, ready.", self.name, len(searcher))
        except BaseException as error:  # noqa: BLE001 - raised again by serve_index
            self.failure = error
            on_failure()

    def _follow(self, searcher: Searcher) -> None:
        """Take up what another process has committed, looked for once a second by one request."""
        if time.monotonic() - self._looked < SECONDS_BETWEEN_LOOKS or not self._looking.acquire(blocking=False):
            return
        try:
            self._looked = time.monotonic()
            if (stamp := _stamp(searcher)) != self._seen:
                searcher.refresh()
                self._seen = stamp
        except InvalidFolder as error:
            # What is open stays whole, and goes on answering.
            logger.warning("The index changed and could not be taken up: %s", error)
            self._seen = stamp
        finally:
            self._looking.release()


def _stamp(searcher: Searcher) -> tuple[int, int] | None:
    """Changes with every commit, which renames a new manifest into place."""
    try:
        found = (searcher.folder / "manifest.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
