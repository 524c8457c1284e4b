"""A command that runs in a process group of its own, so that all that it starts ends with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["ProcessGroup"]


class ProcessGroup:
    """A running command; each line of its output, and of its errors, is given to ``on_line`` as it comes.

    Raises:
        OSError: There is no such program.
    """

    def __init__(
        self, command: list[str], folder: Path, environment: Mapping[str, str], on_line: Callable[[str], None]
    ) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._on_line = on_line
        # Not waited for at exit: a process that left the group may hold the output open.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ends_within(self, seconds: float) -> bool:
        """Wait so long for the command; whether it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(seconds, 0))
        return self._process.returncode is not None

    def terminate(self, grace_seconds: float) -> None:
        """Ask the command to end, and kill it when it does not."""
        self._signal(signal.SIGTERM)
        if not self.ends_within(grace_seconds):
            self._signal(signal.SIGKILL)
            self._process.wait()

    def finish(self, grace_seconds: float) -> int:
        """Once the command has ended: end what it has left behind, and give its exit code as a container tells it."""
        self._signal(signal.SIGKILL)
        self._reader.join(grace_seconds)
        code = self._process.returncode
        return code if code >= 0 else 128 - code

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._on_line(line.decode(errors="replace").rstrip("\r\n"))

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
