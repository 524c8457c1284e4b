"""One pool of threads for the whole process: a lone search may use all cores, searches beside others get one each."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["num_cores", "run", "sharing"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Pool:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.active = 0
        self._executor: ThreadPoolExecutor | None = None

    def executor(self) -> ThreadPoolExecutor:
        with self.lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(num_cores(), thread_name_prefix="colbert-kit")
            return self._executor


_pool = _Pool()


def _begin_anew() -> None:
    """In a forked child, where the parent's threads do not exist and its lock may be held."""
    global _pool
    _pool = _Pool()


os.register_at_fork(after_in_child=_begin_anew)


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def sharing() -> Iterator[int]:
    """How many threads the search inside may use: all cores if it is the only one, else one."""
    pool = _pool
    with pool.lock:
        pool.active += 1
        threads = num_cores() if pool.active == 1 else 1
    try:
        yield threads
    finally:
        with pool.lock:
            pool.active -= 1


def run(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    """Results of ``function`` for each item, in order, on at most ``threads`` threads, one of them this one.

    An error of one of them is raised here, when none of them runs any more.
    """
    if threads <= 1 or len(items) <= 1:
        return [function(item) for item in items]
    executor = _pool.executor()
    lanes = [items[lane::threads] for lane in range(min(threads, len(items)))]

    def work(lane: Sequence[Item]) -> list[Result]:
        return [function(item) for item in lane]

    others = [executor.submit(work, lane) for lane in lanes[1:]]
    try:
        parts = [work(lanes[0]), *(other.result() for other in others)]
    except BaseException:
        # They write into arrays that the caller's next search uses again.
        wait(others)
        raise
    results: list[Result] = [parts[number % len(lanes)][number // len(lanes)] for number in range(len(items))]
    return results
