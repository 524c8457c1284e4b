"""``adapt``: mine, train, and compare with the start model and BM25 on queries that were not learnt from."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder, SentenceTransformer

from colbert_kit import data, models
from colbert_kit.errors import InvalidConfig, InvalidData, MissingExtra
from colbert_kit.evaluation import bm25_run, compare_paired, measure_queries, search_run
from colbert_kit.folders import write_durably
from colbert_kit.progress import OnProgress
from colbert_kit.recipes.lists import scored_lists
from colbert_kit.recipes.pooled import learn_pooled
from colbert_kit.recipes.report import MEASURE, AdaptResult, Measured, write_report
from colbert_kit.recipes.rows import write_rows
from colbert_kit.searcher import Searcher
from colbert_kit.training import DataSource, Teacher, TrainingConfig, load_rows, mine_hard_negatives, train
from colbert_kit.training.columns import normalized
from colbert_kit.training.mining import pairs_of

__all__ = ["adapt"]

logger = logging.getLogger(__name__)

ABOUT, ROWS, SCORES = "adapt.json", "rows.parquet", "scores"
TEST_SHARE, MOST_TEST_QUERIES = 0.1, 500
NEGATIVES, LISTED = 1, 7
"""Of a query, to tell its positive from; and beside the positive, in a list that a teacher scores."""
SETTINGS: dict[str, Any] = {
    "loss": "contrastive",
    "temperature": 0.05,
    "lora": {"rank": 16, "alpha": 32},
    "dropout": 0.0,
    "learning_rate": 3e-4,
    "batch_size": 32,
    "epochs": 1,
    "eval_fraction": 0.05,
    "eval_queries": 100,
    "eval_documents": 500,
}
"""Of the training, where the caller gives none."""
TAUGHT = SETTINGS | {"loss": "distillation", "normalize_scores": False, "temperature": 1.0, "batch_size": 8}
"""With a teacher that scores pairs."""

Texts = dict[str, str]


def adapt(
    model: str,
    pairs: str | DataSource,
    output: str | Path,
    *,
    corpus: str | None = None,
    evaluate_on: Iterable[str] = (),
    teacher: str | Teacher | None = None,
    num_negatives: int | None = None,
    settings: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> AdaptResult:
    """Fine-tune a model on pairs of your own, and measure what it is worth.

    A tenth of the queries (500 at most) is set apart and never learnt from, nor are those of ``evaluate_on``. For the
    others hard negatives are mined with the start model, and adapters are trained and merged: to tell a positive from
    them, or, where the teacher scores pairs, to rank lists as it and the start model do together. Where the teacher is
    a dense model, pairs are learnt first; then [CLS] and [SEP] learn what its vectors say of texts, and all other
    tokens learn to stay as they are. Start model, adapted model and BM25 search the corpus for the queries set apart.
    Unless the adapted model wins by more than chance (paired permutation test, 5 %), the report says that it was not
    shown to be better.

    Args:
        model: A folder or Hub repository, or ``"demo"``.
        pairs: Rows with a query and its positive: a file, a Hub dataset or a source.
        output: A new folder: ``model``, ``rows.parquet``, ``report.md``, ``report.json``. One in which the same work
            was stopped is gone on with.
        corpus: What to search: as ``data.read_corpus``. The pairs' positives where None.
        evaluate_on: BEIR folders to measure on as well, ``"path:split"``.
        teacher: A folder or a Hub repository: a cross-encoder or a late-interaction model, whose scores are learnt, or
            a dense model, whose vectors are. Of the first two also the model itself, or a function.
        num_negatives: Mined for a query: at most so many, 1 where None; to be scored by a teacher just so many, 7 where
            None.
        settings: Of ``TrainingConfig``, over the recipe's own.
        on_progress: Called as work is done.

    Raises:
        InvalidConfig: ``output`` holds something else, or a setting cannot work.
        InvalidData: There are too few pairs, or rows cannot be read.
        MissingExtra: A library for training or measuring is not installed.

    Example:
        >>> adapt("demo", "pairs.jsonl", "my-model", corpus="corpus.jsonl").is_better  # doctest: +SKIP
    """
    folder = Path(output)
    taught_by = teacher if isinstance(teacher, str) else type(teacher).__name__
    scorer, pooled = _loaded(teacher, (settings or {}).get("device"))
    config = _config(model, folder, settings or {}, with_scores=scorer is not None, with_pooled=pooled is not None)
    _check_libraries(config)
    number = num_negatives or (NEGATIVES if scorer is None else LISTED)
    source = pairs if isinstance(pairs, DataSource) else DataSource(path=pairs)
    rows = [{"query": query, "positive": positive} for query, positive in pairs_of(load_rows(source))]
    learnt, held = _split(rows, config.seed)
    documents = _corpus(corpus, rows)
    collections = {"held-out pairs": _judged(held, documents)} | {name: _beir(name) for name in evaluate_on}
    asked = {normalized(text) for queries, _, _ in collections.values() for text in queries.values()}
    learnt = [row for row in learnt if normalized(row["query"]) not in asked]
    made_of = {"pairs": rows, "corpus": documents, "num_negatives": number}
    _claim(folder, config, made_of if teacher is None else made_of | {"teacher": taught_by})
    with tempfile.TemporaryDirectory(prefix="colbert-kit-adapt-") as scratch:
        before = _index(models.ColBERT(config.model, device=config.device), documents, scratch, on_progress)
        if not (folder / ROWS).exists():
            write_rows(_to_learn(before, learnt, scorer, number, config, folder, on_progress), folder / ROWS)
        if not (config.folder / "training_result.json").exists():
            train(config, on_progress=on_progress)
        configs = [config]
        if pooled is not None:
            configs.append(learn_pooled(config, learnt, pooled, folder, on_progress=on_progress))
        after = models.ColBERT(folder / "model", device=config.device)
        measured = tuple(
            _measure(name, before, after, *parts, scratch, on_progress) for name, parts in collections.items()
        )
    result = AdaptResult(folder / "model", measured, measured[0].comparison.is_better)
    write_report(result, folder, configs, teacher=None if scorer is None else taught_by)
    return result


def _to_learn(
    start: Searcher,
    pairs: list[dict[str, str]],
    teacher: Teacher | None,
    number: int,
    config: TrainingConfig,
    folder: Path,
    on_progress: OnProgress | None,
) -> Dataset:
    if teacher is None:
        return mine_hard_negatives(start, pairs, num_negatives=number, on_progress=on_progress)
    return scored_lists(
        start, pairs, teacher, folder / SCORES, num_negatives=number, seed=config.seed, on_progress=on_progress
    )


def _loaded(teacher: str | Teacher | None, device: str | None) -> tuple[Teacher | None, str | None]:
    """What scores pairs, or the name of what has vectors to be learnt."""
    loaded = models.load_scorer(teacher, device=device) if isinstance(teacher, str) else teacher
    if not isinstance(loaded, SentenceTransformer):
        return loaded, None
    if not isinstance(teacher, str):
        raise InvalidConfig(
            "adapt takes a dense teacher by its name, a folder or a Hub repository, not the model itself."
        )
    return None, teacher


def _config(
    model: str, folder: Path, settings: Mapping[str, Any], *, with_scores: bool, with_pooled: bool
) -> TrainingConfig:
    if taken := {"model", "train", "eval", "output_dir"} & settings.keys():
        raise InvalidConfig(f"adapt sets {', '.join(sorted(taken))} itself; leave it out of settings.")
    config = TrainingConfig(
        **{**(TAUGHT if with_scores else SETTINGS), **settings},
        model=str(models.demo_folder()) if model == "demo" else model,
        train=(DataSource(path=str(folder / ROWS)),),
        output_dir=folder / ("model-of-pairs" if with_pooled else "model"),
    )
    allowed = ("distillation",) if with_scores else ("contrastive", "cached_contrastive")
    if config.loss not in allowed:
        which = "with a teacher that scores" if with_scores else "without a teacher that scores"
        raise InvalidConfig(f"{which} the loss of adapt is {' or '.join(allowed)}, got {config.loss!r}.")
    return config


def _check_libraries(config: TrainingConfig) -> None:
    """Before an hour's work, not after it."""
    needed = [("bm25s", "eval"), ("Stemmer", "eval"), ("ir_measures", "eval"), ("scipy", "eval")]
    for library, extra in [*needed, *([("peft", "train")] if config.lora is not None else [])]:
        if importlib.util.find_spec(library) is None:
            raise MissingExtra(library, extra)


