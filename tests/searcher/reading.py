"""A process that opens and searches a folder again and again; ``python -m tests.searcher.reading FOLDER STOP_FILE``.

Each document says in its text and in its metadata in which step it was written, and those called ``core`` are all
written anew in each step, so a generation that holds two steps of them is mixed.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

import numpy as np

__all__ = ["documents_of_step", "main"]

NUM_CORE = 5


def documents_of_step(step):
    return [{"id": f"core{n}", "text": f"the song of step {step}", "step": step} for n in range(NUM_CORE)]


class Opened:
    """What ``searcher.hits.Generation`` holds, without the seconds that importing an encoder takes."""

    def __init__(self, snapshot):
        from colbert_kit.documents import Documents
        from colbert_kit.indexes import IndexReader

        self.number, self.index, self.documents = snapshot.generation, IndexReader(snapshot), Documents(snapshot)


def main(folder: Path, stop: Path) -> None:
    """Read until there is a file ``stop``, then say how often and whether all was well."""
    import colbert_kit.documents
    import colbert_kit.indexes  # noqa: F401 - before the test begins to count
    from colbert_kit.folders import open_newest

    print("ready", flush=True)  # noqa: T201 - what the test waits for
    numbers, held, error = [], None, None
    try:
        while not stop.exists():
            generation = open_newest(folder, Opened)
            answer = check(generation)
            if held is not None and check(held[0]) != held[1]:
                raise AssertionError("a generation that was held has changed")
            if len(numbers) % 5 == 0:
                held = generation, answer
            if numbers and generation.number < numbers[-1]:
                raise AssertionError("an older generation after a newer one")
            numbers.append(generation.number)
    except BaseException:  # noqa: BLE001 - the test shows it
        error = traceback.format_exc()
    print(json.dumps({"reads": len(numbers), "generations": len(set(numbers)), "error": error}))  # noqa: T201


def check(generation):
    """What a search finds, after all documents were compared with what they should be."""
    from colbert_kit.scores import PackedEmbeddings

    rows = np.flatnonzero(generation.index.rows.alive).tolist()
    documents = [generation.documents.get(row) for row in rows]
    steps = {one["step"] for one in documents if one["id"].startswith("core")}
    assert len(steps) == 1, f"core documents of the steps {steps}"
    assert len([one for one in documents if one["id"].startswith("core")]) == NUM_CORE
    for row, document in zip(rows, documents, strict=True):
        assert document["text"] == f"the song of step {document['step']}"
        assert document["id"] == generation.index.rows.ids[row]
        generation.index.embeddings_of(row)
    query = PackedEmbeddings.pack([np.eye(3, generation.index.dim, dtype=np.float32)])
    [ranking] = generation.index.search(query, 10_000)
    assert sorted(row for row, _ in ranking) == rows
    return ranking


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
