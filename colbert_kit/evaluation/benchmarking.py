"""A model or an index measured on collections, beside exact MaxSim, BM25 and a dense encoder."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentence_transformers import MultiVectorEncoder

from colbert_kit import machine, models
from colbert_kit.errors import InvalidData, InvalidInput, MissingExtra
from colbert_kit.evaluation.collections import Collection
from colbert_kit.evaluation.encoded import encoded_corpus
from colbert_kit.evaluation.examples import telling_examples
from colbert_kit.evaluation.index_points import IndexPoint, MeasureConfig
from colbert_kit.evaluation.index_sweep import sweep_index
from colbert_kit.evaluation.measures import MEASURES, depth_of, evaluate, parse_measure
from colbert_kit.evaluation.report import CollectionReport, Report, System, compare_systems
from colbert_kit.evaluation.runs import Run, bm25_run, dense_run, search_run
from colbert_kit.evaluation.timed import timed_run
from colbert_kit.folders import exists, write_durably
from colbert_kit.indexes import CODEC_TRAINING, IndexSection
from colbert_kit.models import DType
from colbert_kit.progress import OnProgress
from colbert_kit.searcher import Searcher

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["evaluate_on"]

logger = logging.getLogger(__name__)

INDEX, EXACT, BM25 = "index", "exact MaxSim", "BM25"
NUM_TOP = 10
MAX_RELEVANT = 50
"""Documents of a query that a report names; TREC's collections have hundreds."""


@dataclass(frozen=True)
class _Plan:
    """What is to be done with each collection."""

    measures: tuple[str, ...]
    nbits: int
    pool_factor: int
    exact: bool
    sweep: bool
    dense: SentenceTransformer | None
    dense_name: str
    dtype: DType
    cache: Path
    on_progress: OnProgress | None

    @property
    def depth(self) -> int:
        return max(NUM_TOP, depth_of(self.measures))


