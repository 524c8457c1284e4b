"""A teacher's token embeddings kept on disk, so that a text is encoded once for all epochs, resumptions and runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import filelock
import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import FolderBusy, InvalidFolder

__all__ = ["KeptEmbeddings"]

RECORD = np.dtype([("text", "V16"), ("start", "<i8"), ("length", "<i8")])


class KeptEmbeddings:
    """Token embeddings by text, in two files that only grow: the numbers, and where each text's are.

    A text is recorded after its numbers are written, so that a process killed at any moment leaves a folder that holds
    what it names. One process writes at a time.

    Args:
        folder: The folder, of this teacher alone.
        teacher: What tells it from others; noted in the folder.
        dim: Width of a token embedding.

    Raises:
        InvalidFolder: The folder holds another teacher's.
        FolderBusy: Another process is writing to it.

    Example:
        >>> import tempfile
        >>> kept = KeptEmbeddings(Path(tempfile.mkdtemp()), "a teacher", 2)
        >>> kept.put([b"1 2"], [np.eye(2, dtype=np.float32)])
        >>> kept.get(b"1 2").tolist(), kept.get(b"3")
        ([[1.0, 0.0], [0.0, 1.0]], None)
    """

    def __init__(self, folder: Path, teacher: str, dim: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(folder / ".lock", timeout=0, is_singleton=True)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise FolderBusy(f"another process writes to {folder}; give each run a folder of its own.") from error
        about = folder / "teacher.json"
        said = {"teacher": teacher, "dim": dim, "dtype": "float16"}
        if about.exists() and json.loads(about.read_text()) != said:
            self._lock.release()
            raise InvalidFolder(f"{folder} keeps the embeddings of another teacher; give another folder, or delete it.")
        about.write_text(json.dumps(said))
        self._dim = dim
        self._tokens, self._texts = folder / "tokens.f16", folder / "texts.idx"
        for path in (self._tokens, self._texts):
            path.touch()
        self._places = self._read()

    def get(self, text: bytes) -> NDArray[np.float16] | None:
        """The token embeddings of a text, ``(tokens, dim)``; None where it is not kept."""
        place = self._places.get(_digest(text))
        if place is None:
            return None
        start, length = place
        return np.fromfile(self._tokens, "<f2", length * self._dim, offset=start).reshape(length, self._dim)

    def put(self, texts: Sequence[bytes], embeddings: Sequence[NDArray[np.float32]]) -> None:
        """Keep the token embeddings of texts.

        Args:
            texts: ``(n,)``; what identifies each.
            embeddings: ``(tokens, dim)`` each; kept as float16.
        """
        records = np.zeros(len(texts), RECORD)
        with self._tokens.open("ab") as file:
            for number, (text, one) in enumerate(zip(texts, embeddings, strict=True)):
                records[number] = (_digest(text), file.tell(), len(one))
                file.write(np.ascontiguousarray(one, dtype="<f2").tobytes())
        with self._texts.open("ab") as file:
            file.write(records.tobytes())
        self._places |= {bytes(one["text"]): (int(one["start"]), int(one["length"])) for one in records}

    def _read(self) -> dict[bytes, tuple[int, int]]:
        whole = self._texts.stat().st_size // RECORD.itemsize
        records = np.fromfile(self._texts, RECORD, whole)
        size = self._tokens.stat().st_size
        row = 2 * self._dim
        kept = records[records["start"] + records["length"] * row <= size]
        with self._texts.open("r+b") as file:  # a record that was cut off would shift the next ones
            file.truncate(whole * RECORD.itemsize)
        return {bytes(one["text"]): (int(one["start"]), int(one["length"])) for one in kept}


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()
