"""Remove what no generation needs any more."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from colbert_kit.folders.commit import locked, sync_folder
from colbert_kit.folders.manifest import ALLOWED_SUFFIXES, Manifest

__all__ = ["GRACE_SECONDS", "vacuum"]

GRACE_SECONDS = 600.0
"""How long files stay after the generation that had them: a reader maps all its files within seconds."""


def vacuum(folder: str | Path, *, grace_seconds: float = GRACE_SECONDS) -> int:
    """Remove files that the current generation does not name and that have not been current for a while.

    These are what later generations dropped, and what killed processes left. Files that no commit of ours could have
    written, a README for instance, stay.

    Args:
        folder: The folder.
        grace_seconds: Keep what was current less than so many seconds ago.

    Returns:
        Bytes freed.

    Raises:
        InvalidFolder: It has no manifest that can be read; nothing is removed.
        FolderBusy: Another process is writing to the folder.
    """
    folder = Path(folder)
    manifest = Manifest.read(folder)
    freed = 0
    with locked(folder):
        manifest = Manifest.read(folder)
        oldest = time.time() - grace_seconds
        for path in _numbered(folder):
            name = path.relative_to(folder).as_posix()
            if name in manifest.files:
                continue
            found = path.stat()
            if manifest.retired.get(name, found.st_mtime) <= oldest:
                path.unlink()
                freed += found.st_size
        _remove_empty_folders(folder)
        sync_folder(folder)
    return freed


def _numbered(folder: Path) -> Iterator[Path]:
    """Files that a commit gave a number: segments/0001/codes.npy, documents/0001.parquet."""
    for pattern in ("*/*", "*/*/*"):
        for path in sorted(folder.glob(pattern)):
            stems = [Path(part).stem for part in path.relative_to(folder).parts]
            if path.suffix in ALLOWED_SUFFIXES and path.is_file() and any(stem.isdecimal() for stem in stems):
                yield path


def _remove_empty_folders(folder: Path) -> None:
    for path in sorted(folder.glob("*/*")):
        if path.is_dir() and path.name.isdecimal():
            with contextlib.suppress(OSError):
                path.rmdir()
