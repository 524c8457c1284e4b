"""Many index settings, measured side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from colbert_kit.evaluation.index_measures import Questions
from colbert_kit.evaluation.index_points import IndexPoint, MeasureConfig
from colbert_kit.evaluation.index_timing import Setting
from colbert_kit.evaluation.runs import Qrels
from colbert_kit.folders import exists
from colbert_kit.indexes import SearchConfig
from colbert_kit.progress import OnProgress, Progress
from colbert_kit.searcher import Searcher

__all__ = ["search_settings", "sweep_index", "variant"]

LADDER = (
    (1, 1 / 16, 1 / 32), (2, 1 / 8, 1 / 16), (2, 1 / 4, 1 / 8), (4, 1 / 4, 1 / 8), (4, 1 / 2, 1 / 4), (4, 1, 1 / 4),
    (4, 1, 1 / 2), (4, 1, 1), (8, 1, 1), (8, 2, 2), (16, 4, 4), (32, 8, 8),
)  # fmt: skip
"""Cells, and parts of the default numbers of documents approximated and rescored, from narrow to wide: the settings
of ``docs/search.md`` that no other one there beats, and wider ones."""


def search_settings(searcher: Searcher, k: int = 10) -> list[SearchConfig]:
    """Search settings worth measuring on an index: from a thirty-second of the default's work to eight times it.

    Args:
        searcher: The index; one that is not compressed has one setting, as all its documents are scored.
        k: Hits of each search.

    Returns:
        Settings without None, narrow ones first. Those under which an index is small enough to be scored whole are
        one.
    """
    if not searcher.is_compressed:
        return [SearchConfig()]
    middle = searcher.search_config(k, SearchConfig())
    is_small = 2 * (middle.num_rescored or 0) >= len(searcher)
    everything = middle if is_small else SearchConfig(4, len(searcher), len(searcher))
    found: list[SearchConfig] = []
    for nprobe, approximated, rescored in LADDER:
        wanted = SearchConfig(nprobe, round(approximated * (middle.num_approximated or 0)),
                              round(rescored * (middle.num_rescored or 0)))  # fmt: skip
        config = searcher.search_config(k, wanted.widened(k))
        # What PLAID's search does with so few documents (docs/search.md).
        config = everything if 2 * (config.num_rescored or 0) >= len(searcher) else config
        if config not in found:
            found.append(config)
    return found


def sweep_index(
    encoded: Searcher,
    queries: Mapping[str, str],
    qrels: Qrels | None = None,
    *,
    work: str | Path,
    nbits: Sequence[int | None] = (4, 2, 1),
    pool_factors: Sequence[int] = (1, 2, 3),
    settings: Sequence[SearchConfig] | None = None,
    how: MeasureConfig | None = None,
    on_progress: OnProgress | None = None,
) -> list[IndexPoint]:
    """Measure every combination of bits, pooling and search settings of a corpus.

    Each index is built in ``work`` by one atomic commit and kept there: a sweep that is broken off builds on the
    second call what is missing. Then all settings are timed, taking turns.

    Args:
        encoded: The corpus's token embeddings, not pooled: an ``encoded_corpus``, whose ranking is the exact one.
        queries: Texts by query id.
        qrels: Judgements, or None for recall alone.
        work: A folder for the indexes.
        nbits: Bits of a residual a dimension; None among them is ``encoded`` itself, all documents scored.
        pool_factors: Each number of bits is tried with each of them.
        settings: Search settings; ``search_settings`` of each index where None.
        how: ``k``, the measure, rounds and threads.
        on_progress: Told of indexes built and queries timed.

    Returns:
        The points: by pooling, then bits, then setting, in the orders given.

    Raises:
        InvalidInput: As ``measure_index``; a number of bits or a pool factor cannot be.
        MissingExtra: There are qrels and ir-measures is not installed.

    Example:
        >>> points = sweep_index(encoded, queries, qrels, work="work", nbits=(4, 2))  # doctest: +SKIP
    """
    how = how or MeasureConfig()
    questions = Questions(encoded, queries, qrels, how)
    wanted = [Setting(encoded)] if None in nbits else []
    for pool_factor in pool_factors:
        for bits in (one for one in nbits if one is not None):
            built = variant(encoded, Path(work), bits, pool_factor, on_progress)
            configs = search_settings(built.searcher, how.k) if settings is None else settings
            wanted += [Setting(built.searcher, config, built.build_seconds) for config in configs]
    return questions.points(wanted, questions.run(Setting(encoded), on_progress), on_progress)


def variant(
    encoded: Searcher, work: Path, nbits: int, pool_factor: int, on_progress: OnProgress | None = None
) -> Setting:
    """A compressed index of a corpus, built in ``work`` where it is not there yet.

    Args:
        encoded: The corpus's token embeddings.
        work: The folder of such folders; each is named by what ``encoded`` holds.
        nbits: Bits of a residual a dimension.
        pool_factor: About one token embedding kept for so many similar ones.
        on_progress: Told of pooling and compression.
    """
    name = f"{nbits} bits, pooled by {pool_factor}"
    folder = work / f"{encoded.content_digest[:16]}-pool{pool_factor}-{nbits}bits"
    if exists(folder):
        return Setting(Searcher.open(folder, encoded.model, dtype=encoded.dtype))

    def tell(progress: Progress) -> None:
        if on_progress is not None:
            on_progress(Progress(f"{name}: {progress.stage}", progress.done, progress.total))

    start = time.perf_counter()
    searcher = encoded.compress_to(folder, nbits=nbits, pool_factor=pool_factor, on_progress=tell)
    return Setting(searcher, None, time.perf_counter() - start)
