"""Write one generation of a folder: all of it or nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import filelock
import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import FolderBusy, InvalidInput
from colbert_kit.folders.manifest import MANIFEST_NAME, FileEntry, Manifest, check_name
from colbert_kit.folders.snapshot import Snapshot, exists

__all__ = ["Commit"]

LOCK_NAME = ".lock"


class Commit:
    """A generation in the making, as a context manager: leaving it commits, an exception leaves the folder as it was.

    Files are written at once, under names that no generation has; they count only when the manifest names them. The
    order on disk is: files and their folders, the new manifest under a temporary name, its rename, the folder. So a
    killed process or a lost power supply leaves the last generation or the new one, and at worst files that no
    manifest names.

    Args:
        folder: The folder; made where it is missing.
        replace: Begin with no files instead of those of the last generation, which stays readable until the end.

    Raises:
        FolderBusy: Another process is writing to the folder.
        InvalidFolder: The folder has a manifest that cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Commit(folder) as commit:
        ...         commit.write_array("segments/0001/codes.npy", np.zeros(2))
        ...         commit.sections["index"] = {"dim": 2}
        ...     Snapshot(folder).section("index")
        {'dim': 2}
    """

    def __init__(self, folder: str | Path, *, replace: bool = False) -> None:
        self.folder = Path(folder)
        self._replace = replace
        self._lock = contextlib.ExitStack()
        self._files: dict[str, FileEntry] = {}
        self._written: list[Path] = []
        self.base: Manifest | None = None
        self.sections: dict[str, Any] = {}

    def __enter__(self) -> Commit:
        make_folder(self.folder)
        self._lock.enter_context(locked(self.folder))
        try:
            if exists(self.folder):
                # What is replaced may be damaged; a manifest that can be read shows that it is a folder of this kind.
                self.base = Manifest.read(self.folder) if self._replace else Snapshot.open(self.folder).manifest
                if not self._replace:
                    self._files = dict(self.base.files)
                    self.sections = dict(self.base.sections)
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._publish()
            else:
                self._discard()
        finally:
            self._lock.close()

    def new_number(self, parent: str) -> int:
        """A number that nothing under ``parent`` has yet, be it named by a manifest or left by a killed process."""
        numbers = [int(path.stem) for path in (self.folder / parent).glob("*") if path.stem.isdecimal()]
        return max(numbers, default=0) + 1

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Open a new file for writing; it joins the generation when the block ends.

        Raises:
            InvalidInput: A file of this name is there already: files are immutable.
        """
        with self._creating(name) as file:
            yield file
        path = self.folder / name
        with path.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        self._files[name] = FileEntry(path.stat().st_size, digest)

    def write_array(self, name: str, array: NDArray[Any]) -> None:
        """Write a whole array."""
        with self.writing(name) as file:
            np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
        self._describe(name, array.dtype, array.shape)

    @contextlib.contextmanager
    def writing_rows(self, name: str, dtype: np.dtype[Any], row_shape: tuple[int, ...]) -> Iterator[RowWriter]:
        """Write an array whose number of rows is not known before the end, block by block.

        Memory stays that of one block; the header is filled in at the end.
        """
        with self.writing(name) as file:
            rows = RowWriter(file, dtype, row_shape)
            yield rows
            rows.finish()
        self._describe(name, dtype, (rows.num_rows, *row_shape))

    def drop(self, name: str) -> None:
        """Leave a file out of this generation; one of the last generation stays on disk for its readers."""
        del self._files[name]
        path = self.folder / name
        if path in self._written:
            self._written.remove(path)
            path.unlink()

    def drop_folder(self, name: str) -> None:
        """Leave all files under a folder out of this generation."""
        for file in [file for file in self._files if file.startswith(f"{name}/")]:
            self.drop(file)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an array file of this generation."""
        return self._files[name].shape or ()

    def staged(self) -> Snapshot:
        """What this generation would be if the commit ended now, for reading."""
        return Snapshot.unchecked(self.folder, Manifest(0, dict(self._files), self.sections))

    @contextlib.contextmanager
    def _creating(self, name: str) -> Iterator[IO[bytes]]:
        path = self.folder / check_name(name, self.folder)
        make_folder(path.parent)
        try:
            file = path.open("xb")
        except FileExistsError:
            raise InvalidInput(f"{path} exists already, and files of an index folder are immutable.") from None
        self._written.append(path)
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def _describe(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        entry = self._files[name]
        self._files[name] = FileEntry(entry.size, entry.sha256, np.dtype(dtype).name, shape)

    def _publish(self) -> None:
        generation = (self.base.generation if self.base else 0) + 1
        text = Manifest(generation, self._files, self.sections, self._retired()).to_json()
        temporary = self.folder / f"{MANIFEST_NAME}.new"
        try:
            for parent in sorted({path.parent for path in self._written}):
                sync_path(parent)
            with temporary.open("wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self._discard()
            raise
        try:
            temporary.replace(self.folder / MANIFEST_NAME)
        except BaseException:
            # Ctrl-C may arrive just after the rename, when the new manifest already needs the files.
            if temporary.exists():
                self._discard()
            raise
        sync_path(self.folder)

    def _retired(self) -> dict[str, float]:
        """What earlier generations left behind and when, as long as it is there."""
        if self.base is None:
            return {}
        dropped = dict.fromkeys(self.base.files, time.time()) | dict(self.base.retired)
        return {name: when for name, when in dropped.items() if name not in self._files and self._is_there(name)}

    def _is_there(self, name: str) -> bool:
        return (self.folder / name).exists()

    def _discard(self) -> None:
        for path in self._written:
            path.unlink(missing_ok=True)
        (self.folder / f"{MANIFEST_NAME}.new").unlink(missing_ok=True)


class RowWriter:
    """Appends rows to an ``.npy`` file of unknown length."""

    HEADER_BYTES = 128

    def __init__(self, file: IO[bytes], dtype: np.dtype[Any], row_shape: tuple[int, ...]) -> None:
        self.num_rows = 0
        self._file = file
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        file.write(bytes(self.HEADER_BYTES))

    def append(self, rows: NDArray[Any]) -> None:
        """Write a block of rows, ``(num_rows, *row_shape)``, cast to the file's dtype."""
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).data.cast("B") if rows.size else b"")
        self.num_rows += len(rows)

    def finish(self) -> None:
        """Write the header now that the number of rows is known."""
        shape = (self.num_rows, *self._row_shape)
        text = f"{{'descr': {self._dtype.str!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
        # Format 1.0 of numpy.lib.format: magic, version, little-endian length, text, spaces, newline.
        text = text.ljust(self.HEADER_BYTES - 11) + "\n"
        self._file.seek(0)
        self._file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin1"))
        self._file.seek(0, os.SEEK_END)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the one writer of a folder.

    Raises:
        FolderBusy: Another process is.
    """
    lock = filelock.FileLock(folder / LOCK_NAME, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise FolderBusy(
            f"{folder} is being written to by another process (or another Searcher in this one). "
            "Wait until it has finished, then try again."
        ) from None
    try:
        yield
    finally:
        lock.release()


def make_folder(path: Path) -> None:
    """Make the folder and its parents, each durable in the one above it."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_path(path.parent)


def sync_path(path: Path) -> None:
    """Make a file's content, or a folder's list of files, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, text: str) -> None:
    """Write a small file so that it is there whole or as it was, whoever else writes it meanwhile."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_text(text, encoding="utf-8")
    sync_path(temporary)
    temporary.replace(path)
    sync_path(path.parent)
