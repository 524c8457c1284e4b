"""BEIR folders: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/SPLIT.tsv``, plain or gzipped."""

from __future__ import annotations

from pathlib import Path

from colbert_kit.data.rows import read_rows, without_gz
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


def read_queries(folder: str | Path) -> dict[str, str]:
    """The queries of a BEIR folder: text by query id.

    Raises:
        InvalidInput: The folder has no queries.
        InvalidData: A row cannot be read.
    """
    queries = {}
    for row, place in read_rows(_either(Path(folder), "queries.jsonl")):
        if "_id" not in row or not isinstance(row.get("text"), str):
            raise InvalidData(f"{place}: a query needs '_id' and 'text'; it has {', '.join(row)}.")
        queries[str(row["_id"])] = row["text"]
    return queries


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
