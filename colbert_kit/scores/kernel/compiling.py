"""How the kernel is compiled; imports the standard library alone, as ``setup.py`` loads this file without the kit."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["COMPILER_SECONDS", "FLAGS", "SOURCES", "compile_into", "compiler", "library_name"]

HERE = Path(__file__).parent
SOURCES = (HERE / "kernel.c", HERE / "body.h")

FLAGS = (
    "-O3", "-std=gnu11", "-fPIC", "-Wno-psabi",
    # Not -ffast-math: its start-up code makes the whole process flush denormals to zero.
    "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math",
)  # fmt: skip

COMPILER_SECONDS = 300


def library_name() -> str:
    """What a library of these sources and flags is called; after a change of either no older one is found."""
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for source in SOURCES:
        digest.update(source.read_bytes())
    return f"kernel-{digest.hexdigest()[:16]}.so"


def compiler() -> str | None:
    """The command that compiles C: ``$CC``, or the first of cc, gcc and clang that is there."""
    return os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compile_into(library: Path) -> Path:
    """Compile the kernel; the file appears whole or not at all.

    Raises:
        OSError: There is no compiler, or it fails; the message is its last line.
    """
    command = compiler()
    if command is None:
        raise OSError("there is no C compiler (cc, gcc or clang)")
    descriptor, temporary = tempfile.mkstemp(prefix=library.stem, suffix=".part", dir=library.parent)
    os.close(descriptor)
    try:
        _run([*command.split(), *FLAGS, "-shared", str(SOURCES[0]), "-o", temporary, "-lm"])
        Path(temporary).chmod(0o755)
        # A rename that outlives a power cut must not outlive what it names.
        with Path(temporary).open("rb") as written:
            os.fsync(written.fileno())
        Path(temporary).replace(library)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return library


def _run(command: list[str]) -> None:
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=COMPILER_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} did not finish within {COMPILER_SECONDS} seconds") from error
    if run.returncode:
        lines = run.stderr.strip().splitlines() or [f"exit code {run.returncode}"]
        raise OSError(f"{command[0]} failed: {lines[-1]}")
