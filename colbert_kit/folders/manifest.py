"""``manifest.json``: which files a generation is made of, and what they must look like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from colbert_kit.errors import InvalidFolder

__all__ = ["FORMAT_VERSION", "MANIFEST_NAME", "FileEntry", "Manifest", "check_name"]

FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
ALLOWED_SUFFIXES = (".npy", ".safetensors", ".parquet", ".json")
"""No other kind of file is ever opened: none of these can carry code."""


@dataclass(frozen=True)
class FileEntry:
    """What the manifest says of one file.

    Args:
        size: Bytes.
        sha256: Hex digest of the whole file.
        dtype: For ``.npy``: the dtype's name, ``"float16"`` for instance.
        shape: For ``.npy``: the array's shape.
    """

    size: int
    sha256: str
    dtype: str | None = None
    shape: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The entry as the manifest spells it."""
        entry: dict[str, Any] = {"size": self.size, "sha256": self.sha256}
        if self.dtype is not None and self.shape is not None:
            entry |= {"dtype": self.dtype, "shape": list(self.shape)}
        return entry


@dataclass(frozen=True)
class Manifest:
    """One generation of a folder.

    Args:
        generation: 1 for the first commit, one more for each after it.
        files: The entry of each file by its name relative to the folder, with forward slashes.
        sections: What each owner says of its files, by owner; JSON values.
        retired: Files that earlier generations had and this one has not, and the Unix time at which they were dropped.
    """

    generation: int = 0
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    sections: Mapping[str, Any] = field(default_factory=dict)
    retired: Mapping[str, float] = field(default_factory=dict)

    @property
    def content_digest(self) -> str:
        """sha256 over the files' names and contents, 64 hex digits."""
        return _digest({name: entry.sha256 for name, entry in self.files.items()})

    def to_json(self) -> str:
        """The manifest's text."""
        content = {
            "format_version": FORMAT_VERSION,
            "generation": self.generation,
            **{name: self.sections[name] for name in sorted(self.sections)},
            "files": {name: self.files[name].to_json() for name in sorted(self.files)},
            "retired": dict(self.retired),
        }
        content["sha256"] = _digest(content)
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, folder: Path, *, verify: bool = False) -> Manifest:
        """Read and check the folder's manifest; the files themselves are not looked at.

        Args:
            folder: The folder.
            verify: Also compare the manifest's own sha256.

        Raises:
            InvalidFolder: There is none, it is damaged, it names a file that must not be named, or its format
                version is newer than this library reads.
        """
        path = folder / MANIFEST_NAME
        try:
            content = json.loads(path.read_bytes().decode("utf-8"))
        except FileNotFoundError:
            raise InvalidFolder(
                f"{folder} is not an index folder: it has no {MANIFEST_NAME}. Build one with "
                "Searcher.build or: colbert-kit index"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise InvalidFolder(
                f"{path} cannot be read as JSON: {error}. If this is an index, delete the folder and build it again."
            ) from error
        manifest = cls.from_json(content, path)
        if verify and content.pop("sha256", None) != _digest(content):
            raise InvalidFolder(f"{path} does not match its own sha256. Build or download the folder again.")
        return manifest

    @classmethod
    def from_json(cls, content: object, path: Path) -> Manifest:
        """Check the parsed content; ``path`` is for messages.

        Raises:
            InvalidFolder: As ``read``.
        """
        if not isinstance(content, dict):
            raise InvalidFolder(f"{path} must hold a JSON object, got {type(content).__name__}.")
        content = {name: value for name, value in content.items() if name != "sha256"}
        version = content.pop("format_version", None)
        if not _is_count(version) or version < 1:
            raise InvalidFolder(f"{path} has no valid format_version: expected 1 or more, got {version!r}.")
        if version > FORMAT_VERSION:
            raise InvalidFolder(
                f"{path} has format version {version}, this library reads up to {FORMAT_VERSION}. "
                "Update it with: pip install -U colbert_kit"
            )
        generation, files = content.pop("generation", None), content.pop("files", None)
        if not _is_count(generation) or generation < 1 or not isinstance(files, dict):
            raise InvalidFolder(
                f"{path} is damaged: it has no valid generation or files. Delete the folder and build it again."
            )
        retired = content.pop("retired", {})
        if not isinstance(retired, dict) or not all(isinstance(when, int | float) for when in retired.values()):
            raise InvalidFolder(f"{path} is damaged at 'retired'. Build or download it again.")
        entries = {check_name(name, path): _entry(name, files[name], path) for name in files}
        return cls(generation, entries, content, retired)


def _digest(content: Mapping[str, Any]) -> str:
    """The sha256 of a manifest's content, whatever the order and spelling of its JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def check_name(name: str, path: Path) -> str:
    """Return ``name`` if a manifest may hold it.

    Raises:
        InvalidFolder: It is absolute, leaves the folder, is not in its plainest spelling, or has a suffix that is
            never opened.
    """
    pure = PurePosixPath(name)
    plain = name == str(pure) and not pure.is_absolute() and ".." not in pure.parts and "\\" not in name
    if not plain or "\0" in name or pure.suffix not in ALLOWED_SUFFIXES or name == MANIFEST_NAME:
        raise InvalidFolder(
            f"{path} names the file {name!r}; allowed are relative names inside the folder that end in "
            f"{', '.join(ALLOWED_SUFFIXES)}. Do not use this folder."
        )
    return name


def _entry(name: str, entry: object, path: Path) -> FileEntry:
    damaged = InvalidFolder(f"{path} is damaged at the entry of {name!r}. Build or download it again.")
    if not isinstance(entry, dict):
        raise damaged
    size, sha256, dtype, shape = (entry.get(key) for key in ("size", "sha256", "dtype", "shape"))
    if not isinstance(size, int) or not _is_count(size) or not isinstance(sha256, str):
        raise damaged
    if name.endswith(".npy"):
        if not isinstance(dtype, str) or not isinstance(shape, list) or not all(map(_is_count, shape)):
            raise damaged
        return FileEntry(size, sha256, dtype, tuple(shape))
    return FileEntry(size, sha256)


def _is_count(value: Any) -> bool:  # noqa: ANN401 - a JSON value
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
