"""What the best checkpoint is chosen by: queries held out with all their rows, or a BEIR folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from colbert_kit.data import is_beir_folder
from colbert_kit.errors import InvalidConfig
from colbert_kit.evaluation import InformationRetrievalEvaluator
from colbert_kit.training.columns import LABELS, normalized, text_columns, unfolded
from colbert_kit.training.config import TrainingConfig
from colbert_kit.training.sources import is_lazy, load_rows

__all__ = ["hold_out", "rows_evaluator"]

logger = logging.getLogger(__name__)

Rows = dict[str, Dataset]


def hold_out(config: TrainingConfig, train: Rows) -> tuple[Rows, InformationRetrievalEvaluator | None]:
    """The rows to train on, and the evaluator of the run.

    Args:
        config: Says what to evaluate on.
        train: Rows by the name of their source.

    Raises:
        InvalidConfig: Nothing would be left to train on.
        InvalidData: The evaluation's rows cannot be read.
    """
    if config.eval is not None:
        path = Path(config.eval.path)
        if path.is_dir() and is_beir_folder(path):
            split = config.eval.split or "dev"
            return train, InformationRetrievalEvaluator.from_beir(
                path, split, batch_size=config.batch_size, write_csv=False
            )
        return train, rows_evaluator(config, [load_rows(config.eval)], list(train.values()))
    if config.eval_fraction == 0:
        return train, None
    keys = {name: _query_keys(rows) for name, rows in train.items()}
    chosen = _chosen({key for one in keys.values() for key in one}, config)
    kept, held = {}, []
    for name, rows in train.items():
        is_held = np.array([key in chosen for key in keys[name]])
        if is_held.all():
            raise InvalidConfig(f"{name}: eval_fraction={config.eval_fraction} leaves no rows to train on.")
        kept[name] = rows.select(np.flatnonzero(~is_held))
        held.append(rows.select(np.flatnonzero(is_held)))
    return kept, rows_evaluator(config, held, list(kept.values()))


def _chosen(keys: set[str], config: TrainingConfig) -> set[str]:
    """Queries of all sources together: none is learnt from in one and asked in another."""
    ordered = sorted(keys)
    number = min(max(1, round(config.eval_fraction * len(ordered))), config.eval_queries)
    return {ordered[place] for place in np.random.default_rng(config.seed).permutation(len(ordered))[:number]}


def _query_keys(rows: Dataset) -> list[str]:
    if is_lazy(rows):
        return [str(one) for one in rows.with_format(None)["query_id"]]
    [query, *_] = text_columns([name for name in rows.column_names if name not in LABELS])
    return [normalized(str(one)) for one in rows[query]]


def rows_evaluator(config: TrainingConfig, held: list[Dataset], others: list[Dataset]) -> InformationRetrievalEvaluator:
    """Retrieval of each held-out query's positive among all held-out documents and some of the training set's.

    Where rows have a teacher's scores, the document it scores highest is the relevant one.
    """
    queries: dict[str, str] = {}
    ids: dict[str, str] = {}
    relevant: dict[str, set[str]] = {}
    for query, best, texts in (row for rows in held for row in _judged(rows)):
        name = queries.setdefault(query, f"q{len(queries)}")
        for text in texts:
            ids.setdefault(text, f"d{len(ids)}")
        relevant.setdefault(name, set()).add(ids[best])
    for text in _sample(others, config.eval_documents - len(ids), config.seed):
        ids.setdefault(text, f"d{len(ids)}")
    logger.info("Checkpoints are chosen by %d held-out queries over %d documents.", len(queries), len(ids))
    return InformationRetrievalEvaluator(
        {name: text for text, name in queries.items()},
        {name: text for text, name in ids.items()},
        relevant,
        name="held-out",
        batch_size=config.batch_size,
        write_csv=False,
    )


def _judged(rows: Dataset) -> Iterator[tuple[str, str, list[str]]]:
    for row in rows:
        columns = unfolded(row)
        query, texts = _texts(columns)
        scores = next((columns[name] for name in LABELS if name in columns), None)
        best = int(np.argmax(scores)) if isinstance(scores, list) and len(scores) == len(texts) else 0
        yield query, texts[best], texts


def _texts(columns: dict[str, Any]) -> tuple[str, list[str]]:
    query, *documents = text_columns(columns)
    return columns[query], [columns[name] for name in documents if columns[name] is not None]


def _sample(sources: list[Dataset], number: int, seed: int) -> Iterator[str]:
    """About ``number`` documents of the training rows."""
    for rows in sources if number > 0 else []:
        generator = np.random.default_rng(seed)
        chosen = generator.permutation(len(rows))[: -(-number // len(sources))]
        for row in rows.select(np.sort(chosen)):
            yield _texts(unfolded(row))[1][0]
