"""Hard negatives: documents that a model ranks high for a query and that do not answer it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.errors import InvalidConfig, InvalidData, InvalidInput
from colbert_kit.progress import OnProgress, Progress
from colbert_kit.scores import maxsim_pairwise
from colbert_kit.searcher import Searcher
from colbert_kit.training.columns import normalized, text_columns, unfolded
from colbert_kit.training.teachers import Teacher, pair_scores

__all__ = ["mine_hard_negatives", "pairs_of"]

logger = logging.getLogger(__name__)

QUERIES_AT_ONCE = 256


def mine_hard_negatives(  # noqa: PLR0913 - a filter each, given by name
    source: MultiVectorEncoder | Searcher,
    pairs: Iterable[Mapping[str, Any]],
    corpus: Iterable[Mapping[str, Any]] | None = None,
    *,
    num_negatives: int = 4,
    first_rank: int = 1,
    last_rank: int = 50,
    max_relative_score: float | None = 0.95,
    teacher: Teacher | None = None,
    teacher_margin: float = 0.0,
    sampling: Literal["top", "random"] = "top",
    seed: int = 42,
    on_progress: OnProgress | None = None,
) -> Dataset:
    """Search each query by MaxSim and keep what ranks high and is not its positive.

    Left out are: the query's positives, all of them, whatever their case and spacing; texts that come twice;
    documents that score more than ``max_relative_score`` of the positive, which are often answers nobody judged
    (0.95: NV-Retriever, Moreira et al., 2024); and what the teacher scores as high as the positive.

    Args:
        source: A model, which indexes ``corpus`` for the purpose, or a searcher of the corpus.
        pairs: Rows with a query and its positive, or ``positives``.
        corpus: ``{"id", "text"}``; for a model.
        num_negatives: Of a query at most.
        first_rank: Better ranks are skipped.
        last_rank: How deep to look.
        max_relative_score: Of the positive's own score; None keeps all.
        teacher: Filters false negatives.
        teacher_margin: A negative must score lower than the positive by more than this, in the teacher's units.
        sampling: The best of what is left, or any of it.
        seed: Of ``"random"``.
        on_progress: Called as the corpus is encoded and as queries are searched.

    Returns:
        ``query``, ``positive``, ``negative_1`` ...; None where a query has fewer. Pairs without any are left out, and
        the log says how many.

    Raises:
        InvalidConfig: A number cannot work.
        InvalidInput: A model without a corpus, or a searcher with one.
        InvalidData: No query has a negative left.

    Example:
        >>> rows = mine_hard_negatives(model, pairs, data.read_corpus("corpus.jsonl"))  # doctest: +SKIP
    """
    if num_negatives < 1 or not 1 <= first_rank <= last_rank:
        raise InvalidConfig(
            "num_negatives must be 1 or more, and 1 <= first_rank <= last_rank; got "
            f"{num_negatives}, {first_rank} and {last_rank}."
        )
    rows = pairs_of(pairs)
    known: dict[str, set[str]] = {}
    for query, positive in rows:
        known.setdefault(query, set()).add(normalized(positive))
    generator = np.random.default_rng(seed) if sampling == "random" else None
    mined = []
    with _searcher(source, corpus, on_progress) as (searcher, model):
        for start in range(0, len(rows), QUERIES_AT_ONCE):
            part = rows[start : start + QUERIES_AT_ONCE]
            found = _candidates(searcher, model, part, known, (first_rank, last_rank), max_relative_score)
            if teacher is not None:
                found = _not_as_good(teacher, part, found, teacher_margin)
            mined += [
                {"query": query, "positive": positive, "negatives": _chosen(texts, num_negatives, generator)}
                for (query, positive), texts in zip(part, found, strict=True)
            ]
            if on_progress is not None:
                on_progress(Progress("mining", start + len(part), len(rows)))
    return _dataset(mined, num_negatives)


def pairs_of(pairs: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Queries with their positives.

    Raises:
        InvalidData: There are none, or one lacks its query or positive.
    """
    rows = []
    for row in pairs:
        if isinstance(row.get("positives"), list | tuple):
            query = text_columns([name for name in row if name != "positives"] + ["positive"])[0]
            rows += [(row[query], positive) for positive in row["positives"]]
        else:
            columns = unfolded(row)
            query, positive, *_ = text_columns(columns)
            rows.append((columns[query], columns[positive]))
    if not rows:
        raise InvalidData("there are no pairs of a query and its positive.")
    for number, pair in enumerate(rows):
        if not all(isinstance(text, str) and text.strip() for text in pair):
            raise InvalidData(f"pair {number} has no query or no positive: {pair}.")
    return rows


