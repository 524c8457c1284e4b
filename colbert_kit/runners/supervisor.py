"""Watches over one job on this machine: a program of its own, which outlives whoever started it.

It is run by its path, with a plan on its standard input: ``command``, ``folder`` (where the command works), ``log``,
``state`` and ``cancel`` (paths), ``lock`` (a descriptor whose lock says that the job is watched), ``timeout_seconds``,
``grace_seconds``, ``secrets`` and ``mask`` (patterns of what is never written). The standard library alone, so that it
starts at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["end_group", "group_identity", "main", "now", "write_json"]

POLL_SECONDS = 0.1
LONGEST_LINE = 1 << 20
SHORTEST_SECRET = 6
"""A shorter one would be found everywhere in the log."""


def main() -> None:
    """Take the plan, leave the process that started this, and run the command to its end."""
    plan = json.loads(sys.stdin.buffer.read())
    if os.fork():
        # Whoever started this waits for this process, and has no child left.
        os._exit(0)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    # The lock is this process's alone: the job must not hold it on.
    os.set_inheritable(plan["lock"], False)
    with contextlib.suppress(BrokenPipeError):
        Watch(plan).run()


class Watch:
    """The command, its output, and the end that it comes to."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.state_path, self.cancel_path = Path(plan["state"]), Path(plan["cancel"])
        self.log = Path(plan["log"]).open("ab", buffering=0)  # noqa: SIM115 - open until the process ends
        self.started = now()
        self.buffer = b""
        self.is_asked_to_end = False
        secrets = [re.escape(value) for value in plan["secrets"].values() if len(value) >= SHORTEST_SECRET]
        self.masked = re.compile("|".join([*secrets, *plan["mask"]]).encode())

    def run(self) -> None:
        """Run the command, and write what came of it."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask_to_end)
        try:
            process = subprocess.Popen(
                self.plan["command"],
                cwd=self.plan["folder"],
                env={**os.environ, **self.plan["secrets"]},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self._write(f"{error.strerror}: {self.plan['command'][0]}\n".encode())
            self._enter("ERROR", "Job failed with exit code: 127. Reason: Error", exit_code=127)
            return
        try:
            self._enter("RUNNING", None, group=process.pid, group_identity=group_identity(process.pid))
            self._enter(*self._watched(process))
        except OSError:
            # A full disk, for one: what nobody can look at any more must not run on.
            end_group(process.pid)
            raise

    def _watched(self, process: subprocess.Popen[bytes]) -> tuple[str, str | None, int | None]:
        deadline = time.monotonic() + self.plan["timeout_seconds"]
        while process.poll() is None and not self._is_canceled() and time.monotonic() < deadline:
            self._copy(process, min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        is_over, is_canceled = process.poll() is not None, self._is_canceled()
        if not is_over:
            self._terminate(process)
        # What the command has left behind ends with it, and so does what holds its output open.
        end_group(process.pid)
        self._drain(process)
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        if is_over:
            return (
                ("ERROR", f"Job failed with exit code: {code}. Reason: Error", code) if code else ("COMPLETED", None, 0)
            )
        return ("CANCELED", None, None) if is_canceled else ("ERROR", "Job timeout", None)

    def _terminate(self, process: subprocess.Popen[bytes]) -> None:
        """Ask the whole group to end, and kill it if it does not."""
        end_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + self.plan["grace_seconds"]
        while process.poll() is None and time.monotonic() < deadline:
            self._copy(process, POLL_SECONDS)
        end_group(process.pid)
        process.wait()

    def _copy(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """Move what the command has said into the log; whether there was any."""
        assert process.stdout is not None
        if process.stdout.closed:
            # The command goes on without its output.
            time.sleep(seconds)
            return False
        if not select.select([process.stdout], [], [], seconds)[0]:
            return False
        data = os.read(process.stdout.fileno(), 1 << 16)
        if not data:
            process.stdout.close()
        whole, newline, rest = (self.buffer + data).rpartition(b"\n")
        if len(rest) > LONGEST_LINE or not data:
            whole, newline, rest = whole + newline + rest, b"", b""
        self._write(whole + newline)
        self.buffer = rest
        return bool(data)

    def _drain(self, process: subprocess.Popen[bytes]) -> None:
        """Take what the command had said last; a process that left the group may hold the output open for ever."""
        deadline = time.monotonic() + 1.0
        while self._copy(process, POLL_SECONDS) and time.monotonic() < deadline:
            pass
        self._write(self.buffer + b"\n" if self.buffer else b"")

    def _write(self, data: bytes) -> None:
        # A full disk must not end the job.
        with contextlib.suppress(OSError):
            self.log.write(self.masked.sub(b"***", data))

    def _enter(self, state: str, message: str | None, exit_code: int | None = None, **more: Any) -> None:  # noqa: ANN401
        times = {"started": self.started, "finished": None if state == "RUNNING" else now()}
        write_json(self.state_path, {"state": state, "message": message, "exit_code": exit_code, **times, **more})

    def _is_canceled(self) -> bool:
        return self.is_asked_to_end or self.cancel_path.exists()

    def _ask_to_end(self, *_: object) -> None:
        self.is_asked_to_end = True


def end_group(group: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to all processes of a group, if there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def group_identity(pid: int) -> str | None:
    """What tells a process from a later one with its number: when it began, in ticks since the machine did."""
    try:
        # The name, in parentheses, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def now() -> str:
    """The time, as it stands in the files."""
    return datetime.now(UTC).isoformat()


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a small file so that readers find it whole, the old one or the new one."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(values, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


if __name__ == "__main__":
    main()
