"""Read one generation of a folder."""

from __future__ import annotations

import hashlib
import mmap
import tokenize
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidFolder
from colbert_kit.folders.manifest import MANIFEST_NAME, FileEntry, Manifest

__all__ = ["Snapshot", "array_header", "exists", "hash_file", "open_newest", "release_pages"]

T = TypeVar("T")

MAX_RETRIES = 50
"""How often a reader begins again because a writer committed meanwhile; each try takes milliseconds."""


def exists(folder: str | Path) -> bool:
    """Whether ``folder`` holds a committed generation."""
    return (Path(folder) / MANIFEST_NAME).is_file()


def hash_file(path: Path) -> str:
    """The file's sha256 as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_newest(
    folder: str | Path,
    read: Callable[[Snapshot], T],
    *,
    verify: bool = False,
    links_into: Path | None = None,
    elsewhere: Collection[str] = (),
) -> T:
    """Open the newest generation and all its files; a commit and a vacuum meanwhile make it begin again.

    Args:
        folder: The folder.
        read: Opens the files that it will need.
        verify: As ``Snapshot``.
        links_into: As ``Snapshot``.
        elsewhere: As ``Snapshot``.

    Returns:
        What ``read`` returns.

    Raises:
        InvalidFolder: The folder is missing or damaged, or of a newer format version.
    """
    for _ in range(MAX_RETRIES):
        before = _stat_manifest(Path(folder))
        try:
            snapshot = Snapshot(folder, verify=verify, links_into=links_into, elsewhere=elsewhere)
            opened = read(snapshot)
        except (InvalidFolder, FileNotFoundError) as error:
            if _stat_manifest(Path(folder)) == before:
                if isinstance(error, InvalidFolder):
                    raise
                raise InvalidFolder(f"{error.filename} is missing. Build or download the folder again.") from error
            continue
        # A file that has gone may have gone before it was read, and another have got its name.
        if _stat_manifest(Path(folder)) == before or snapshot.is_whole():
            return opened
    return read(Snapshot(folder, verify=verify, links_into=links_into, elsewhere=elsewhere))


class Snapshot:
    """One generation of a folder, checked when it is opened; later commits do not change it.

    Args:
        folder: The folder.
        verify: Also compare every file's sha256 and the manifest's own (reads the whole folder); sizes, dtypes and
            shapes always are.
        links_into: Files may be links that end in here instead of in the folder, as in the Hub's cache.
        elsewhere: Files that the manifest names and that need not be here.

    Raises:
        InvalidFolder: The folder is missing or damaged, or of a newer format version.

    Example:
        >>> import tempfile
        >>> from colbert_kit.folders import Commit, Snapshot
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Commit(folder) as commit:
        ...         commit.write_array("numbers.npy", np.arange(3))
        ...     Snapshot(folder).array("numbers.npy").tolist()
        [0, 1, 2]
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        verify: bool = False,
        links_into: Path | None = None,
        elsewhere: Collection[str] = (),
    ) -> None:
        self.folder = Path(folder)
        self._elsewhere = elsewhere
        self.manifest = Manifest.read(self.folder, verify=verify)
        self._homes = [home.resolve() for home in (self.folder, links_into) if home is not None]
        for name, entry in self.manifest.files.items():
            if name not in elsewhere:
                self._check(name, entry, verify)

    @classmethod
    def open(cls, folder: str | Path, *, verify: bool = False, links_into: Path | None = None) -> Snapshot:
        """Open the newest generation; a commit that drops files meanwhile makes it try again.

        Raises:
            InvalidFolder: As the class.
        """
        return open_newest(folder, lambda snapshot: snapshot, verify=verify, links_into=links_into)

    @classmethod
    def unchecked(cls, folder: Path, manifest: Manifest) -> Snapshot:
        """The files of a manifest that is not written yet, by the process that has just written them."""
        snapshot = cls.__new__(cls)
        snapshot.folder, snapshot.manifest, snapshot._homes, snapshot._elsewhere = folder, manifest, [], ()
        return snapshot

    @property
    def generation(self) -> int:
        """The generation's number."""
        return self.manifest.generation

    def is_whole(self) -> bool:
        """Whether all its files are still there: a vacuum removes those of generations that are past."""
        here = self.manifest.files.keys() - set(self._elsewhere)
        return all((self.folder / name).exists() for name in here)

    def section(self, name: str) -> dict[str, Any]:
        """What the manifest says under ``name``.

        Raises:
            InvalidFolder: It says nothing, or no JSON object.
        """
        section = self.manifest.sections.get(name)
        if not isinstance(section, dict):
            raise InvalidFolder(f"{self.folder / MANIFEST_NAME} has no section {name!r}. Is it another kind of folder?")
        return section

    def file(self, name: str) -> Path:
        """The path of a file that the manifest names.

        Raises:
            InvalidFolder: The manifest does not name it.
        """
        if name not in self.manifest.files:
            raise InvalidFolder(f"{self.folder / MANIFEST_NAME} does not name {name!r}. Build or download it again.")
        return self.folder / name

    def array(self, name: str, *, dtype: str | None = None, ndim: int | None = None) -> NDArray[Any]:
        """Memory-map an array file; what is written into the returned array never reaches the file.

        Args:
            name: The file's name in the manifest.
            dtype: What the caller can work with.
            ndim: Likewise.

        Raises:
            InvalidFolder: The manifest does not name it, or it is of another dtype or number of axes.
        """
        path = self.file(name)
        entry = self.manifest.files[name]
        shape = entry.shape or ()
        if (dtype is not None and entry.dtype != dtype) or (ndim is not None and len(shape) != ndim):
            raise InvalidFolder(f"{path} must be {ndim}-dimensional {dtype}, got {entry.dtype} of shape {shape}.")
        # An empty file region cannot be mapped. Mode "c" (private pages) spares torch a copy of every block,
        # as it takes writable arrays only.
        mode: Any = "c" if 0 not in shape else None
        try:
            array: NDArray[Any] = np.load(path, mmap_mode=mode, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InvalidFolder(f"{path} cannot be read: {error}. Build or download it again.") from error
        return array

    def _check(self, name: str, entry: FileEntry, verify: bool) -> None:
        path = self.folder / name
        try:
            is_there = path.is_file()
        except OSError as error:
            raise InvalidFolder(f"{path} cannot be looked at: {error.strerror}.") from error
        if not is_there:
            raise InvalidFolder(f"{path} is missing. Build or download the folder again.")
        if not any(path.resolve().is_relative_to(home) for home in self._homes):
            raise InvalidFolder(f"{path} is a link to outside the folder. Do not use this folder.")
        if (size := path.stat().st_size) != entry.size:
            raise InvalidFolder(f"{path} must have {entry.size} bytes, got {size}. Build or download it again.")
        if entry.dtype is not None:
            found = array_header(path)
            if found != (entry.dtype, entry.shape):
                raise InvalidFolder(f"{path} must be {entry.dtype} of shape {entry.shape}, got {found}.")
        if verify and hash_file(path) != entry.sha256:
            raise InvalidFolder(f"{path} does not match its sha256. Build or download it again.")


def array_header(path: Path) -> tuple[str, tuple[int, ...]]:
    """Dtype and shape of an ``.npy`` file whose data fill the file exactly.

    Raises:
        InvalidFolder: It is no such file.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran_order, dtype = read(file)
            start = file.tell()
    except (OSError, ValueError, SyntaxError, TypeError, tokenize.TokenError, RecursionError, MemoryError) as error:
        # The last three are Python's parser on a header made to break it.
        raise InvalidFolder(f"{path} is not an array file: {error}. Build or download it again.") from error
    num_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if dtype.hasobject or not dtype.isnative or fortran_order or start + num_bytes != path.stat().st_size:
        raise InvalidFolder(f"{path} is not a plain array file of its size. Build or download it again.")
    return dtype.name, shape


def release_pages(array: NDArray[Any]) -> None:
    """Give back the memory of a mapped file's pages that were read; they are read again where they are needed.

    Args:
        array: What ``Snapshot.array`` returned, or a part of it, and nothing was written into.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def _stat_manifest(folder: Path) -> tuple[int, int] | None:
    try:
        stat = (folder / MANIFEST_NAME).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns
