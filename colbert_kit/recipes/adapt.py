"""``adapt``: mine, train, and compare with the start model and BM25 on queries that were not learnt from."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder

from colbert_kit import data, models
from colbert_kit.errors import InvalidConfig, InvalidData
from colbert_kit.evaluation import Comparison, bm25_run, compare_paired, measure_queries, search_run
from colbert_kit.progress import OnProgress
from colbert_kit.searcher import Searcher
from colbert_kit.training import DataSource, TrainingConfig, load_rows, mine_hard_negatives, train
from colbert_kit.training.columns import text_columns, unfolded

__all__ = ["AdaptResult", "Measured", "adapt"]

logger = logging.getLogger(__name__)

MEASURE = "nDCG@10"
TEST_SHARE, MOST_TEST_QUERIES = 0.1, 500
SETTINGS: dict[str, Any] = {
    "loss": "contrastive",
    "temperature": 0.05,
    "lora": {"rank": 16, "alpha": 32},
    "learning_rate": 3e-4,
    "batch_size": 32,
    "epochs": 1,
    "eval_fraction": 0.05,
    "eval_queries": 200,
    "eval_documents": 1000,
}
"""Of the training, where the caller gives none."""

Texts = dict[str, str]


@dataclass(frozen=True)
class Measured:
    """One collection: what each system reaches there.

    Args:
        name: Of the collection.
        queries: How many.
        documents: How many.
        bm25: Mean nDCG@10 of BM25.
        comparison: The start model against the adapted one, in nDCG@10.
    """

    name: str
    queries: int
    documents: int
    bm25: float
    comparison: Comparison


@dataclass(frozen=True)
class AdaptResult:
    """What came of it.

    Args:
        model_dir: The adapted model.
        measured: Held-out pairs first, then each collection asked for.
        is_better: Whether the model is better on the held-out pairs by more than chance.
    """

    model_dir: Path
    measured: tuple[Measured, ...]
    is_better: bool


def adapt(
    model: str,
    pairs: str | DataSource,
    output: str | Path,
    *,
    corpus: str | None = None,
    evaluate_on: Iterable[str] = (),
    num_negatives: int = 1,
    settings: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> AdaptResult:
    """Fine-tune a model on pairs of your own, and measure what it is worth.

    A tenth of the queries (500 at most) is set apart and never learnt from. For the others hard negatives are mined
    with the start model, and adapters are trained and merged. Then start model, adapted model and BM25 search the
    corpus for the queries set apart. Unless the adapted model wins by more than chance (paired permutation test, 5 %),
    the report says that it was not shown to be better.

    Args:
        model: A folder or Hub repository, or ``"demo"``.
        pairs: Rows with a query and its positive: a file, a Hub dataset or a source.
        output: A new folder: ``model``, ``rows.parquet``, ``report.md``, ``report.json``.
        corpus: What to search: as ``data.read_corpus``. The pairs' positives where None.
        evaluate_on: BEIR folders to measure on as well, ``"path:split"``.
        num_negatives: Mined for a query at most.
        settings: Of ``TrainingConfig``, over the recipe's own.
        on_progress: Called as work is done.

    Raises:
        InvalidConfig: ``output`` holds something, or a setting cannot work.
        InvalidData: There are too few pairs, or rows cannot be read.

    Example:
        >>> adapt("demo", "pairs.jsonl", "my-model", corpus="corpus.jsonl").is_better  # doctest: +SKIP
    """
    folder = Path(output)
    config = TrainingConfig(
        **{**SETTINGS, **(settings or {})},
        model=_model_name(model),
        train=(DataSource(path=str(folder / "rows.parquet")),),
        output_dir=folder / "model",
    )
    if (folder / "report.json").exists():
        raise InvalidConfig(f"{folder} holds an adapted model already; give another output folder.")
    rows = _pairs(load_rows(pairs if isinstance(pairs, DataSource) else DataSource(path=pairs)))
    learnt, held = _split(rows, config.seed)
    documents = _corpus(corpus, rows)
    collections = {"held-out pairs": _judged(held, documents)}
    collections |= {name: _beir(name) for name in evaluate_on}
    start = models.ColBERT(config.model, device=config.device)
    if not (folder / "rows.parquet").exists():
        corpus_rows = [{"id": name, "text": text} for name, text in documents.items()]
        mined = mine_hard_negatives(start, learnt, corpus_rows, num_negatives=num_negatives, on_progress=on_progress)
        folder.mkdir(parents=True, exist_ok=True)
        _write_rows(mined, folder / "rows.parquet")
    if not (config.folder / "training_result.json").exists():
        train(config, on_progress=on_progress)
    adapted = models.ColBERT(config.folder, device=config.device)
    measured = tuple(_measure(name, start, adapted, *parts, on_progress) for name, parts in collections.items())
    result = AdaptResult(config.folder, measured, measured[0].comparison.is_better)
    _write_report(result, folder, config)
    return result


def _model_name(model: str) -> str:
    return str(models.demo_folder()) if model == "demo" else model


def _pairs(rows: Dataset) -> list[dict[str, str]]:
    pairs = []
    for row in rows:
        columns = unfolded(row)
        query, positive, *_ = text_columns(columns)
        pairs.append({"query": columns[query], "positive": columns[positive]})
    return pairs


def _split(rows: list[dict[str, str]], seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    queries = sorted({row["query"] for row in rows})
    number = min(MOST_TEST_QUERIES, int(TEST_SHARE * len(queries)))
    if number < 20:
        raise InvalidData(
            f"there are {len(queries)} different queries; adapting needs 200 or more, so that a tenth of them can tell "
            "whether it helped."
        )
    chosen = np.random.default_rng(seed).permutation(len(queries))[:number]
    held = {queries[place] for place in chosen}
    return [row for row in rows if row["query"] not in held], [row for row in rows if row["query"] in held]


def _corpus(corpus: str | None, rows: list[dict[str, str]]) -> Texts:
    """Texts by id; every positive is among them."""
    texts = {} if corpus is None else {one["id"]: one["text"] for one in data.read_corpus(corpus)}
    known = set(texts.values())
    for row in rows:
        if row["positive"] not in known:
            known.add(row["positive"])
            texts[f"pair-{len(texts)}"] = row["positive"]
    return texts


def _judged(held: list[dict[str, str]], documents: Texts) -> tuple[Texts, Texts, dict[str, dict[str, int]]]:
    ids = {text: name for name, text in documents.items()}
    names: Texts = {}
    qrels: dict[str, dict[str, int]] = {}
    for row in held:
        name = names.setdefault(row["query"], f"q{len(names)}")
        qrels.setdefault(name, {})[ids[row["positive"]]] = 1
    return {name: text for text, name in names.items()}, documents, qrels


def _beir(name: str) -> tuple[Texts, Texts, dict[str, dict[str, int]]]:
    path, _, split = name.rpartition(":")
    if not path:
        raise InvalidConfig(f"evaluate_on takes BEIR folders as 'path:split', 'cosqa:test' for one; got {name!r}.")
    qrels = data.read_qrels(path, split)
    queries = {one: text for one, text in data.read_queries(path).items() if one in qrels}
    return queries, {one["id"]: one["text"] for one in data.read_corpus(path)}, qrels


def _measure(
    name: str,
    start: MultiVectorEncoder,
    adapted: MultiVectorEncoder,
    queries: Texts,
    documents: Texts,
    qrels: dict[str, dict[str, int]],
    on_progress: OnProgress | None,
) -> Measured:
    values = []
    for model in (start, adapted):
        with tempfile.TemporaryDirectory(prefix="colbert-kit-adapt-") as folder:
            corpus = ({"id": one, "text": text} for one, text in documents.items())
            searcher = Searcher.build(Path(folder) / "index", model, corpus, on_progress=on_progress)
            values.append(measure_queries(search_run(searcher, queries), qrels, MEASURE))
    bm25 = measure_queries(bm25_run(documents, queries), qrels, MEASURE)
    return Measured(name, len(qrels), len(documents), float(np.mean(list(bm25.values()))), compare_paired(*values))


def _write_rows(rows: Dataset, path: Path) -> None:
    temporary = path.with_suffix(".new")
    rows.to_parquet(str(temporary))
    temporary.replace(path)


def _write_report(result: AdaptResult, folder: Path, config: TrainingConfig) -> None:
    first = result.measured[0].comparison
    verdict = (
        f"better than its start model on the held-out pairs (p = {first.p_value:.4f})"
        if result.is_better
        else f"not shown to be better than its start model on the held-out pairs (p = {first.p_value:.2f})"
    )
    lines = [
        "# Adapted model",
        "",
        f"Started from `{config.model}`. It is {verdict}.",
        "",
        "| collection | queries | documents | BM25 | start model | adapted | difference, 95 % interval | p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in result.measured:
        found = one.comparison
        lines.append(
            f"| {one.name} | {one.queries} | {one.documents:,} | {one.bm25:.4f} | {found.first:.4f} | "
            f"{found.second:.4f} | {found.second - found.first:+.4f} ({found.low:+.4f} to {found.high:+.4f}) | "
            f"{found.p_value:.4f} |"
        )
    lines += ["", f"{MEASURE}, through an index with default settings; paired permutation test. The recipe:", ""]
    lines += ["```json", config.model_dump_json(indent=2, exclude={"output_dir"}), "```"]
    (folder / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = asdict(result) | {"model_dir": str(result.model_dir)}
    (folder / "report.json").write_text(json.dumps(said, indent=2), encoding="utf-8")
    logger.info("The adapted model is %s.", verdict)