@contextmanager
def _searcher(
    source: MultiVectorEncoder | Searcher, corpus: Iterable[Mapping[str, Any]] | None, on_progress: OnProgress | None
) -> Iterator[tuple[Searcher, MultiVectorEncoder]]:
    if isinstance(source, Searcher):
        if corpus is not None:
            raise InvalidInput("a searcher has its own corpus; give either a searcher, or a model and a corpus.")
        yield source, source.model
        return
    if corpus is None:
        raise InvalidInput("a model needs a corpus to mine negatives from.")
    with tempfile.TemporaryDirectory(prefix="colbert-kit-mining-") as folder:
        yield Searcher.build(Path(folder) / "index", source, corpus, on_progress=on_progress), source


def _candidates(
    searcher: Searcher,
    model: MultiVectorEncoder,
    rows: Sequence[tuple[str, str]],
    known: Mapping[str, set[str]],
    ranks: tuple[int, int],
    max_relative_score: float | None,
) -> list[list[str]]:
    """For each row the texts that pass what the model itself can tell."""
    rankings = searcher.search_many([query for query, _ in rows], k=ranks[1])
    limits = np.full(len(rows), np.inf)
    if max_relative_score is not None:
        limits = max_relative_score * _scores_of_positives(model, rows)
    found = []
    for (query, _), hits, limit in zip(rows, rankings, limits, strict=True):
        texts: dict[str, str] = {}
        for hit in hits[ranks[0] - 1 :]:
            text = hit.text or ""
            # A title may stand before the positive.
            if hit.score <= limit and not any(normalized(text).endswith(one) for one in known[query]):
                texts.setdefault(normalized(text), text)
        found.append(list(texts.values()))
    return found


def _scores_of_positives(model: MultiVectorEncoder, rows: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
    [queries] = models.encode_queries(model, [query for query, _ in rows])
    [positives] = models.encode_documents(model, [positive for _, positive in rows])
    return maxsim_pairwise(queries, positives)


def _not_as_good(
    teacher: Teacher, rows: Sequence[tuple[str, str]], found: list[list[str]], margin: float
) -> list[list[str]]:
    queries = [query for (query, _), texts in zip(rows, found, strict=True) for _ in range(1 + len(texts))]
    documents = [text for (_, positive), texts in zip(rows, found, strict=True) for text in (positive, *texts)]
    scores = iter(pair_scores(teacher, queries, documents).tolist())
    kept = []
    for texts in found:
        limit = next(scores) - margin
        kept.append([text for text, score in [(text, next(scores)) for text in texts] if score < limit])
    return kept


def _chosen(texts: list[str], number: int, generator: np.random.Generator | None) -> list[str]:
    if generator is None or len(texts) <= number:
        return texts[:number]
    return [texts[place] for place in np.sort(generator.permutation(len(texts))[:number])]


def _dataset(mined: list[dict[str, Any]], number: int) -> Dataset:
    whole = [row for row in mined if row["negatives"]]
    if not whole:
        raise InvalidData("no query has a negative left; look deeper (last_rank), or filter less (max_relative_score).")
    if len(whole) < len(mined):
        logger.warning("%d of %d pairs have no negative left and are left out.", len(mined) - len(whole), len(mined))
    names = [f"negative_{place}" for place in range(1, number + 1)]
    return Dataset.from_list(
        [
            {"query": row["query"], "positive": row["positive"]}
            | dict(zip(names, row["negatives"] + [None] * (number - len(row["negatives"])), strict=True))
            for row in whole
        ]
    )
