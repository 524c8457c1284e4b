"""Remove what no generation needs any more."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

from colbert_kit.folders.commit import locked, sync_path
from colbert_kit.folders.manifest import ALLOWED_SUFFIXES, MANIFEST_NAME, Manifest

__all__ = ["GRACE_SECONDS", "vacuum"]

GRACE_SECONDS = 600.0
"""How long files stay after the generation that had them: a reader maps all its files within seconds."""

NUMBERED_FOLDERS = ("blocks", "codec", "documents", "metadata", "segments", "tombstones")
"""Where the kit puts its files; what lies elsewhere is not ours, whatever it is called."""

NUMBER = re.compile("[0-9]{4,}")


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
    Manifest.read(folder)  # what is no index folder does not get a lock file either
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
        (folder / f"{MANIFEST_NAME}.new").unlink(missing_ok=True)
        _remove_empty_folders(folder)
        sync_path(folder)
    return freed


def _numbered(folder: Path) -> Iterator[Path]:
    """Files that a commit gave a number: segments/0001/codes.npy, documents/0001.parquet."""
    for path in _ours(folder):
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if file.suffix in ALLOWED_SUFFIXES and file.is_file() and not file.is_symlink():
                yield file


def _ours(folder: Path) -> list[Path]:
    """What has a number in one of our folders, and does not lead elsewhere by a link."""
    parents = [folder / parent for parent in NUMBERED_FOLDERS if not (folder / parent).is_symlink()]
    found = [path for parent in parents for path in parent.glob("*")]
    return sorted(path for path in found if NUMBER.fullmatch(path.stem) and not path.is_symlink())


def _remove_empty_folders(folder: Path) -> None:
    for path in _ours(folder):
        if path.is_dir():
            with contextlib.suppress(OSError):
                path.rmdir()
