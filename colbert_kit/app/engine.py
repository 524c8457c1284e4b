"""The answers from a process of their own.

Torch with its libraries takes 9 s to import on two cores, Gradio 4 s; in one process they queue for the interpreter's
lock, in two they load side by side, and encoding never makes the page wait. What crosses is plain values, pickled
between these two processes only, over a socket that no other user can open.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import threading
from multiprocessing.managers import BaseManager
from typing import TYPE_CHECKING, Any, cast

from colbert_kit.app.answers import Answers

if TYPE_CHECKING:
    from multiprocessing.managers import BaseProxy

__all__ = ["start_engine"]


class _Manager(BaseManager):
    """Hosts ``Answers``; each thread that calls has a thread of its own there."""


_Manager.register("Answers", Answers)

# A manager ends its process when nothing holds it any more.
_running: list[_Manager] = []


def start_engine(index: str | None = None) -> Answers:
    """Start a process that answers, and begin to load there.

    The process ends with this one, however this one ends. Errors are raised here as they were raised there.

    Args:
        index: As ``Service``.

    Returns:
        A proxy with the methods of ``Answers``.
    """
    # "spawn": a fork would copy this process's threads half-way through whatever they do.
    manager: Any = _Manager(ctx=multiprocessing.get_context("spawn"))
    manager.start(_begin)
    _running.append(manager)
    proxy: BaseProxy = manager.Answers(index)
    answers = cast("Answers", proxy)
    answers.start()
    return answers


def _begin() -> None:
    """Load without bars in the server's log, and end when the page's process has ended, killed or not, or asks to."""
    # Read when huggingface_hub is imported, which transformers asks too.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Otherwise Python first takes the thread pools from under the thread that indexes, which then complains.
    multiprocessing.util.Finalize(None, os._exit, args=(0,), exitpriority=0)

    def wait_and_end() -> None:
        if (parent := multiprocessing.parent_process()) is not None:
            parent.join()
            # A commit that this interrupts leaves the folder as it was.
            os._exit(0)

    threading.Thread(target=wait_and_end, name="follow parent", daemon=True).start()
