"""The page's search endpoint alone and under load: latency, errors, memory.

    python -m benchmarks.load WORK_FOLDER [--passages 30000] [--users 16] [--minutes 5] [--data FOLDER]

WordNet, Debian and man passages of at least 50 words, encoded by the demo model (once: the index is kept in
WORK_FOLDER) and served by ``python app.py --index``. First a process of its own searches, the queries' encoding left
out; then one user of the page asks 300 queries one after the other; then every user asks the next as soon as the last
is answered. Queries are asked over plain HTTP, as a browser does: a post, then the answer's stream. Memory is that of
the page's process and its engine without pages of files, after the first minute and at the end.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.corpora import DATA, passages, queries
from benchmarks.machine import describe, resident
from colbert_kit import Searcher, models, progress
from colbert_kit.folders import exists

ROOT = Path(__file__).parent.parent
ALONE = 300
WARMING = 20


def main() -> None:
    """Build, serve, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--passages", type=int, default=30_000)
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    folder = arguments.work / f"load_{arguments.passages}"
    texts = passages(arguments.data, 50)[: arguments.passages]
    if not exists(folder):
        documents = ({"id": str(number), "text": text} for number, text in enumerate(texts))
        with progress.terminal_progress() as on_progress:
            Searcher.build(folder, models.load_demo(), documents, on_progress=on_progress)
    asked = queries(arguments.data)
    print(f"{describe()}; {len(texts):,} passages, k = 10")
    print(f"search by itself: {said(inside(folder, asked[:ALONE]))}", flush=True)
    with served(folder) as (url, process):
        alone = [ask(url, query) for query in asked[: WARMING + ALONE]][WARMING:]
        print(f"one user: {said(alone)}", flush=True)
        print(under_load(url, process, asked, arguments.users, 60 * arguments.minutes))


def inside(folder: Path, asked: list[str]) -> list[float]:
    """Seconds of searches in this process, the queries' encoding left out."""
    searcher = Searcher.open(folder)
    searcher.warm()
    taken = []
    for query in asked:
        timings: dict[str, float] = {}
        searcher.search(query, 10, timings=timings)
        timings.pop("encode")
        taken.append(sum(timings.values()))
    return taken[WARMING:]


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The page over an index, once it answers, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    command = [sys.executable, "app.py", "--index", str(folder), "--port", str(port)]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).read()
                break
            except OSError:
                time.sleep(0.1)
        page = time.perf_counter() - start
        ask(url, "the first query")
        print(f"page after {page:.1f} s, first hit after {time.perf_counter() - start:.1f} s", flush=True)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(10)


def ask(url: str, query: str, session: str = "first") -> float:
    """Seconds until the hits are there, for a user who keeps a session as browsers and Gradio's client do.

    Raises:
        RuntimeError: There are none.
    """
    start = time.perf_counter()
    call = f"{url}gradio_api/call/search"
    body = json.dumps({"data": [query, 10, "", "colbert", ""], "session_hash": session}).encode()
    request = urllib.request.Request(call, body, {"Content-Type": "application/json"})
    event = json.load(urllib.request.urlopen(request, timeout=60))["event_id"]
    answer = urllib.request.urlopen(f"{call}/{event}", timeout=60).read().decode()
    if "event: complete" not in answer or '"rank"' not in answer:
        raise RuntimeError(answer[:300])
    return time.perf_counter() - start


def under_load(url: str, process: psutil.Process, asked: list[str], users: int, seconds: float) -> str:
    """All users at once."""
    taken: list[float] = []
    errors: list[str] = []
    end = time.perf_counter() + seconds

    def use(number: int) -> None:
        for query in itertools.islice(itertools.cycle(asked), number * 101, None):
            if time.perf_counter() > end:
                return
            try:
                taken.append(ask(url, query, f"user {number}"))
            except (OSError, RuntimeError, ValueError) as error:
                errors.append(repr(error))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    time.sleep(min(60.0, seconds / 2))
    before = own_gib(process)
    for thread in threads:
        thread.join()
    after = own_gib(process)
    return (
        f"{users} users, {seconds / 60:g} minutes: {said(taken)}, {len(taken) / seconds:.1f} queries a second, "
        f"{len(errors)} errors {errors[:3] or ''}\n"
        f"memory: {before:.2f} GiB, at the end {after:.2f} ({100 * (after / before - 1):+.1f} %)"
    )


def own_gib(process: psutil.Process) -> float:
    """Memory of a process and its children, without pages of files."""
    return sum(resident(one)[1] for one in [process, *process.children(recursive=True)])


def said(seconds: list[float]) -> str:
    """Percentiles in words."""
    p50, p95, p99 = 1e3 * np.percentile(seconds, [50, 95, 99])
    return f"{len(seconds):,} searches, p50 {p50:.1f} ms, p95 {p95:.1f}, p99 {p99:.1f}"


if __name__ == "__main__":
    main()
