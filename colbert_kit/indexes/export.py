"""Write an index as fast-plaid 1.7 and later keeps one: a folder that they open, search and change."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders.commit import make_folder, sync_path
from colbert_kit.indexes.codec import Codec
from colbert_kit.indexes.exchange import IDS_NAME
from colbert_kit.indexes.reader import IndexReader
from colbert_kit.indexes.segments import token_runs
from colbert_kit.scores import CodecView

__all__ = ["write_fast_plaid"]

ROWS_PER_CHUNK = 25_000
"""Documents a chunk, as many as fast-plaid's ``create`` puts in one; an update of it rewrites the last chunk."""

PROLOGUE_BYTES = 192
"""Length of the header of ``merged_*.npy``: fast-plaid changes it in place, and refuses files with another."""


def write_fast_plaid(reader: IndexReader, folder: Path) -> list[str]:
    """Write the documents of a generation that can be found, in row order, as a fast-plaid folder.

    Args:
        reader: The generation.
        folder: Made; it appears whole or not at all.

    Returns:
        What the folder has no place for, in words.

    Raises:
        InvalidInput: The index is not compressed or has no tokens, or ``folder`` holds something.
        InvalidFolder: The index was found to be damaged.
    """
    if reader.codec is None:
        raise InvalidInput("the index is small and not compressed yet, so it has no codes: call compact() first.")
    rows = np.flatnonzero(reader.rows.alive)
    lengths = np.concatenate([np.zeros(0, np.int64), *(np.diff(segment.offsets) for segment in reader.coded)])
    if not len(rows) or not lengths[rows].sum():
        raise InvalidInput("the index has no token embeddings, and fast-plaid cannot open an empty index.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} holds something already. Name a new folder.")
    folder = folder.absolute()  # "." has no name to put a temporary one beside
    make_folder(folder.parent)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    temporary.mkdir()
    try:
        _write_all(reader, reader.codec, rows, lengths[rows], temporary)
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_path(temporary)
        temporary.rename(folder)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and folder.is_dir() and any(folder.iterdir()):
            raise InvalidInput(f"{folder} holds something already. Name a new folder.") from error
        raise
    sync_path(folder.parent)
    return _left_out(reader, len(rows))


def _left_out(reader: IndexReader, num_rows: int) -> list[str]:
    removed = len(reader.rows.ids) - num_rows
    others = sorted(set(reader.snapshot.manifest.sections) - {"index"})
    return [
        *([f"{removed} removed rows"] if removed else []),
        *([f"the manifest's sections {', '.join(others)}, and the files they speak of"] if others else []),
        "the norms of decoded tokens, which fast-plaid computes in each search",
    ]


