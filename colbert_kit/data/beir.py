"""BEIR folders: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/SPLIT.tsv``, plain or gzipped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from colbert_kit.data.rows import Row, read_rows, without_gz
from colbert_kit.data.trec import read_trec_qrels
from colbert_kit.errors import InvalidData, InvalidInput

__all__ = ["beir_corpus_file", "is_beir_folder", "read_qrels", "read_queries"]


def is_beir_folder(folder: str | Path) -> bool:
    """Whether the folder holds ``corpus.jsonl`` or ``corpus.jsonl.gz``."""
    return any((Path(folder) / name).is_file() for name in ("corpus.jsonl", "corpus.jsonl.gz"))


def beir_corpus_file(folder: Path) -> Path:
    """The corpus file of a BEIR folder.

    Raises:
        InvalidInput: There is none.
    """
    return _either(folder, "corpus.jsonl")


def read_queries(source: str | Path) -> dict[str, str]:
    """Queries: text by query id.

    Args:
        source: A BEIR folder; or a file of rows with ``_id`` or ``id`` (the row's number where it has neither) and
            ``text`` or ``query``; or a ``.txt`` with a query a line.

    Raises:
        InvalidInput: The folder has no queries, or there is no such file.
        InvalidData: A row cannot be read, or an id comes twice.
    """
    path = Path(source)
    if not path.is_dir() and not path.is_file():
        raise InvalidInput(f"there is no file or folder {path}; check the path.")
    queries: dict[str, str] = {}
    for number, (row, place) in enumerate(_query_rows(path)):
        query_id = row.get("_id", row.get("id", None if path.is_dir() else number))
        text = row.get("text", row.get("query"))
        if query_id is None or not isinstance(text, str):
            raise InvalidData(f"{place}: a query needs '_id' and 'text'; it has {', '.join(map(str, row))}.")
        if str(query_id) in queries:
            raise InvalidData(f"{place}: the query id {str(query_id)!r} is there already; ids must be unique.")
        queries[str(query_id)] = text
    return queries


def _query_rows(path: Path) -> Iterable[Row]:
    if path.is_dir():
        return read_rows(_either(path, "queries.jsonl"))
    if path.suffix != ".txt":
        return read_rows(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidData(f"{path.name} is not UTF-8 text: {error}.") from error
    return [({"text": line}, f"{path.name}, line {place}") for place, line in enumerate(lines, start=1) if line.strip()]


def read_qrels(source: str | Path, split: str = "test") -> dict[str, dict[str, int]]:
    """Judgements: for each query id, relevance by document id.

    Args:
        source: A BEIR folder; or a file, BEIR's where it is called ``.tsv``, else one in TREC's form.
        split: Which of the folder's.

    Raises:
        InvalidInput: The folder has no such split, or there is no such file.
        InvalidData: A row cannot be read.
    """
    path = Path(source)
    if not path.is_dir():
        if without_gz(path) != ".tsv":
            return read_trec_qrels(path)
        if not path.is_file():
            raise InvalidInput(f"there is no file {path}; check the path.")
    qrels: dict[str, dict[str, int]] = {}
    for row, place in read_rows(_either(path / "qrels", f"{split}.tsv") if path.is_dir() else path):
        try:
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidData(f"{place}: expected query-id, corpus-id and a whole score, got {row}.") from error
    return qrels


def _either(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InvalidInput(f"{folder} has neither {name} nor {name}.gz.")
