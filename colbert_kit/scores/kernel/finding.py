"""Where the compiled kernel comes from: the wheel, the user's cache, or the compiler at first use."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from pathlib import Path

import filelock

from colbert_kit.machine import cache_folder
from colbert_kit.scores.kernel.compiling import COMPILER_SECONDS, HERE, compile_into, library_name

__all__ = ["find_or_compile"]


def find_or_compile() -> Path:
    """The library's file: the one in this package if it is of these sources, else the cached, else a new one.

    Raises:
        OSError: There is no compiler, or it fails; the message is its last line.
    """
    name = library_name()
    packaged = HERE / name
    if packaged.is_file():
        return packaged
    folder = _private_folder(cache_folder() / "kernel")
    if folder is None:
        return _compile_for_this_process(name)
    cached = folder / name
    if cached.is_file():
        return cached
    if not os.access(folder, os.W_OK):
        return _compile_for_this_process(name)
    with filelock.FileLock(folder / f"{name}.lock", timeout=2 * COMPILER_SECONDS):
        return cached if cached.is_file() else compile_into(cached)


def _private_folder(folder: Path) -> Path | None:
    """The folder if it is this user's and nobody else can write there, who could leave a library of theirs."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
    except OSError:
        return None
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    is_mine = hasattr(os, "getuid") and found.st_uid == os.getuid()
    return folder if is_mine and not others_write else None


def _compile_for_this_process(name: str) -> Path:
    folder = tempfile.mkdtemp(prefix="colbert-kit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return compile_into(Path(folder) / name)