def evaluate_on(  # noqa: PLR0913 - all but two have defaults, and are given by name
    source: MultiVectorEncoder | Searcher,
    collections: Sequence[Collection],
    *,
    measures: Sequence[str] = MEASURES,
    nbits: int = 4,
    pool_factor: int = 1,
    exact: bool = True,
    sweep: bool = False,
    dense: SentenceTransformer | None = None,
    dtype: DType = "auto",
    cache: str | Path | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Measure a model through its index, or an index that is there, on one collection after another.

    A model's token embeddings of a corpus are kept in the cache, and so is what takes long and depends on nothing else
    (indexes, the runs of exact MaxSim and BM25): another evaluation, with other settings too, does not encode again.

    Args:
        source: A model; or a searcher of the collections' corpus, whose own settings are then measured.
        collections: From ``load_collection``.
        measures: As ``evaluate``; the first one decides.
        nbits: Of the index that is made for a model.
        pool_factor: Of that index; exact MaxSim is computed with all tokens.
        exact: Compute exact MaxSim too, which encodes the corpus of a searcher.
        sweep: Measure other bits, pooling and search settings too (``sweep_index``): minutes for each collection.
        dense: A plain ``SentenceTransformer`` to compare with.
        dtype: What a model encodes in; a searcher has its own.
        cache: A folder; the kit's cache folder where None.
        on_progress: Told of encoding, compression and searching.

    Returns:
        The report; ``write_report`` makes files of it.

    Raises:
        InvalidInput: There is no such measure, no collection, or two of one name.
        InvalidData: A searcher has none of the judged documents.
        MissingExtra: A library for measuring is not installed.

    Example:
        >>> report = evaluate_on(models.load_demo(), [load_collection("path/to/scifact")])  # doctest: +SKIP
        >>> write_report(report, "evaluation")  # doctest: +SKIP
    """
    names = [one.name for one in collections]
    if not names or len(set(names)) < len(names):
        raise InvalidInput(f"there must be collections, each named once, got {names}.")
    _check_first(measures, nbits, pool_factor)
    plan = _Plan(
        measures=tuple(dict.fromkeys(measures)),
        nbits=nbits,
        pool_factor=pool_factor,
        exact=exact,
        sweep=sweep,
        dense=dense,
        dense_name=_dense_name(dense),
        dtype=dtype if isinstance(source, MultiVectorEncoder) else source.dtype,
        cache=Path(cache) if cache is not None else machine.cache_folder(),
        on_progress=on_progress,
    )
    reports = []
    for collection in collections:
        logger.info("%s: %d queries.", collection.name, len(collection.queries))
        reports.append(_measure(source, collection, plan))
    model = source.model if isinstance(source, Searcher) else source
    record = models.record_of(model)
    return Report(
        title=record.id if isinstance(source, MultiVectorEncoder) else source.folder.resolve().name,
        model={"id": record.id, "revision": record.revision, "fingerprint": record.fingerprint},
        settings=_settings(source, plan),
        machine=machine.describe(),
        measures=plan.measures,
        collections=tuple(reports),
        comparisons=_comparisons(reports, plan),
    )


def _check_first(measures: Sequence[str], nbits: int, pool_factor: int) -> None:
    """What would fail after an hour fails now."""
    for library in ("bm25s", "Stemmer", "scipy"):
        if importlib.util.find_spec(library) is None:
            raise MissingExtra(library, "eval")
    for name in measures:
        parse_measure(name)
    IndexSection.plaid(nbits=nbits)
    if isinstance(pool_factor, bool) or not isinstance(pool_factor, int) or pool_factor < 1:
        raise InvalidInput(f"pool_factor must be a whole number of 1 or more, got {pool_factor!r}.")


def _measure(source: MultiVectorEncoder | Searcher, collection: Collection, plan: _Plan) -> CollectionReport:
    corpus = source.documents if isinstance(source, Searcher) else collection.documents
    model = source.model if isinstance(source, Searcher) else source
    encoded = None
    if plan.exact or plan.sweep or not isinstance(source, Searcher):
        encoded = encoded_corpus(
            model, corpus, dtype=plan.dtype, cache=plan.cache / "corpora", on_progress=plan.on_progress
        )
    if isinstance(source, Searcher):
        searcher, build_seconds = source, None
        _check_ids(source, collection)
    else:
        assert encoded is not None
        searcher, build_seconds = _compressed(encoded, plan)
    depth = plan.depth + max(map(len, collection.excluded.values()), default=0)
    run, *seconds = timed_run(searcher, collection.queries, depth, on_progress=plan.on_progress)
    size = searcher.num_bytes / max(1, len(searcher))
    cost: dict[str, Any] = dict(zip(("latency", "search_latency"), seconds, strict=True))
    cost |= {"bytes_per_document": size, "build_seconds": build_seconds}
    systems = [_system(INDEX, run, collection, plan, **cost)]
    if encoded is not None and plan.exact:
        found = _kept(plan, encoded, EXACT, collection, lambda: search_run(encoded, collection.queries, depth))
        exact_size = encoded.num_bytes / max(1, len(encoded))
        systems.append(_system(EXACT, found, collection, plan, bytes_per_document=exact_size))
    texts = {str(one["id"]): str(one["text"]) for one in corpus()}
    found = _kept(plan, encoded, BM25, collection, lambda: bm25_run(texts, collection.queries, depth))
    systems.append(_system(BM25, found, collection, plan))
    if (dense := plan.dense) is not None:
        found = dense_run(dense, texts, collection.queries, depth)
        systems.append(_system(plan.dense_name, found, collection, plan))
    return CollectionReport(
        name=collection.name,
        num_documents=len(texts),
        queries=dict(collection.queries),
        relevant={query: _relevant(grades) for query, grades in collection.qrels.items()},
        systems=tuple(systems),
        examples=telling_examples(searcher, collection, systems, plan.measures[0]),
        points=_swept(encoded, collection, plan) if plan.sweep and encoded is not None else (),
    )


def _swept(encoded: Searcher, collection: Collection, plan: _Plan) -> tuple[IndexPoint, ...]:
    k = depth_of(plan.measures[:1])
    how = MeasureConfig(k=k, measure=plan.measures[0], num_threads=tuple(range(1, (os.cpu_count() or 1) + 1)))
    work = plan.cache / "variants"
    points = sweep_index(
        encoded, collection.queries, collection.qrels, work=work, how=how, on_progress=plan.on_progress
    )
    return tuple(replace(one, qualities={}, recalls={}) for one in points)


def _relevant(grades: Mapping[str, int]) -> tuple[str, ...]:
    found = sorted((one for one, grade in grades.items() if grade > 0), key=lambda one: (-grades[one], one))
    return tuple(found[:MAX_RELEVANT])


def _system(name: str, run: Run, collection: Collection, plan: _Plan, **cost: Any) -> System:  # noqa: ANN401
    kept = collection.without_excluded(run, plan.depth)
    found = evaluate(kept, None, collection.qrels, plan.measures)
    top = {query: tuple(list(scores)[:NUM_TOP]) for query, scores in kept.items()}
    return System(name, found.values, found.judged, top, **cost)


def _compressed(encoded: Searcher, plan: _Plan) -> tuple[Searcher, float | None]:
    """The index of an encoded corpus with the plan's settings, and how long it took if it was not there."""
    name = f"{encoded.folder.name}-{plan.nbits}-{plan.pool_factor}-{CODEC_TRAINING}"
    folder = plan.cache / "indexes" / name
    if exists(folder):
        return Searcher.open(folder, encoded.model, dtype=plan.dtype), None
    start = time.perf_counter()
    searcher = encoded.compress_to(folder, nbits=plan.nbits, pool_factor=plan.pool_factor, on_progress=plan.on_progress)
    return searcher, time.perf_counter() - start


def _kept(plan: _Plan, encoded: Searcher | None, name: str, collection: Collection, make: Any) -> Run:  # noqa: ANN401
    """A run from the cache, or made and put there; without an encoded corpus nothing names it."""
    if encoded is None:
        made: Run = make()
        return made
    asked = [encoded.folder.name, name, dict(collection.queries), plan.depth, collection.name]
    key = hashlib.sha256(json.dumps(asked).encode("ascii")).hexdigest()
    path = plan.cache / "runs" / f"{key}.json"
    try:
        known: Run = json.loads(path.read_text(encoding="utf-8"))
        return known
    except (OSError, ValueError):
        run: Run = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, json.dumps(run))
    return run