def _claim(folder: Path, config: TrainingConfig, made_of: Mapping[str, object]) -> None:
    """Make the folder this adaptation's own; one that was stopped goes on if it is made of the same.

    Raises:
        InvalidConfig: The folder holds something else, or this adaptation finished.
    """
    about = {name: hashlib.sha256(json.dumps(value).encode()).hexdigest() for name, value in made_of.items()}
    about["settings"] = hashlib.sha256(config.model_dump_json(exclude={"output_dir", "train"}).encode()).hexdigest()
    if (folder / "report.json").exists():
        raise InvalidConfig(f"{folder} holds an adapted model already; give another output folder.")
    if (folder / ABOUT).exists():
        known = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if differing := [name for name in about if known.get(name) != about[name]]:
            raise InvalidConfig(f"{folder} was begun with other {', '.join(differing)}; give another output folder.")
        return
    if folder.exists() and any(folder.iterdir()):
        raise InvalidConfig(f"{folder} holds something else; give a new output folder.")
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / ABOUT, json.dumps(about, indent=2))


def _split(rows: list[dict[str, str]], seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows to learn from and rows to measure on; a query is on one side, whatever its case and spacing."""
    queries = sorted({normalized(row["query"]) for row in rows})
    number = min(MOST_TEST_QUERIES, int(TEST_SHARE * len(queries)))
    if number < 20:
        raise InvalidData(
            f"there are {len(queries)} different queries; adapting needs 200 or more, so that a tenth of them can tell "
            "whether it helped."
        )
    held = {queries[place] for place in np.random.default_rng(seed).permutation(len(queries))[:number]}
    is_held = [normalized(row["query"]) in held for row in rows]
    return (
        [row for row, out in zip(rows, is_held, strict=True) if not out],
        [row for row, out in zip(rows, is_held, strict=True) if out],
    )


def _corpus(corpus: str | None, rows: list[dict[str, str]]) -> Texts:
    """Texts by id; a positive that is not among them is added."""
    texts: Texts = {}
    known = set()
    for one in data.read_corpus(corpus) if corpus is not None else ():
        texts[one["id"]] = one["text"]
        known |= _spellings(one)
    positives = {normalized(row["positive"]): row["positive"] for row in rows}
    added = [text for text, _ in positives.items() if text not in known]
    if corpus is not None and added:
        logger.warning("%d of %d positives are not in the corpus, and are added to it.", len(added), len(positives))
    return texts | {f"positive-{number}": positives[text] for number, text in enumerate(added)}


def _spellings(document: Mapping[str, Any]) -> set[str]:
    """A document's text with its title before it and without."""
    text, title = normalized(document["text"]), normalized(str(document.get("title", "")))
    return {text, text.removeprefix(title).strip()} - {""}


def _judged(held: list[dict[str, str]], documents: Texts) -> tuple[Texts, Texts, dict[str, dict[str, int]]]:
    """Every document that reads as a query's positive, or ends with it after a title, is relevant."""
    ids: dict[str, list[str]] = {}
    for name, text in documents.items():
        ids.setdefault(normalized(text), []).append(name)
    names: Texts = {}
    qrels: dict[str, dict[str, int]] = {}
    for row in held:
        positive = normalized(row["positive"])
        found = ids.get(positive) or [name for text, those in ids.items() if text.endswith(positive) for name in those]
        name = names.setdefault(row["query"], f"q{len(names)}")
        qrels.setdefault(name, {}).update(dict.fromkeys(found, 1))
    return {name: text for text, name in names.items()}, documents, qrels


def _beir(name: str) -> tuple[Texts, Texts, dict[str, dict[str, int]]]:
    path, _, split = name.rpartition(":")
    if not path:
        raise InvalidConfig(f"evaluate_on takes BEIR folders as 'path:split', 'cosqa:test' for one; got {name!r}.")
    qrels = data.read_qrels(path, split)
    queries = {one: text for one, text in data.read_queries(path).items() if one in qrels}
    return queries, {one["id"]: one["text"] for one in data.read_corpus(path)}, qrels


def _index(model: MultiVectorEncoder, documents: Texts, scratch: str, on_progress: OnProgress | None) -> Searcher:
    """An index of its own for each model and collection, gone with the scratch folder."""
    folder = Path(tempfile.mkdtemp(dir=scratch)) / "index"
    texts = ({"id": name, "text": text} for name, text in documents.items())
    return Searcher.build(folder, model, texts, on_progress=on_progress)


def _measure(
    name: str,
    before: Searcher,
    after: MultiVectorEncoder,
    queries: Texts,
    documents: Texts,
    qrels: dict[str, dict[str, int]],
    scratch: str,
    on_progress: OnProgress | None,
) -> Measured:
    same = len(before) == len(documents) and {one["id"]: one["text"] for one in before.documents()} == documents
    start = before if same else _index(before.model, documents, scratch, on_progress)
    runs = [search_run(one, queries) for one in (start, _index(after, documents, scratch, on_progress))]
    bm25 = measure_queries(bm25_run(documents, queries), qrels, MEASURE)
    comparison = compare_paired(*(measure_queries(run, qrels, MEASURE) for run in runs))
    return Measured(name, len(qrels), len(documents), float(np.mean(list(bm25.values()))), comparison)