def _write_all(
    reader: IndexReader, codec: Codec, rows: NDArray[np.int64], lengths: NDArray[np.int64], folder: Path
) -> None:
    view = codec.view
    digest = _write_tokens(reader, rows, lengths, view, folder)
    postings, counts = _postings(reader, len(view.centroids))
    arrays: dict[str, NDArray[Any]] = {
        "centroids": view.centroids.astype(np.float16),
        "bucket_cutoffs": view.cutoffs,
        "bucket_weights": view.weights,
        # Weights are evenly spaced quantiles of all residuals; nothing of fast-plaid's reads this file's values.
        "avg_residual": np.full(view.dim, np.abs(view.weights).mean(), dtype=np.float32),
        "cluster_threshold": np.asarray([codec.outlier_distance], dtype=np.float32),
        "ivf": postings,
        "ivf_lengths": counts,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    starts = range(0, len(rows), ROWS_PER_CHUNK)
    chunks = [lengths[start : start + ROWS_PER_CHUNK] for start in starts]
    offset = 0
    for number, chunk in enumerate(chunks):
        _write_json(folder / f"doclens.{number}.json", chunk.tolist())
        about = {"num_documents": len(chunk), "num_embeddings": int(chunk.sum()), "embedding_offset": offset}
        _write_json(folder / f"{number}.metadata.json", about)
        offset += int(chunk.sum())
    for kind in ("codes", "residuals"):
        merged = {"merged": True, "mtime": None}
        entries = {f"{number}.{kind}.npy": {"rows": int(chunk.sum()), **merged} for number, chunk in enumerate(chunks)}
        _write_json(folder / f"merged_{kind}.manifest.json", entries)
    _write_json(folder / "plan.json", {"nbits": view.nbits, "num_chunks": len(chunks)})
    metadata = {
        "num_chunks": len(chunks), "nbits": view.nbits, "num_partitions": len(view.centroids),
        "num_embeddings": offset, "avg_doclen": offset / len(rows), "num_documents": len(rows),
        # Frozen for versions before 1.7, which need a second copy to change an index; later ones may change it.
        "compress_only": False, "frozen": True, "mutable": True,
    }  # fmt: skip
    _write_json(folder / "metadata.json", metadata)
    ids = [reader.rows.ids[row] for row in rows.tolist()]
    _write_json(folder / IDS_NAME, {"format_version": 1, "codes_sha256": digest, "ids": ids})


def _write_tokens(
    reader: IndexReader, rows: NDArray[np.int64], lengths: NDArray[np.int64], view: CodecView, folder: Path
) -> str:
    """Write ``merged_codes.npy`` and ``merged_residuals.npy``, and return the sha256 of the codes."""
    digest = hashlib.sha256()
    padding = int(lengths.max() - lengths[-1])
    num_tokens = int(lengths.sum()) + padding
    with (folder / "merged_codes.npy").open("xb") as codes_file, (folder / "merged_residuals.npy").open("xb") as file:
        _write_prologue(codes_file, "<i8", f"({num_tokens},)")
        _write_prologue(file, "|u1", f"({num_tokens}, {view.residual_bytes})")
        first = 0
        for segment in reader.coded:
            mine = rows[(rows >= first) & (rows < first + len(segment))] - first
            for tokens in token_runs(segment, mine):
                codes = segment.codes[tokens].astype(np.int64)
                if len(codes) and codes.max() >= len(view.centroids):
                    raise InvalidFolder(f"{segment.name}: a code is out of range. Build or download the index again.")
                digest.update(codes.data)
                codes_file.write(codes.data)
                file.write(np.ascontiguousarray(segment.residuals[tokens]).data)
            first += len(segment)
        codes_file.write(bytes(8 * padding))
        file.write(bytes(view.residual_bytes * padding))
    return digest.hexdigest()


def _write_prologue(file: IO[bytes], descr: str, shape: str) -> None:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(PROLOGUE_BYTES - 11) + "\n"
    file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("ascii"))


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def _postings(reader: IndexReader, num_centroids: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Rows that can be found by centroid, ``(num_postings,)``, and how many each has, ``(num_centroids,)``."""
    alive = reader.rows.alive
    number = np.cumsum(alive) - 1
    parts, counts, first = [], [], 0
    for segment in reader.coded:
        if len(segment.postings) and segment.postings.max() >= len(segment):
            raise InvalidFolder(f"{segment.name}: a row is out of range. Build or download the index again.")
        rows = segment.postings.astype(np.int64) + first
        cells = np.repeat(np.arange(len(segment.posting_offsets) - 1), np.diff(segment.posting_offsets))
        kept = alive[rows]
        parts.append(number[rows[kept]])
        counts.append(np.bincount(cells[kept], minlength=num_centroids))
        first += len(segment)
    # A cell's rows lie one segment's after the other's, and so in ascending order.
    each = np.stack(counts)
    ends = np.cumsum(each.T.ravel()).reshape(each.T.shape).T
    postings = np.empty(int(each.sum()), dtype=np.int64)
    for part, count, end in zip(parts, each, ends, strict=True):
        before = np.cumsum(count) - count
        postings[np.arange(len(part)) + np.repeat(end - count - before, count)] = part
    return postings, each.sum(axis=0).astype(np.int32)