def _check_ids(searcher: Searcher, collection: Collection) -> None:
    known = {str(one["id"]) for one in searcher.documents()}
    judged = {document for grades in collection.qrels.values() for document in grades}
    if not judged & known:
        raise InvalidData(
            f"{searcher.folder} has none of the {len(judged)} documents that {collection.name} judges; is it an index "
            f"of another corpus? Its ids look like {next(iter(known), None)!r}, theirs like {next(iter(judged))!r}."
        )
    if missing := len(judged - known):
        logger.warning("%d of %d judged documents of %s are not indexed.", missing, len(judged), collection.name)


def _comparisons(reports: Sequence[CollectionReport], plan: _Plan) -> Mapping[str, Any]:
    """The index against all else, on every collection."""
    pairs = [(one.name, other, one.system(INDEX)) for one in reports for other in one.systems if other.name != INDEX]
    return compare_systems(pairs, plan.measures[0])


def _settings(source: MultiVectorEncoder | Searcher, plan: _Plan) -> dict[str, Any]:
    if isinstance(source, Searcher):
        return {
            "nbits": source.nbits,
            "pool_factor": source.pool_factor,
            "compressed": source.is_compressed,
            "depth": plan.depth,
        }
    return {"nbits": plan.nbits, "pool_factor": plan.pool_factor, "depth": plan.depth}


def _dense_name(dense: SentenceTransformer | None) -> str:
    if dense is None:
        return ""
    name = dense.model_card_data.base_model or dense.model_card_data.model_name or "dense"
    return f"dense {Path(str(name)).name}"
