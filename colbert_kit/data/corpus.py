"""Corpora: whatever holds documents, as a stream of ``{"id", "text", ...metadata}``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from colbert_kit import hub
from colbert_kit.data.beir import beir_corpus_file, is_beir_folder
from colbert_kit.data.hub_dataset import load_hub_dataset
from colbert_kit.data.rows import ROW_SUFFIXES, Row, read_rows, without_gz
from colbert_kit.errors import InvalidData, InvalidInput

__all__ = ["read_corpus"]

ID_COLUMNS = ("id", "_id", "doc_id", "docid", "document_id", "corpus-id", "pid")
TEXT_COLUMNS = ("text", "contents", "content", "passage", "body")
RESERVED = ("score", "rank")
"""Columns that a hit has fields for, and that come in the output of every search: kept as ``score_`` and ``rank_``."""
EMPTY: tuple[object, ...] = (None, "", [], {})
"""Values that say nothing; BEIR's corpora have ``"metadata": {}`` in every row."""
TEXT_FILE_SUFFIXES = (".txt", ".md")

Document = dict[str, Any]


def read_corpus(
    source: str | Path,
    *,
    split: str = "train",
    config: str | None = None,
    revision: str | None = None,
    id_column: str | None = None,
    text_column: str | None = None,
) -> Iterator[Document]:
    """Read documents from a file, a folder or the Hub, one at a time.

    A title is put before the text, as BEIR does, and kept as metadata; other columns become metadata, ``score`` and
    ``rank`` as ``score_`` and ``rank_``. A row without an id column gets its number. Rows whose text is empty are left
    out.

    Args:
        source: ``.jsonl``, ``.csv``, ``.tsv`` (each also ``.gz``) or ``.parquet``; a folder of ``.txt`` and ``.md``
            files; a BEIR folder; or a Hub dataset's id.
        split: Which split of a Hub dataset.
        config: Which configuration of a Hub dataset.
        revision: A branch, tag or commit of a Hub dataset.
        id_column: The column of ids; one of the usual names where None.
        text_column: The column of texts; one of the usual names where None.

    Yields:
        ``{"id": str, "text": str, ...metadata}``.

    Raises:
        InvalidData: A row cannot be read or a column is missing; the message names the place.
        InvalidInput: The path holds nothing that can be read.
        HubUnreachable: The source is no path here and the Hub cannot be reached.

    Example:
        >>> for document in read_corpus("corpus.jsonl.gz"):  # doctest: +SKIP
        ...     print(document["id"])
    """
    path = Path(source)
    if path.is_dir():
        if is_beir_folder(path):
            return _documents(read_rows(beir_corpus_file(path)), id_column, text_column)
        return _text_files(path)
    if path.is_file():
        if without_gz(path) in TEXT_FILE_SUFFIXES:
            raise InvalidInput(f"{path} is one text; give the folder it is in, or a file with a document a row.")
        return _documents(read_rows(path), id_column, text_column)
    # A repository's name may have a dot; a file that is not there has one of these endings.
    if without_gz(path) in (*ROW_SUFFIXES, *TEXT_FILE_SUFFIXES) or not hub.is_repo_id(str(source)):
        raise InvalidInput(f"there is no file or folder {source}; check the path.")
    return _documents(_hub_rows(str(source), split, config, revision), id_column, text_column)


def _documents(rows: Iterable[Row], id_column: str | None, text_column: str | None) -> Iterator[Document]:
    id_name = text_name = None
    for number, (row, place) in enumerate(rows):
        if number == 0:
            id_name = _column(row, id_column, ID_COLUMNS, place)
            text_name = _column(row, text_column, TEXT_COLUMNS, place)
        if text_name is None:
            raise InvalidData(
                f"{place}: no text column; looked for {', '.join(TEXT_COLUMNS)} among {', '.join(map(str, row))}. "
                "Name it with text_column (--text-column)."
            )
        document = _document(row, place, id_name, text_name, number)
        if document["text"]:
            yield document


def _document(row: dict[str, Any], place: str, id_name: str | None, text_name: str, number: int) -> Document:
    text = row.get(text_name)
    if not isinstance(text, str | None):
        raise InvalidData(f"{place}: {text_name!r} must be text, got {type(text).__name__}.")
    if id_name is not None and row.get(id_name) in (None, ""):
        raise InvalidData(f"{place}: {id_name!r} is empty; every document needs an id of its own.")
    title = row.get("title") if isinstance(row.get("title"), str) else ""
    metadata = {
        f"{name}_" if name in RESERVED else str(name): value
        for name, value in row.items()
        if name not in (id_name, text_name, "id", "text") and value not in EMPTY
    }
    return {
        "id": str(row[id_name]) if id_name is not None else str(number),
        "text": f"{title} {text or ''}".strip(),
        **metadata,
    }


def _column(row: dict[str, Any], asked: str | None, usual: tuple[str, ...], place: str) -> str | None:
    if asked is not None and asked not in row:
        raise InvalidData(f"{place}: there is no column {asked!r}; the columns are {', '.join(map(str, row))}.")
    return asked or next((name for name in usual if name in row), None)


def _text_files(folder: Path) -> Iterator[Document]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in TEXT_FILE_SUFFIXES and path.is_file())
    if not paths:
        raise InvalidInput(
            f"{folder} holds no documents: expected .txt or .md files, or a BEIR folder with corpus.jsonl. "
            f"A file of rows ({', '.join(ROW_SUFFIXES)}) is given by its own path."
        )
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            text = path.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError as error:
            raise InvalidData(f"{name} is not UTF-8 text: {error}.") from error
        if text:
            yield {"id": name, "text": text}


def _hub_rows(repo_id: str, split: str, config: str | None, revision: str | None) -> Iterator[Row]:
    with hub.translated(repo_id, revision):
        dataset = load_hub_dataset(repo_id, config=config, split=split, revision=revision, streaming=True)
        for number, row in enumerate(dataset):
            yield dict(row), f"{repo_id}, row {number}"
