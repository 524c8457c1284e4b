"""TREC's files: runs (``query Q0 document rank score tag``) and qrels (``query 0 document relevance``)."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from colbert_kit.errors import InvalidData, InvalidInput

__all__ = ["read_run", "read_trec_qrels", "write_qrels", "write_run"]


def read_run(path: str | Path) -> dict[str, dict[str, float]]:
    """Read a run.

    Ranks are not read: the order is that of the scores, and of the ids where they are equal.

    Args:
        path: A file in TREC's form, ``.gz`` too.

    Returns:
        Scores by document id, by query id.

    Raises:
        InvalidInput: There is no such file.
        InvalidData: A line has other than six fields, a score that is no finite number, or a document comes twice.

    Example:
        >>> read_run("bm25.run")["q1"]  # doctest: +SKIP
        {'d7': 12.5, 'd3': 11.0}
    """
    run: dict[str, dict[str, float]] = {}
    for fields, place in _lines(Path(path), 6, "query Q0 document rank score tag"):
        query, _, document, _, score, _ = fields
        found = run.setdefault(query, {})
        if document in found:
            raise InvalidData(f"{place}: the document {document!r} comes twice for the query {query!r}.")
        found[document] = _number(score, place)
    return run


def write_run(run: Mapping[str, Mapping[str, float]], path: str | Path, *, tag: str = "colbert_kit") -> None:
    """Write a run, best first, ties by id; the file is there whole or as it was.

    Args:
        run: Scores by document id, by query id.
        path: The file; gzipped where it ends in ``.gz``.
        tag: The run's name, in every line.

    Raises:
        InvalidInput: An id or the tag has white space or is empty, or a score is no finite number.
    """
    _check_word(tag, "tag")
    _write(Path(path), _run_lines(run, tag))


def read_trec_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """Read judgements in TREC's form.

    Raises:
        InvalidInput: There is no such file.
        InvalidData: A line has other than four fields or no whole grade, or a document is judged twice.
    """
    qrels: dict[str, dict[str, int]] = {}
    for fields, place in _lines(Path(path), 4, "query 0 document relevance"):
        query, _, document, grade = fields
        found = qrels.setdefault(query, {})
        if document in found:
            raise InvalidData(f"{place}: the document {document!r} is judged twice for the query {query!r}.")
        try:
            found[document] = int(grade)
        except ValueError as error:
            raise InvalidData(f"{place}: relevance must be a whole number, got {grade!r}.") from error
    return qrels


def write_qrels(qrels: Mapping[str, Mapping[str, int]], path: str | Path) -> None:
    """Write judgements in TREC's form; ``read_qrels(path)`` gives them back.

    Args:
        qrels: Relevance by document id, by query id.
        path: The file; gzipped where it ends in ``.gz``.

    Raises:
        InvalidInput: An id has white space or is empty.
    """
    _write(
        Path(path),
        (
            f"{_check_word(query, 'query id')} 0 {_check_word(document, 'document id')} {grade}"
            for query, grades in qrels.items()
            for document, grade in grades.items()
        ),
    )


def _run_lines(run: Mapping[str, Mapping[str, float]], tag: str) -> Iterator[str]:
    for query, scores in run.items():
        _check_word(query, "query id")
        ordered = sorted(scores, key=lambda document: (-scores[document], document))
        for rank, document in enumerate(ordered, start=1):
            if not math.isfinite(scores[document]):
                raise InvalidInput(f"the score of {document!r} for {query!r} must be finite, got {scores[document]}.")
            # repr gives a float back to the bit.
            score = repr(float(scores[document]))
            yield f"{query} Q0 {_check_word(document, 'document id')} {rank} {score} {tag}"


def _check_word(word: str, what: str) -> str:
    if not word or any(letter.isspace() for letter in word):
        raise InvalidInput(f"a {what} in TREC's form has no white space and is not empty, got {word!r}.")
    return word


def _lines(path: Path, number: int, form: str) -> Iterator[tuple[list[str], str]]:
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}; check the path.")
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig") as file
        ):
            for line_number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                fields, place = line.split(), f"{path.name}, line {line_number}"
                if len(fields) != number:
                    raise InvalidData(f"{place}: expected {number} fields ({form}), got {len(fields)}.")
                yield fields, place
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InvalidData(f"{path.name} cannot be read: {error}") from error


def _number(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidData(f"{place}: a score must be a finite number, got {text!r}.")
    return value


def _write(path: Path, lines: Iterable[str]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with (
            gzip.open(temporary, "wt", encoding="utf-8")
            if path.suffix == ".gz"
            else temporary.open("w", encoding="utf-8") as file
        ):
            file.writelines(f"{line}\n" for line in lines)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
