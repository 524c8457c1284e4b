"""Write the folders in ``format_1/``: what format version 1 looked like when it was new, to be readable for ever.

Run from the repository's root: ``python -m tests.golden.make_format_1``. What is there stays as it was once written.

``compressed/`` and ``small/`` are folders of ``Searcher`` (codes of 4 bits; float16), each with two segments and
removed rows; ``blocks/`` is as ``compressed/``, from when texts could first be left elsewhere.

Beside them ``NAME.npz``: ``queries`` ``(tokens, 16)`` with ``query_lengths``; of the documents in row order, those
removed left out, ``embeddings`` ``(tokens, 16)`` as stored with ``lengths``; ``scores``
``(num_queries, num_documents)`` of exact MaxSim with these. ``NAME.json``: the documents.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("format_1")


def main() -> None:
    """Build the folders with the tiny model of the tests."""
    from colbert_kit import models
    from colbert_kit.models.identity import remember
    from tests.checkpoints import WORDS, write_pylate_v3

    words = [word for word in WORDS.split() if len(word) > 1 and not word.startswith("##")]
    generator = np.random.default_rng(1)
    documents = [
        {
            "id": f"d{number:02d}",
            "text": " ".join(generator.choice(words, generator.integers(3, 12), replace=False)),
            "year": 2000 + number,
            "topic": [None, "city", "música"][number % 3],
        }
        for number in range(30)
    ]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_pylate_v3(Path("tiny-model"))
        model = models.ColBERT("tiny-model", device="cpu")
        remember(model, "tiny-model")  # and not where it lies now
        [queries] = models.encode_queries(model, [one["text"] for one in documents[:30:5]], dtype="float32")
        for name, exact_below in (("compressed", 0), ("small", 10**9), ("blocks", 0)):
            if not (GOLDEN / name).exists():
                write(name, model, documents, queries, exact_below)


def write(name, model, documents, queries, exact_below) -> None:
    """One folder and what is in it."""
    from colbert_kit import Searcher
    from tests import oracles

    searcher = Searcher.build(GOLDEN / name, model, documents[:24], dtype="float32", exact_below=exact_below)
    searcher.add(documents[24:])
    searcher.remove(["d03", "d26"])
    searcher.vacuum(grace_seconds=0)
    (searcher.folder / ".lock").unlink()
    left = list(searcher.documents())
    reader = searcher._generation.index
    stored = [reader.embeddings_of(row) for row in reader.rows.find([one["id"] for one in left])]
    scores = [[oracles.maxsim(query.tolist(), one.tolist()) for one in stored] for query in queries]
    np.savez_compressed(
        GOLDEN / f"{name}.npz",
        queries=queries.embeddings,
        query_lengths=queries.lengths,
        embeddings=np.concatenate(stored),
        lengths=[len(one) for one in stored],
        scores=scores,
    )
    (GOLDEN / f"{name}.json").write_text(json.dumps(left, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
