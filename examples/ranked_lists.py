"""Lists to learn a ranking from, scored by three retrievers at once: MaxSim, the pooled vector and BM25.

    python examples/ranked_lists.py DATA OUTPUT.jsonl

DATA is a folder of training pairs as ``demo_model.py`` takes it. Each row of OUTPUT is a query, eight documents of its
set and the teacher's score of each. What the three know is different: words that must be met (BM25), what a text is
about (the pooled vector), and what means the same (MaxSim of the encoder's own token embeddings), so that their
weighted sum ranks the pairs of every training set better than any of them does (``colbert_kit/demo/README.md``). No
judgement is learnt: it chooses one document of a list, and a score is the teacher's.
"""

import argparse
import gzip
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import MultiVectorEncoder, SentenceTransformer

from colbert_kit import models, scores
from colbert_kit.evaluation.runs import bm25_run
from colbert_kit.scores import PackedEmbeddings

Matrix = NDArray[np.float32]


class Share(NamedTuple):
    """What is taken of a training set, and how its lists are scored."""

    rows: int
    documents: int
    pooled: float
    """Weight of the pooled vectors' cosine, beside MaxSim a query token."""
    bm25: float
    """Weight of BM25's score over the query's best: words say less in code than in prose."""


SETS = {
    "scifact_train": Share(1650, 5183, 0.5, 0.2),
    "docstring_pairs": Share(900, 5763, 0.75, 0.03),
    "debian_pairs": Share(650, 8000, 0.5, 0.2),
    "wordnet_pairs": Share(350, 10_000, 0.5, 0.2),
}
HELD_OUT = slice(99, 399)
"""SciFact's training claims on which candidates are compared; the others are learnt from."""
SCALE = 0.7
"""Of the teacher's scores, which spread wider than sums of cosines can."""
DEPTH, NEAR = 60, 8
"""Documents are drawn from the best so many of a ranking, half of them from the very best."""
LISTED = 8
"""Documents a row."""


class Asked(NamedTuple):
    """A query, and the document of its pair, which is listed, or that it was cut from, which is not."""

    text: str
    positive: int | None = None
    source: int | None = None


def main() -> None:
    """Score and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=10**9, help="rows and documents of a set at most, for a trial")
    arguments = parser.parse_args()
    write_lists(arguments.data, arguments.output, seed=arguments.seed, most=arguments.most)


def write_lists(data: Path, path: Path, *, seed: int = 0, most: int = 10**9, without: Collection[str] = ()) -> None:
    """Rows of all sets but those ``without``, shuffled."""
    generator = np.random.default_rng(seed)
    folder = models.demo_encoder_folder()
    tokens, pooled = models.load_demo_encoder(), SentenceTransformer(str(folder))
    rows: list[dict[str, Any]] = []
    for name, share in SETS.items():
        if name in without:
            continue
        share = share._replace(rows=min(share.rows, most), documents=min(share.documents, most))
        documents, queries = texts_of(data, name, share, generator)
        own, lengths = maxsim_by_token(tokens, queries, documents)
        teacher = own + share.pooled * cosines(pooled, queries, documents) + share.bm25 * words(queries, documents)
        for place, query in enumerate(queries):
            listed = drawn(query, teacher[place], own[place], generator)
            row = {f"document_{number}": documents[one] for number, one in enumerate(listed, start=1)}
            marks = SCALE * lengths[place] * teacher[place, listed]
            rows.append({"query": query.text, **row, "scores": [round(float(mark), 4) for mark in marks]})
        print(f"{name}: {len(queries)} queries, {len(documents)} documents", flush=True)
    with path.open("w", encoding="utf-8") as file:
        for place in generator.permutation(len(rows)).tolist():
            file.write(json.dumps(rows[place]) + "\n")


def texts_of(data: Path, name: str, share: Share, generator: np.random.Generator) -> tuple[list[str], list[Asked]]:
    """A set's documents, and queries for them; of abstracts, sentences are queries too: claims are few."""
    with gzip.open(data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        known = [json.loads(line) for line in file]
    if name == "scifact_train":
        del known[HELD_OUT]
    known = [known[place] for place in generator.permutation(len(known))]
    texts = (text for row in known for text in (row.get("positives") or [row["positive"]]) + row.get("negatives", []))
    documents = list(dict.fromkeys(texts))[: share.documents]
    places = {text: place for place, text in enumerate(documents)}
    queries = [
        Asked(row["query"], places.get((row.get("positives") or [row["positive"]])[0])) for row in known[: share.rows]
    ]
    if name == "scifact_train":
        cut = [Asked(text, source=place) for place, one in enumerate(documents) for text in sentences(one)]
        chosen = generator.permutation(len(cut))[: share.rows - len(queries)]
        queries += [cut[place] for place in chosen]
    return documents, queries


def sentences(text: str) -> Iterator[str]:
    """Those of a claim's length."""
    for one in re.split(r"(?<=[a-z)]\.)\s+(?=[A-Z])", text):
        if 60 <= len(one) <= 220:
            yield one


def maxsim_by_token(
    model: MultiVectorEncoder, queries: list[Asked], documents: list[str]
) -> tuple[Matrix, NDArray[np.int64]]:
    """``(queries, documents)``: the mean over query tokens; and how many tokens each query has."""
    asked = packed(models.encode_queries(model, [query.text for query in queries]))
    found = scores.maxsim(asked, packed(models.encode_documents(model, documents)))
    return np.asarray(found / asked.lengths[:, None], dtype=np.float32), asked.lengths


def cosines(model: SentenceTransformer, queries: list[Asked], documents: list[str]) -> Matrix:
    """``(queries, documents)``: of the pooled vectors."""
    asked = model.encode([query.text for query in queries], normalize_embeddings=True)
    return np.asarray(asked @ model.encode(documents, normalize_embeddings=True).T, dtype=np.float32)


def words(queries: list[Asked], documents: list[str]) -> Matrix:
    """``(queries, documents)``: BM25 over the best score of its query; 0 beyond 500 documents."""
    corpus = {str(place): text for place, text in enumerate(documents)}
    asked = {str(place): query.text for place, query in enumerate(queries)}
    found = np.zeros((len(queries), len(documents)), dtype=np.float32)
    for query, hits in bm25_run(corpus, asked, k=500).items():
        best = max(hits.values(), default=1.0)
        for document, score in hits.items():
            found[int(query), int(document)] = score / best
    return found


def drawn(query: Asked, teacher: Matrix, own: Matrix, generator: np.random.Generator) -> list[int]:
    """The teacher's best, more of what it finds, and of what MaxSim alone finds; at random where those do not do."""
    rankings = [np.argsort(-one, kind="stable") for one in (teacher, own)]
    best, alone = (one[one != query.source] for one in rankings)
    listed = list(dict.fromkeys([int(best[0]), int(best[0]) if query.positive is None else query.positive]))
    pools = ((best[:NEAR], 2), (alone[:NEAR], 1), (best[NEAR:DEPTH], 2), (alone[NEAR:DEPTH], 1), (best, LISTED))
    for pool, number in pools:
        left = [int(one) for one in pool if one not in listed]
        listed += [left[place] for place in generator.permutation(len(left))[:number]]
    return listed[:LISTED]


def packed(batches: Iterator[PackedEmbeddings]) -> PackedEmbeddings:
    """One of many."""
    return PackedEmbeddings.pack([one for batch in batches for one in batch])


if __name__ == "__main__":
    main()
