"""The service in a process of its own.

Torch and Gradio each take 4 to 9 s to import on two cores; in one process they queue for the interpreter's lock, in
two they load side by side, and encoding never makes the page wait. What crosses is pickled between these two
processes only, over a socket that no other user can open.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.managers import BaseManager
from typing import Any

from colbert_kit.app.service import Found, Service, Status

__all__ = ["Engine"]


class _Manager(BaseManager):
    """Hosts a ``Service``; each caller's thread has a thread of its own there."""


_Manager.register("Service", Service, exposed=["start", "get_status", "search", "rerank", "rerank_bm25"])


class Engine:
    """A ``Service`` in another process, with its methods; errors come back as they were raised there.

    The process ends with this one, however this one ends.

    Args:
        index: As ``Service``.
    """

    def __init__(self, index: str | None = None) -> None:
        self.is_demo = index is None
        # "spawn": a fork would copy the page's threads half-way through whatever they do.
        self._manager = _Manager(ctx=multiprocessing.get_context("spawn"))
        self._manager.start(_follow_parent)
        # Registered above: the class gets the method from there.
        self._service: Any = self._manager.Service(index)

    def start(self) -> None:
        """As ``Service.start``."""
        self._service.start()

    @property
    def status(self) -> Status:
        """As ``Service.status``."""
        status: Status = self._service.get_status()
        return status

    def search(self, query: str, k: int = 10, filter_text: str = "", *, explain: bool = True) -> Found:
        """As ``Service.search``."""
        found: Found = self._service.search(query, k, filter_text, explain=explain)
        return found

    def rerank(self, query: str, texts: list[str], k: int | None = None) -> Found:
        """As ``Service.rerank``."""
        found: Found = self._service.rerank(query, texts, k)
        return found

    def rerank_bm25(self, query: str, k: int, num_candidates: int = 100) -> Found:
        """As ``Service.rerank_bm25``."""
        found: Found = self._service.rerank_bm25(query, k, num_candidates)
        return found


def _follow_parent() -> None:
    """End this process when the page's has ended, killed or not."""

    def wait_and_end() -> None:
        if (parent := multiprocessing.parent_process()) is not None:
            parent.join()
            # A commit that this interrupts leaves the folder as it was.
            os._exit(0)

    threading.Thread(target=wait_and_end, name="follow parent", daemon=True).start()
