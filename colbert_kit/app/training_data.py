"""Rows to train on, as a visitor brings them: where they are, what columns they have, what each most likely is.

No Gradio, and no torch at import.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colbert_kit import data, hub
from colbert_kit.errors import InvalidData, InvalidInput

__all__ = [
    "SUFFIXES",
    "Roles",
    "Rows",
    "columns_of",
    "detect_roles",
    "keep_upload",
    "slug",
    "take_dataset",
    "take_file",
]

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
"""No .gz: a few kilobytes of it can unpack to any size."""
MAX_BYTES = 500 * 10**6
"""Of an upload; what is larger is trained on from a terminal, or from the Hub."""
MAX_COLUMNS = 100
ROWS_LOOKED_AT = 50

# What training knows by itself comes first; then what data sets of the Hub call them.
QUERIES = ("query", "anchor", "question", "queries", "input", "claim")
POSITIVES = (
    "positive",
    "answer",
    "positives",
    "pos",
    "passage",
    "document",
    "documents",
    "context",
    "text",
    "abstract",
)
SCORES = ("scores", "score", "label", "labels", "teacher_scores")
NEGATIVE = re.compile(r"(hard_)?(neg|negs|negative|negatives)(_?\d+)?")


@dataclass(frozen=True)
class Rows:
    """Where rows are.

    Args:
        name: What to call them.
        file: A file here; either this or ``repo_id``.
        repo_id: A dataset of the Hub.
        config: Its configuration; the only one where None.
        split: Its split.
        kinds: Its columns, each ``"text"``, ``"list"``, ``"number"`` or ``"other"``.
    """

    name: str
    file: str | None = None
    repo_id: str | None = None
    config: str | None = None
    split: str = "train"
    kinds: tuple[tuple[str, str], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of columns."""
        return tuple(name for name, _ in self.kinds)


@dataclass(frozen=True)
class Roles:
    """What each column is; those not named are left out.

    Args:
        query: The query.
        positive: What answers it: a text, or a list of texts.
        negatives: What does not: texts, or one list of them.
        scores: A teacher's scores.
    """

    query: str | None = None
    positive: str | None = None
    negatives: tuple[str, ...] = ()
    scores: str | None = None

    def check(self) -> None:
        """Refuse what no loss takes.

        Raises:
            InvalidInput: Query or positive is missing, or a column has two roles.
        """
        if not self.query or not self.positive:
            raise InvalidInput("choose which column is the query and which answers it.")
        named = [name for name in (self.query, self.positive, *self.negatives, self.scores) if name]
        if len(set(named)) < len(named):
            raise InvalidInput("a column can be one thing only; choose different columns.")


def take_file(path: str | Path) -> Rows:
    """Rows of an uploaded file.

    Raises:
        InvalidInput: It is too large, or no file of rows.
        InvalidData: It cannot be read; the message names the line.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(f"rows are read from {', '.join(SUFFIXES)}, got {path.name}.")
    if path.stat().st_size > MAX_BYTES:
        raise InvalidInput("the file is larger than 500 MB; put it into a dataset of the Hub, and name that.")
    rows = (row for row, _ in data.read_rows(path))
    return Rows(path.name, file=str(path), kinds=columns_of(rows))


def take_dataset(text: str, split: str = "train") -> Rows:
    """A dataset of the Hub, ``owner/name`` or ``owner/name:configuration``; nothing is asked yet.

    Raises:
        InvalidInput: That is no name of one.
    """
    repo_id, _, config = text.strip().partition(":")
    if "/" not in repo_id or not hub.is_repo_id(repo_id):
        raise InvalidInput(f"a dataset of the Hub is owner/name, or owner/name:configuration; got {text.strip()!r}.")
    if not re.fullmatch(r"[\w.-]*", config) or not re.fullmatch(r"\w[\w.-]*", split.strip()):
        raise InvalidInput("a configuration and a split are letters, digits, dots and dashes.")
    return Rows(repo_id, repo_id=repo_id, config=config or None, split=split.strip())


def columns_of(rows: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """The columns of the first rows, and what is in them.

    Raises:
        InvalidData: There are no rows, or too many columns.
    """
    kinds: dict[str, str] = {}
    for row in itertools.islice(rows, ROWS_LOOKED_AT):
        for name, value in row.items():
            if kinds.get(name, "other") == "other":
                kinds[name] = _kind(value)
    if not kinds:
        raise InvalidData("there are no rows in it; choose another file.")
    if len(kinds) > MAX_COLUMNS:
        raise InvalidData(f"there are {len(kinds)} columns, and {MAX_COLUMNS} are the limit; leave out some.")
    return tuple(kinds.items())


def detect_roles(rows: Rows) -> Roles:
    """What each column most likely is: by its name, else by its place."""
    kinds = dict(rows.kinds)
    texts = [name for name, kind in rows.kinds if kind in ("text", "list")]
    negatives = tuple(name for name in texts if NEGATIVE.fullmatch(name.lower()))
    scores = _named([name for name, kind in rows.kinds if kind in ("number", "list")], SCORES)
    free = [name for name in texts if name not in negatives and name != scores]
    query = _named([name for name in free if kinds[name] == "text"], QUERIES)
    query = query or next((name for name in free if kinds[name] == "text"), None)
    free = [name for name in free if name != query]
    positive = _named(free, POSITIVES) or next(iter(free), None)
    return Roles(query, positive, negatives, scores)


def keep_upload(path: str | Path, home: Path) -> Path:
    """Keep an uploaded file, named by what it holds: the same upload is the same training, which then goes on."""
    path = Path(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = home / f"{slug(path.stem)}-{digest}{path.suffix.lower()}"
    if not target.exists():
        # Under another name first, so that no half of it is ever taken for the whole.
        partial = target.with_suffix(".partial")
        shutil.copyfile(path, partial)
        partial.rename(target)
    return target


def slug(text: str) -> str:
    """A name for folders and repositories: letters, digits and dashes.

    Example:
        >>> slug("My pairs (v2)/../x")
        'my-pairs-v2-x'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "model"


def _named(columns: list[str], names: tuple[str, ...]) -> str | None:
    by_name = {name.lower(): name for name in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "other"
    if isinstance(value, int | float):
        return "number"
    return "list" if isinstance(value, list | tuple) else "other"
