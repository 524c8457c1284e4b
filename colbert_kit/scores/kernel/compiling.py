"""Where the compiled kernel comes from: the wheel, the user's cache, or the compiler at first use."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import filelock

from colbert_kit.machine import cache_folder

__all__ = ["FLAGS", "SOURCES", "compile_into", "find_or_compile", "source_hash"]

HERE = Path(__file__).parent
SOURCES = (HERE / "kernel.c", HERE / "body.h")

FLAGS = (
    "-O3", "-std=gnu11", "-fPIC", "-Wno-psabi",
    # Not -ffast-math: its start-up code makes the whole process flush denormals to zero.
    "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math",
)  # fmt: skip

COMPILER_SECONDS = 300


def source_hash() -> str:
    """What a library must have been compiled from to be used: sha256 of the sources and flags, 16 hex digits."""
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for source in SOURCES:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def find_or_compile() -> Path:
    """The library's file: the one in this package if it is of these sources, else the cached, else a new one.

    Raises:
        OSError: There is no compiler, or it fails; the message is its last line.
    """
    name = f"kernel-{source_hash()}.so"
    packaged = HERE / name
    if packaged.is_file():
        return packaged
    folder = _private_folder(cache_folder() / "kernel")
    if folder is None:
        # Nowhere to keep it: for this process alone.
        return compile_into(Path(tempfile.mkdtemp(prefix="colbert-kit-")) / name)
    with filelock.FileLock(folder / f"{name}.lock", timeout=2 * COMPILER_SECONDS):
        cached = folder / name
        return cached if cached.is_file() else compile_into(cached)


def compile_into(library: Path) -> Path:
    """Compile the kernel; the file appears whole or not at all.

    Raises:
        OSError: There is no compiler, or it fails.
    """
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise OSError("there is no C compiler (cc, gcc or clang)")
    descriptor, temporary = tempfile.mkstemp(prefix=library.stem, suffix=".part", dir=library.parent)
    os.close(descriptor)
    try:
        command = [*compiler.split(), *FLAGS, "-shared", str(SOURCES[0]), "-o", temporary, "-lm"]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMPILER_SECONDS)
        if run.returncode:
            lines = run.stderr.strip().splitlines() or [f"exit code {run.returncode}"]
            raise OSError(f"{compiler} failed: {lines[-1]}")
        Path(temporary).chmod(0o700)
        Path(temporary).replace(library)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{compiler} did not finish within {COMPILER_SECONDS} seconds") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return library


def _private_folder(folder: Path) -> Path | None:
    """The folder if it can be written by this user and by nobody else, who could put a library of theirs there."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
    except OSError:
        return None
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if found.st_uid != os.getuid() or others_write or not os.access(folder, os.W_OK):
        return None
    return folder
