"""What a visitor brings to be indexed: files or a Hub dataset, read as a stream, with limits. No Gradio, no torch."""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from colbert_kit import data, hub
from colbert_kit.errors import InvalidData, InvalidInput

__all__ = ["MAX_ROWS", "SUFFIXES", "Roles", "Source", "documents_of", "keep_files", "metadata_name", "rows_of"]

TEXT_SUFFIXES = (".txt", ".md")
SUFFIXES = (*data.ROW_SUFFIXES, *TEXT_SUFFIXES, ".gz")
MAX_FILES = 1000
MAX_BYTES = 500 * 10**6
"""Of all files of an upload: what is larger is indexed from a terminal, where nothing is uploaded."""
MAX_UNPACKED_BYTES = 4 * 10**9
"""Of a packed file: a few kilobytes can unpack to any size."""
MAX_ROWS = 1_000_000
KEPT_SECONDS = 2 * 24 * 3600
"""Uploads are forgotten after two days; a job that reads them ends after one."""

RESERVED = ("id", "text", "score", "rank")
"""Names that a hit has fields for; metadata of these names get an underscore."""
EMPTY: tuple[object, ...] = (None, "", [], {})

Row = tuple[dict[str, Any], str]


@dataclass(frozen=True)
class Source:
    """Where documents come from: files here, or a dataset of the Hub.

    Args:
        files: Paths; either these or ``repo_id``.
        repo_id: A dataset.
        config: Its configuration; the only one where None.
        split: Its split.
    """

    files: tuple[str, ...] = ()
    repo_id: str = ""
    config: str | None = None
    split: str = "train"

    @property
    def has_only_texts(self) -> bool:
        """Whether numbers come as texts, as in CSV files."""
        return bool(self.files) and all(data.without_gz(Path(path)) in (".csv", ".tsv") for path in self.files)

    @property
    def name(self) -> str:
        """What to call it."""
        if self.repo_id:
            return self.repo_id.rpartition("/")[2]
        first = Path(self.files[0]).name
        return first.partition(".")[0] if len(self.files) == 1 else f"{len(self.files)} files"


@dataclass(frozen=True)
class Roles:
    """What each column is.

    Args:
        id: Of ids; rows are numbered where None.
        text: Of texts.
        title: Put before the text, and kept as metadata.
        metadata: Kept, to be filtered by and shown.
        numbers: Those of them whose texts are kept as numbers: a CSV file has only texts.
    """

    id: str | None
    text: str
    title: str | None = None
    metadata: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


def keep_files(paths: Sequence[str], home: Path) -> tuple[str, ...]:
    """Link files into a folder of the kit's, where they stay when the page is closed, and forget old ones.

    Args:
        paths: What was uploaded.
        home: Where uploads are kept.

    Raises:
        InvalidInput: There are too many, they are too large, or of a kind that cannot be read.
        InvalidData: One is damaged, or unpacks to more than may be.
    """
    files = [Path(path) for path in paths]
    _check_kinds(files)
    if (size := sum(path.stat().st_size for path in files)) > MAX_BYTES:
        raise InvalidInput(
            f"at most {MAX_BYTES // 10**6} MB can be uploaded here, these are {size / 1e6:,.0f} MB. From a terminal "
            "any size can be indexed: colbert-kit index FILE -o FOLDER."
        )
    for path in files:
        _check_unpacked(path)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in home.iterdir():
        if time.time() - old.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    folder = home / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    kept = []
    for number, path in enumerate(files):
        # Two files of an upload may have one name.
        target = folder / str(number) / path.name
        target.parent.mkdir()
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)
        kept.append(str(target))
    return tuple(kept)


def rows_of(source: Source) -> Iterator[Row]:
    """Read rows as they come, each with its place: of files as many as may be, of a dataset all.

    Raises:
        InvalidData: A row cannot be read, or a file has too many; the message names the line.
        InvalidInput: There is no such dataset.
        HubError: The Hub does not help.
    """
    return _hub_rows(source) if source.repo_id else _within_limits(_file_rows(source))


def _file_rows(source: Source) -> Iterator[Row]:
    for path in map(Path, source.files):
        if data.without_gz(path) in TEXT_SUFFIXES:
            yield _text_row(path)
        else:
            yield from data.read_rows(path)


def _within_limits(rows: Iterator[Row]) -> Iterator[Row]:
    for number, (row, place) in enumerate(rows):
        if number >= MAX_ROWS:
            raise InvalidData(
                f"{place}: more than {MAX_ROWS:,} rows. From a terminal any number can be indexed: colbert-kit index."
            )
        yield row, place


