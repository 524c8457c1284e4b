"""Real passages and queries for figures of speed and memory, encoded once and kept in a folder.

    python -m benchmarks.corpora PASSAGES OUTPUT_FOLDER [--data FOLDER] [--words 50]

Passages are neighbours of WordNet, Debian and man texts joined to about 90 tokens (``--words 0``: as they are); queries
are package synopses and usage examples. Encoder: the demo's with a random projection to 128 (seed 0): no better
128-d model can be had without a network, and speed does not depend on how well the vectors were trained.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from colbert_kit import models
from colbert_kit.scores import PackedEmbeddings

__all__ = ["DATA", "Encoded", "encoder", "pair_rows", "passages", "queries"]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NUM_QUERIES = 512


@dataclass(frozen=True)
class Encoded:
    """Token embeddings that ``main`` wrote: documents ``(tokens, 128)`` float16, queries float32."""

    documents: PackedEmbeddings
    natural: list[NDArray[np.float32]]
    expanded: list[NDArray[np.float32]]

    @classmethod
    def load(cls, folder: Path) -> Encoded:
        """Memory-map the documents and read the queries."""
        documents = PackedEmbeddings(np.load(folder / "documents.npy", mmap_mode="r"), np.load(folder / "lengths.npy"))
        both = [np.load(folder / f"{name}.npy") for name in ("natural", "expanded")]
        counts = [np.load(folder / f"{name}_lengths.npy") for name in ("natural", "expanded")]
        sides = [list(PackedEmbeddings(*pair)) for pair in zip(both, counts, strict=True)]
        return cls(documents, *sides)  # type: ignore[arg-type]


def passages(data: Path, words: int) -> list[str]:
    """Neighbouring texts joined until they have ``words`` words, in an order of seed 0."""
    joined = []
    for name in ("wordnet", "debian", "man"):
        text = ""
        for row in _rows(data / "large" / f"{name}.jsonl.gz"):
            text = f"{text} {row['title']}: {row['text']}".strip()
            if len(text.split()) >= words:
                joined.append(text)
                text = ""
    random.Random(0).shuffle(joined)
    return joined


def queries(data: Path) -> list[str]:
    """512 short real queries, half of them package synopses, half usage examples."""
    half = NUM_QUERIES // 2
    sources = [[row["query"] for row in pair_rows(data, name)] for name in ("debian", "wordnet")]
    chosen = [text for source in sources for text in random.Random(0).sample(sorted(set(source)), half)]
    random.Random(1).shuffle(chosen)
    return chosen


def pair_rows(data: Path, name: str) -> Iterator[dict[str, Any]]:
    """Queries, each with its answer: ``{"query", "positive", ...}``."""
    return _rows(data / "train" / f"{name}_pairs.jsonl.gz")


def main() -> None:
    """Encode and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("passages", type=int)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--words", type=int, default=50)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    texts = passages(arguments.data, arguments.words)[: arguments.passages]
    natural, expanded = (encoder(expansion) for expansion in (False, True))
    for name, model in (("natural", natural), ("expanded", expanded)):
        [packed] = models.encode_queries(model, queries(arguments.data), dtype="float32")
        _save(arguments.output, name, packed)
    parts: list[PackedEmbeddings] = []
    for batch in models.encode_documents(natural, texts, dtype="float32"):
        parts.append(PackedEmbeddings(batch.embeddings.astype(np.float16), batch.lengths))
        done = sum(map(len, parts))
        if done % 2048 == 0:
            print(f"encoded {done} of {len(texts)} passages", file=sys.stderr, flush=True)
    flat: NDArray[Any] = np.concatenate([part.embeddings for part in parts])
    np.save(arguments.output / "documents.npy", flat)
    np.save(arguments.output / "lengths.npy", np.concatenate([part.lengths for part in parts]))
    print(f"{len(texts):,} passages, {len(flat):,} token embeddings, {len(flat) / len(texts):.1f} a passage")


def encoder(expansion: bool) -> Any:  # noqa: ANN401 - a model
    """The demo's encoder with a random projection to 128, the same each time."""
    torch.manual_seed(0)
    folder = str(models.demo_encoder_folder())
    return models.ColBERT(folder, embedding_size=128, query_expansion=expansion, document_length=256, device="cpu")


def _save(folder: Path, name: str, packed: PackedEmbeddings) -> None:
    np.save(folder / f"{name}.npy", packed.embeddings)
    np.save(folder / f"{name}_lengths.npy", packed.lengths)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


if __name__ == "__main__":
    main()
