"""Choose index settings that meet limits, and write them into the index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from colbert_kit.errors import InvalidInput
from colbert_kit.evaluation.choosing import Candidate, halves, nothing_fits, preferred
from colbert_kit.evaluation.index_measures import Questions, judged_queries
from colbert_kit.evaluation.index_points import IndexPoint, MeasureConfig
from colbert_kit.evaluation.index_timing import Setting
from colbert_kit.evaluation.limits import Limits
from colbert_kit.evaluation.measures import measure_queries
from colbert_kit.evaluation.runs import Qrels, Run
from colbert_kit.evaluation.significance import compare_paired
from colbert_kit.evaluation.storage import Forms
from colbert_kit.evaluation.tuned import Tuned
from colbert_kit.indexes import SearchConfig
from colbert_kit.progress import OnProgress
from colbert_kit.searcher import Searcher

__all__ = ["tune"]


def tune(
    index: Searcher | str | Path,
    queries: Mapping[str, str],
    qrels: Qrels | None = None,
    *,
    max_latency_seconds: float | None = None,
    max_bytes: float | None = None,
    min_quality: float | None = None,
    how: MeasureConfig | None = None,
    on_progress: OnProgress | None = None,
) -> Tuned:
    """Choose settings within limits that are best in what is not limited, and write them into the index.

    Search settings are kept in the folder, and every search that is given none uses them (``Searcher.configure``).
    Bits and pooling are chosen too where bytes are limited or the index is not compressed yet; its documents are then
    encoded once more (``encoded_corpus``, which keeps them in the cache). Either is one atomic commit, the last thing
    that happens: until then the index is only read.

    With 100 queries or more, half of them choose and the others give the figures. What is chosen is timed once more
    with those; a setting that does not keep to the latency then is passed over. Indexes built meanwhile are deleted at
    the end; those of a call that was broken off or found nothing stay in the cache for the next one.

    Args:
        index: The index's folder, or a searcher of it.
        queries: Texts by query id, such as users ask.
        qrels: Judgements; without any, quality is recall against the exact ranking.
        max_latency_seconds: Of the 95th percentile of a search. The query's encoding does not count, as no setting
            changes it; what is said names both.
        max_bytes: Of all files of the folder's new generation; ``vacuum`` deletes those of earlier ones.
        min_quality: Of the mean of the measure over the queries.
        how: ``k``, the measure, rounds.
        on_progress: Told of documents encoded, indexes built, settings searched and queries timed.

    Returns:
        What was chosen and what was given up; ``words`` says it.

    Raises:
        InvalidInput: No setting meets the limits; the message names the nearest. Or the index is empty or a download,
            or there are no (judged) queries.
        InvalidConfig: There are no limits, or one cannot be.
        FolderBusy: Another process is writing to the folder.
        MissingExtra: There are qrels and ir-measures or scipy is not installed.

    Example:
        >>> tuned = tune("my-index", queries, qrels, max_latency_seconds=0.01)  # doctest: +SKIP
        >>> print(tuned.words)  # doctest: +SKIP
    """
    searcher = index if isinstance(index, Searcher) else Searcher.open(index)
    searcher.check_writable()
    if not len(searcher):
        raise InvalidInput(f"{searcher.folder} holds no documents; there is nothing to tune.")
    how = replace(how or MeasureConfig(), num_threads=())
    limits = Limits(
        max_latency_seconds=max_latency_seconds,
        max_bytes_per_document=None if max_bytes is None else max_bytes / len(searcher),
        min_quality=min_quality,
    )
    judged = judged_queries(queries, qrels)
    forms = Forms(searcher, limits, on_progress)
    exact_run = Questions(searcher, judged, qrels, how).run(forms.exact, on_progress)
    exact = {} if qrels is None else measure_queries(exact_run, {one: qrels[one] for one in judged}, how.measure)
    choosing, reporting = halves(judged, exact)
    settings = forms.settings(how.k)
    points = Questions(searcher, choosing, qrels, how).points(settings, exact_run, on_progress)
    candidates = [Candidate(*each) for each in zip(settings, points, strict=True)]
    # Two settings are timed cheaply, and their figures are those that are told: five rounds where the others had three.
    by_reporting = Questions(searcher, reporting, qrels, replace(how, rounds=2 * how.rounds - 1))
    chosen, before, after = _confirmed(searcher, candidates, limits, by_reporting, exact_run, on_progress)
    tuned = Tuned(
        before=before,
        after=after,
        limits=limits,
        exact_quality=float(np.mean([exact[query] for query in reporting])) if exact else None,
        exact_name=forms.exact_name,
        comparison=compare_paired(before.qualities, after.qualities) if exact and len(reporting) > 1 else None,
        num_tried=len(candidates),
        num_chosen_by=len(choosing),
        is_held_out=reporting != choosing,
        num_documents=len(searcher),
    )
    _write(searcher, chosen, after, how.k)
    forms.remove()
    return tuned


def _confirmed(
    searcher: Searcher,
    candidates: list[Candidate],
    limits: Limits,
    questions: Questions,
    exact_run: Run,
    on_progress: OnProgress | None,
) -> tuple[Setting, IndexPoint, IndexPoint]:
    """The best candidate that keeps to the latency a second time; the index as it is, and it, measured side by side.

    Raises:
        InvalidInput: There is none.
    """
    tried = {id(one): one for one in candidates}
    left = [one for one in candidates if limits.excess(one.point) <= 1]
    while left:
        best = preferred(left, limits)
        before, after = questions.points([Setting(searcher), best.setting], exact_run, on_progress)
        seconds = after.search.p95_seconds
        if limits.max_latency_seconds is None or seconds <= limits.max_latency_seconds:
            return best.setting, before, after
        tried[id(best)] = replace(best, point=after)
        left = [one for one in left if one.point.search.p95_seconds < best.point.search.p95_seconds]
    raise InvalidInput(nothing_fits(list(tried.values()), limits, searcher.document_bytes / len(searcher)))


def _write(searcher: Searcher, chosen: Setting, after: IndexPoint, k: int) -> None:
    """Keep the chosen settings in the index, by one atomic commit."""
    if chosen.searcher is searcher and chosen.config is None:
        return  # as it is
    # The default's numbers grow with the index; written down they would not.
    default = chosen.searcher.search_config(k, SearchConfig())
    config = None if after.config == default else after.config
    if chosen.searcher is searcher:
        searcher.configure(config)
    else:
        searcher.adopt(chosen.searcher, config)