def documents_of(source: Source, roles: Roles, passage_words: int | None = None) -> Iterator[dict[str, Any]]:
    """Read documents as ``Searcher.build`` takes them.

    Args:
        source: Where from.
        roles: What each column is.
        passage_words: Cut them into passages of so many words that overlap by a quarter.

    Raises:
        InvalidData: A row has no id of its own or no text; the message names the line.
    """
    documents = _documents(rows_of(source), roles)
    if passage_words is None:
        return documents
    return data.split_passages(documents, passage_words=passage_words, overlap_words=passage_words // 4)


def _documents(rows: Iterator[Row], roles: Roles) -> Iterator[dict[str, Any]]:
    known: set[str] = set()
    for number, (row, place) in enumerate(rows):
        text = _text(row, place, roles)
        if not text:
            continue
        document_id = str(number) if roles.id is None else row.get(roles.id)
        if document_id in (None, ""):
            raise InvalidData(f"{place}: {roles.id!r} is empty; every document needs an id of its own.")
        document_id = str(document_id)
        if document_id in known:
            raise InvalidData(f"{place}: the id {document_id!r} comes twice; every document needs its own.")
        known.add(document_id)
        kept = dict.fromkeys([*([roles.title] if roles.title else []), *roles.metadata])
        metadata = {
            metadata_name(name, roles): _value(row[name], name, place, roles)
            for name in kept
            if row.get(name) not in EMPTY
        }
        yield {"id": document_id, "text": text, **metadata}


def _text(row: dict[str, Any], place: str, roles: Roles) -> str:
    """Title and text; nothing where there is no text."""
    if roles.text not in row:
        raise InvalidData(f"{place}: there is no column {roles.text!r}; the columns are {', '.join(map(str, row))}.")
    title, text = (row.get(name) if name else None for name in (roles.title, roles.text))
    for name, value in ((roles.title, title), (roles.text, text)):
        if not isinstance(value, str | None):
            raise InvalidData(f"{place}: {name!r} must be text, got {type(value).__name__}.")
    whole = f"{title or ''} {text}".strip() if text and text.strip() else ""
    try:
        whole.encode()
    except UnicodeEncodeError as error:
        raise InvalidData(f"{place}: {roles.text!r} is not valid Unicode: {error.reason}.") from error
    return whole


def _value(value: Any, name: str, place: str, roles: Roles) -> Any:  # noqa: ANN401 - whatever a row holds
    """A value as it is kept; a text as a number where its column holds numbers."""
    if not isinstance(value, str) or name not in roles.numbers:
        return value
    try:
        return int(value) if value.lstrip("-").isdecimal() else float(value)
    except ValueError as error:
        raise InvalidData(f"{place}: {name!r} holds numbers, got {value!r}.") from error


def metadata_name(name: str, roles: Roles) -> str:
    """What a column is called in the index: a title by the name that the page shows as a heading."""
    if name == roles.title:
        return "title"
    return f"{name}_" if name in RESERVED or (name == "title" and roles.title) else name


def _check_kinds(files: Sequence[Path]) -> None:
    if not files:
        raise InvalidInput("there is nothing to read; choose files, or name a dataset of the Hub.")
    if len(files) > MAX_FILES:
        raise InvalidInput(f"at most {MAX_FILES:,} files at once, got {len(files):,}; put texts into one .jsonl file.")
    for path in files:
        is_text = path.suffix.lower() in TEXT_SUFFIXES
        if not is_text and data.without_gz(path) not in data.ROW_SUFFIXES:
            allowed = ", ".join((*data.ROW_SUFFIXES, *TEXT_SUFFIXES))
            raise InvalidInput(f"{path.name} cannot be read; what can: {allowed}, and .gz of files of rows.")
    if len({path.suffix.lower() in TEXT_SUFFIXES for path in files}) > 1:
        raise InvalidInput("give either texts (.txt, .md) or files of rows, not both at once.")


def _check_unpacked(path: Path) -> None:
    """Refuse a small file that unpacks to one that fills memory or disk, before anything of it is kept."""
    size = 0
    try:
        if path.suffix.lower() == ".parquet":
            found = pq.ParquetFile(path).metadata
            size = sum(found.row_group(number).total_byte_size for number in range(found.num_row_groups))
        elif path.suffix.lower() == ".gz":
            with gzip.open(path, "rb") as file:
                while size <= MAX_UNPACKED_BYTES and (block := file.read(1 << 20)):
                    size += len(block)
    except (OSError, EOFError, pa.ArrowInvalid) as error:
        raise InvalidData(f"{path.name} cannot be read: {error}") from error
    if size > MAX_UNPACKED_BYTES:
        raise InvalidData(
            f"{path.name} unpacks to more than {MAX_UNPACKED_BYTES // 10**9} GB, which is the limit here."
        )


def _text_row(path: Path) -> Row:
    try:
        return {"id": path.name, "text": path.read_text(encoding="utf-8-sig").strip()}, path.name
    except UnicodeDecodeError as error:
        raise InvalidData(f"{path.name} is not UTF-8 text: {error}.") from error


def _hub_rows(source: Source) -> Iterator[Row]:
    with hub.translated(source.repo_id):
        rows = data.load_hub_dataset(
            source.repo_id, config=source.config, split=source.split, revision=None, streaming=True
        )
        for number, row in enumerate(rows, start=1):
            yield dict(row), f"{source.repo_id}, row {number}"
