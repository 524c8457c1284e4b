"""The indexes that were made on the page: a folder each, by name."""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colbert_kit.errors import InvalidInput

__all__ = ["IndexFacts", "Shelf", "slug_of"]

FOLDER = "my-indexes"
MAX_NAME = 60


@dataclass(frozen=True)
class IndexFacts:
    """What the manifest says of an index.

    Args:
        name: Its folder's name.
        folder: Its folder.
        num_documents: That can be found.
        num_bytes: Of all its files.
        nbits: Bits a dimension; None where it is exact.
        pool_factor: Token embeddings pooled to one.
        model: The name of its model.
    """

    name: str
    folder: Path
    num_documents: int
    num_bytes: int
    nbits: int | None
    pool_factor: int
    model: str

    @classmethod
    def read(cls, folder: Path) -> IndexFacts:
        """Read them.

        Raises:
            InvalidInput: It is no index.
        """
        try:
            content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            index, model = content["index"], content["model"]
            return cls(
                folder.name,
                folder,
                index["num_rows"] - _num_removed(folder, index["tombstones"]),
                sum(entry["size"] for entry in content["files"].values()),
                None if index["codec"] is None else index["nbits"],
                model["document"].get("pool_factor", 1),
                str(model["id"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{folder.name} is no index, or a damaged one ({type(error).__name__}).") from error


class Shelf:
    """Finds indexes, and places for new ones.

    Args:
        home: Where they are kept; in the kit's cache folder where None.
    """

    def __init__(self, home: Path | None = None) -> None:
        if home is None:
            from colbert_kit.machine import cache_folder

            home = cache_folder() / FOLDER
        self.home = home.absolute()

    def names(self) -> list[str]:
        """The names of all, the newest first."""
        found = [path for path in self.home.glob("*/manifest.json") if not path.parent.name.startswith(".")]
        return [path.parent.name for path in sorted(found, key=_changed, reverse=True)]

    def find(self, name: str | None) -> Path:
        """The folder of an index.

        Raises:
            InvalidInput: There is none of this name.
        """
        if not name:
            raise InvalidInput("no index is chosen; choose one of yours, or build one first.")
        folder = self.home / name
        if Path(name).name != name or name.startswith(".") or not (folder / "manifest.json").is_file():
            raise InvalidInput(f"there is no index {name!r} here any more; choose another one.")
        return folder

    def unused(self, name: str) -> str:
        """A name to propose: this one, with a number behind it where it is taken."""
        try:
            slug = slug_of(name)
        except InvalidInput:
            return name
        if not (self.home / slug).exists():
            return name
        return next(f"{slug}-{n}" for n in itertools.count(2) if not (self.home / f"{slug}-{n}").exists())

    def free_place(self, name: str) -> Path:
        """A folder for a new index of this name.

        Raises:
            InvalidInput: The name cannot be, or is taken: nothing is ever overwritten.
        """
        folder = self.home / slug_of(name)
        if folder.exists():
            raise InvalidInput(
                f"there is an index {folder.name!r} already. Give this one another name, or add the documents to that "
                "one, below."
            )
        return folder


def slug_of(name: str) -> str:
    """The name as a folder's: letters a to z, digits and hyphens.

    Raises:
        InvalidInput: Nothing is left of it.

    Example:
        >>> slug_of("Über ../ Notes (2024)")
        'uber-notes-2024'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_NAME].strip("-")
    if not slug:
        raise InvalidInput(f"the name of an index needs a letter a to z or a digit, got {name!r}.")
    return slug


def _num_removed(folder: Path, tombstones: Any) -> int:  # noqa: ANN401 - JSON's
    if tombstones is None:
        return 0
    path = folder / str(tombstones)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("a file outside")
    return int(np.load(path, allow_pickle=False).sum())


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
