"""A process that has imported everything and forks a child for each operation, which kills itself at an event.

``python -m tests.searcher.nursery MODEL_FOLDER`` reads one JSON order a line and answers each with JSON lines. A child
counts what it does to the file system. After event number ``kill_at`` it sends itself SIGKILL; where that event is a
write, only half of the bytes are written first.
"""

from __future__ import annotations

import builtins
import io
import itertools
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["ADDED", "FIRST", "REPLACEMENT", "UPDATED", "die", "main"]

FIRST = [{"id": f"old{n}", "text": f"the old song of the river {n}", "year": 2000 + n} for n in range(4)]
ADDED = [{"id": f"new{n}", "text": f"night rain on the mountain {n}", "year": 2010 + n} for n in range(3)]
REPLACEMENT = [{"id": f"replaced{n}", "text": f"music in the city {n}", "year": 2020 + n} for n in range(3)]
REMOVED = ["old0", "old2"]
UPDATED = [{"id": "old1", "text": "bread by the river", "year": 1}, ADDED[0]]

OPERATIONS: dict[str, Callable[[Any, Any, Path], None]] = {
    "build": lambda kit, model, folder: kit.Searcher.build(folder, model, FIRST, dtype="float32"),
    "add": lambda kit, model, folder: kit.Searcher.open(folder, model, dtype="float32").add(ADDED),
    "remove": lambda kit, model, folder: kit.Searcher.open(folder, model, dtype="float32").remove(REMOVED),
    "build compressed": lambda kit, model, folder: kit.Searcher.build(
        folder, model, FIRST, dtype="float32", exact_below=0
    ),
    "update": lambda kit, model, folder: kit.Searcher.open(folder, model, dtype="float32").update(UPDATED),
    "compact": lambda kit, model, folder: kit.Searcher.open(folder, model, dtype="float32").compact(),
    "compress": lambda kit, model, folder: kit.Searcher.open(
        folder.parent / "source", model, dtype="float32"
    ).compress_to(folder),
    "configure": lambda kit, model, folder: kit.Searcher.open(folder, model, dtype="float32").configure(
        kit.indexes.SearchConfig(nprobe=2)
    ),
    "adopt": lambda kit, model, folder: kit.Searcher.open(folder, model, dtype="float32").adopt(
        kit.Searcher.open(folder.parent / "other", model, dtype="float32")
    ),
    "vacuum": lambda kit, model, folder: kit.Searcher.open(folder, model, dtype="float32").vacuum(grace_seconds=0),
    "override": lambda kit, model, folder: kit.Searcher.build(
        folder, model, REPLACEMENT, dtype="float32", override=True
    ),
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Events:
    """Counts and records file-system events of this process from ``watch`` on."""

    def __init__(self, kill_at: int | None) -> None:
        self.kill_at = kill_at
        self.seen: list[tuple[str, str]] = []

    def record(self, kind: str, path: object) -> None:
        self.seen.append((kind, str(path)))
        if len(self.seen) == self.kill_at:
            die()

    def is_last(self) -> bool:
        return len(self.seen) + 1 == self.kill_at

    def watch(self) -> None:
        self._watch("mkdir", lambda path, *_: path)
        self._watch("rename", lambda source, target, *_: target)
        self._watch("replace", lambda source, target, *_: target)
        self._watch("unlink", lambda path, *_: path)
        self._watch("rmdir", lambda path, *_: path)
        self._watch("ftruncate", self._path_of)
        self._watch("fsync", self._path_of)
        self._watch("fdatasync", self._path_of)
        self._watch_os_open()
        self._watch_open()

    @staticmethod
    def _path_of(descriptor: int, *_: object) -> str:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())

    def _watch(self, name: str, path_of: Callable[..., object]) -> None:
        real = getattr(os, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            path = path_of(*arguments)
            result = real(*arguments, **options)
            self.record(name, path)
            return result

        setattr(os, name, watched)

    def _watch_os_open(self) -> None:
        real = os.open

        def watched(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            descriptor = real(path, flags, *arguments, **options)
            if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
                self.record("open", path)
            return descriptor

        os.open = watched  # type: ignore[assignment]

    def _watch_open(self) -> None:
        real = builtins.open

        def watched(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if not set(mode) & set("wxa+"):
                return real(file, mode, *arguments, **options)
            assert "b" in mode, f"a text file is written: {file}"
            # Not a BufferedWriter: NumPy would write past it, straight to the descriptor.
            raw = CountingFile(file, mode.replace("b", "").replace("+", "") + "+", self)
            return io.BufferedRandom(raw)

        builtins.open = io.open = watched  # type: ignore[assignment]


class CountingFile(io.FileIO):
    """A file whose every write to the system is an event."""

    def __init__(self, path: Any, mode: str, events: Events) -> None:
        super().__init__(path, mode)
        self._events = events
        events.record("open", path)

    def write(self, data: Any) -> int:
        content = bytes(data)
        if self._events.is_last():
            super().write(content[: len(content) // 2])
            die()
        written = super().write(content)
        self._events.record("write", self.name)
        return written


def main() -> None:
    """Answer orders until the input ends."""
    import torch

    import colbert_kit
    from colbert_kit import Searcher, models
    from colbert_kit.machine import product_dtype
    from colbert_kit.scores import kernel

    # OpenMP's threads do not survive a fork, and a child that waits for them hangs.
    torch.set_num_threads(1)
    # What is measured and compiled once a machine is written before children's events are counted.
    _ = Searcher, kernel(), product_dtype(torch.device("cpu"))
    model = models.ColBERT(sys.argv[1], device="cpu")
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _child(order, colbert_kit, model)
        _say(pid=child)
        _, status = os.waitpid(child, 0)
        _say(done=os.waitstatus_to_exitcode(status))


def _child(order: dict[str, Any], kit: Any, model: Any) -> None:
    code = 1
    try:
        if order["operation"] == "add for ever":
            _add_for_ever(kit, model, Path(order["folder"]))
        if order["operation"] == "change for ever":
            _change_for_ever(kit, model, Path(order["folder"]), order["seed"])
        events = Events(order.get("kill_at"))
        events.watch()
        OPERATIONS[order["operation"]](kit, model, Path(order["folder"]))
        _say(acknowledged=order["operation"], events=events.seen)
        code = 0
    finally:
        if code:
            import traceback

            traceback.print_exc()
        os._exit(code)


def _add_for_ever(kit: Any, model: Any, folder: Path) -> None:
    searcher = kit.Searcher.open(folder, model, dtype="float32")
    for number in itertools.count():
        _say(begun=f"n{number}")
        searcher.add([{"id": f"n{number}", "text": "night rain on the mountain"}])
        _say(acknowledged=f"n{number}")


def _change_for_ever(kit: Any, model: Any, folder: Path, seed: int) -> None:
    """Build anew, then change at random; each step says what must be there once it has happened."""
    chosen = random.Random(seed)
    searcher = None
    ids: set[str] = set()
    for number in itertools.count():
        step = "build" if searcher is None else chosen.choice(("add", "remove", "update", "vacuum", "compact"))
        some = chosen.sample(sorted(ids), min(len(ids), chosen.randint(1, 3)))
        new = [{"id": f"n{number}", "text": f"night rain on the mountain {number}", "year": number}]
        after = {"build": {f"n{number}"}, "add": ids | {f"n{number}"}, "remove": ids - set(some)}.get(step, ids)
        _say(begun=sorted(after))
        if step == "build":
            options = {"exact_below": chosen.choice((0, 10**9)), "override": True, "dtype": "float32"}
            searcher = kit.Searcher.build(folder, model, new, **options)
        elif step == "add":
            searcher.add(new)
        elif step == "remove":
            searcher.remove(some)
        elif step == "update":
            searcher.update([{"id": one, "text": f"the song {number}", "year": number} for one in some])
        elif step == "vacuum":
            searcher.vacuum(grace_seconds=0)
        else:
            searcher.compact()
        ids = after
        _say(acknowledged=sorted(after))


def _say(**answer: object) -> None:
    # One write of less than a pipe's atomic size or to the only reader; a killed child never says half a line of it.
    os.write(1, (json.dumps(answer) + "\n").encode())


if __name__ == "__main__":
    main()
