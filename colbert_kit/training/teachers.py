"""A stronger model's scores, kept as they come: cross-encoders, dense and late-interaction teachers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Dataset, load_dataset
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer

from colbert_kit.errors import InvalidConfig, InvalidData
from colbert_kit.folders import sync_path, write_durably
from colbert_kit.models import without_library_bars
from colbert_kit.progress import OnProgress, Progress
from colbert_kit.training.columns import LABELS, text_columns, unfolded

__all__ = ["Teacher", "check_scored", "pair_scores", "score_with_teacher"]

Teacher = CrossEncoder | SentenceTransformer | MultiVectorEncoder | Callable[[list[str], list[str]], Sequence[float]]
"""Whatever scores a query with a document; a function takes both lists and gives a number a pair, higher is better."""

ABOUT = "teacher.json"


def pair_scores(
    teacher: Teacher, queries: Sequence[str], documents: Sequence[str], *, batch_size: int = 32
) -> NDArray[np.float32]:
    """The teacher's score of query ``i`` with document ``i``.

    Args:
        teacher: The teacher. A text that comes several times is encoded once.
        queries: ``(n,)``.
        documents: ``(n,)``.
        batch_size: Texts or pairs at once.

    Returns:
        ``(n,)``.

    Raises:
        InvalidData: A score is not finite, or there are not ``n``.
    """
    if isinstance(teacher, CrossEncoder):
        pairs = list(zip(queries, documents, strict=True))
        scores = teacher.predict(pairs, batch_size=batch_size, show_progress_bar=False)
    elif isinstance(teacher, SentenceTransformer | MultiVectorEncoder):
        scores = _similarities(teacher, queries, documents, batch_size)
    else:
        scores = teacher(list(queries), list(documents))
    found = np.asarray(scores, dtype=np.float32)
    if found.shape != (len(queries),) or not np.isfinite(found).all():
        raise InvalidData(
            f"the teacher must give a finite number for each of {len(queries)} pairs, got shape {found.shape} with "
            f"{int((~np.isfinite(found)).sum())} that are not finite."
        )
    return found


def score_with_teacher(
    teacher: Teacher,
    rows: Dataset | Iterable[Mapping[str, Any]],
    output: str | Path,
    *,
    batch_size: int = 32,
    rows_per_part: int = 1000,
    on_progress: OnProgress | None = None,
) -> Dataset:
    """Score each row's documents, for ``losses.Distillation`` and ``losses.MarginMSE``.

    Parts of ``rows_per_part`` rows are written as they are done. Called again with the same rows, it goes on after the
    last part that was written whole.

    Args:
        teacher: What scores.
        rows: A query with its positive and negatives, or its documents.
        output: A folder of its own, for Parquet files.
        batch_size: Pairs at once.
        rows_per_part: Rows a file.
        on_progress: Called after each part.

    Returns:
        The rows, memory-mapped: ``query``, ``documents`` (a list) and ``scores`` (a list as long). A
        ``DataSource(path="OUTPUT")`` reads them.

    Raises:
        InvalidConfig: ``output`` holds the scores of other rows or of another teacher, or there are no rows.
        InvalidData: A row has no documents, or a score is not finite.

    Example:
        >>> scored = score_with_teacher(CrossEncoder("BAAI/bge-reranker-v2-m3"), rows, "scored")  # doctest: +SKIP
    """
    folder = Path(output)
    listed = [_row(row) for row in rows]
    if not listed or rows_per_part < 1:
        raise InvalidConfig(f"there must be rows, and rows_per_part 1 or more; got {len(listed)} and {rows_per_part}.")
    digest = hashlib.sha256(json.dumps([listed, rows_per_part]).encode()).hexdigest()
    about = {"teacher": _name(teacher), "set of rows": digest}
    _check_folder(folder, about)
    starts = range(0, len(listed), rows_per_part)
    for number, start in enumerate(starts):
        path = folder / f"part-{number:05d}.parquet"
        if not path.exists():
            _write(path, _scored(teacher, listed[start : start + rows_per_part], batch_size))
        if on_progress is not None:
            on_progress(Progress("scoring", min(start + rows_per_part, len(listed)), len(listed)))
    write_durably(folder / ABOUT, json.dumps({**about, "finished": True}))
    with without_library_bars():
        parts = [str(folder / f"part-{number:05d}.parquet") for number in range(len(starts))]
        return load_dataset("parquet", data_files=parts, split="train")


def _similarities(
    teacher: SentenceTransformer | MultiVectorEncoder, queries: Sequence[str], documents: Sequence[str], batch_size: int
) -> NDArray[Any]:
    sides: list[Any] = []
    for texts, encode in ((queries, teacher.encode_query), (documents, teacher.encode_document)):
        unique = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        known = encode(list(unique), batch_size=batch_size, show_progress_bar=False)
        taken = [known[unique[text]] for text in texts]
        sides.append(taken if isinstance(teacher, MultiVectorEncoder) else torch.as_tensor(np.stack(taken)))
    with torch.inference_mode():
        similarities: NDArray[Any] = teacher.similarity_pairwise(*sides).float().cpu().numpy()
    return similarities


def _row(row: Mapping[str, Any]) -> tuple[str, list[str]]:
    columns = {name: value for name, value in unfolded(row).items() if name not in LABELS}
    query, *names = text_columns(columns)
    documents = [columns[name] for name in names if columns[name] is not None]
    if not documents:
        raise InvalidData(f"the query {columns[query]!r} has no document to score.")
    return columns[query], documents


def _scored(teacher: Teacher, rows: list[tuple[str, list[str]]], batch_size: int) -> Iterator[dict[str, Any]]:
    queries = [query for query, documents in rows for _ in documents]
    flat = [text for _, documents in rows for text in documents]
    scores = iter(pair_scores(teacher, queries, flat, batch_size=batch_size).tolist())
    for query, documents in rows:
        yield {"query": query, "documents": documents, "scores": [next(scores) for _ in documents]}


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    temporary = path.with_suffix(".new")
    pq.write_table(pa.Table.from_pylist(list(rows)), temporary)
    sync_path(temporary)
    temporary.replace(path)


def check_scored(folder: Path) -> None:
    """Refuse a folder in which scoring was begun and not finished.

    Raises:
        InvalidData: It was.
    """
    about = folder / ABOUT
    if about.exists() and not json.loads(about.read_text(encoding="utf-8")).get("finished"):
        raise InvalidData(f"{folder} holds the scores of a part of its rows; run score_with_teacher again to finish.")


def _check_folder(folder: Path, about: dict[str, str]) -> None:
    if (folder / ABOUT).exists():
        known = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if differing := [name for name in about if known.get(name) != about[name]]:
            what = " and ".join(differing)
            raise InvalidConfig(f"{folder} holds the scores of another {what}; give another output folder.")
        return
    if folder.exists() and any(folder.iterdir()):
        raise InvalidConfig(f"{folder} holds something else; give another output folder.")
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / ABOUT, json.dumps(about))


def _name(teacher: Teacher) -> str:
    """What tells one teacher from another, as far as it says."""
    encoder = teacher.model if isinstance(teacher, CrossEncoder) else None
    if isinstance(teacher, SentenceTransformer | MultiVectorEncoder):
        encoder = getattr(teacher[0], "model", None)
    place = getattr(getattr(encoder, "config", None), "name_or_path", "") if encoder is not None else ""
    return f"{getattr(teacher, '__qualname__', type(teacher).__name__)} {place}".strip()
