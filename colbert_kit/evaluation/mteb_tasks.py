"""MTEB's retrieval tasks, loaded, searched and scored by mteb's own code (https://github.com/embeddings-benchmark/mteb).

mteb wraps a plain ``MultiVectorEncoder`` by itself. What is added here is which model the results are of: mteb knows a
model that is not from its list as ``no_model_name/available``, and gives a second one the results of the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from colbert_kit import hub
from colbert_kit.errors import HubUnreachable, InvalidInput, MissingExtra
from colbert_kit.models import record_of, without_library_bars

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask
    from mteb.results import ModelResult
    from sentence_transformers import MultiVectorEncoder

__all__ = ["run_mteb"]

DOCUMENTS_AT_ONCE = 5_000
"""Documents whose embeddings are held at a time, as in sentence-transformers' evaluator. mteb's own 50,000 are 18 GB of
float32 with 240 tokens of dim 384."""


def run_mteb(
    model: MultiVectorEncoder,
    tasks: str | AbsTask | Iterable[str | AbsTask],
    *,
    batch_size: int = 32,
    output_folder: str | Path | None = None,
    show_progress: bool = False,
) -> ModelResult:
    """Run retrieval tasks of MTEB on a model: exact MaxSim over the whole corpus, the best 1,000 documents measured.

    Args:
        model: The model; mteb encodes queries and documents with its markers and lengths.
        tasks: Names (``"NanoSciFactRetrieval"``, whose data come from the Hub), task objects of mteb's or your own, or
            a benchmark (``mteb.get_benchmark("NanoBEIR")``).
        batch_size: Texts encoded at once.
        output_folder: Where mteb writes a JSON file for each task, under the model's name and fingerprint. What is
            there already is not run again. None writes nothing.
        show_progress: Whether to show mteb's bars.

    Returns:
        mteb's result: ``task_results`` has one for each task with all measures, rounded to five digits as mteb does.

    Raises:
        InvalidInput: There is no such task, or it is not a retrieval or reranking task.
        HubUnreachable: A task's data are not in the Hub's cache, and it cannot be reached.
        MissingExtra: mteb is not installed.

    Example:
        >>> result = run_mteb(model, ["NanoSciFactRetrieval"])  # doctest: +SKIP
        >>> {task.task_name: task.get_score() for task in result.task_results}  # doctest: +SKIP
    """
    try:
        import mteb
        from mteb.models import MultiVectorWrapper
    except ImportError as error:
        raise MissingExtra("mteb", "eval") from error
    chosen = [_find(one) for one in ([tasks] if isinstance(tasks, (str, mteb.AbsTask)) else tasks)]
    wrapped = MultiVectorWrapper(model, corpus_chunk_size=DOCUMENTS_AT_ONCE)
    wrapped.mteb_model_meta = wrapped.mteb_model_meta.model_copy(update=_identity(model))
    with nullcontext() if show_progress else without_library_bars():
        try:
            return mteb.evaluate(
                wrapped,
                chosen,
                co2_tracker=False,
                encode_kwargs={"batch_size": batch_size, "show_progress_bar": show_progress},
                cache=None if output_folder is None else mteb.ResultCache(output_folder),
                show_progress_bar=show_progress,
            )
        except ConnectionError as error:
            raise HubUnreachable(f"the data of MTEB's tasks come from the Hub: {error}") from error


def _find(task: str | AbsTask) -> AbsTask:
    import mteb

    try:
        found = mteb.get_task(task) if isinstance(task, str) else task
    except KeyError as error:
        raise InvalidInput(f"there is no such task of MTEB: {error.args[0].removeprefix('KeyError: ')}") from error
    if found.metadata.simplified_task_type != "retrieval":
        raise InvalidInput(
            f"token embeddings are for retrieval and reranking tasks, {found.metadata.name!r} is {found.metadata.type}."
        )
    return found


def _identity(model: MultiVectorEncoder) -> dict[str, str]:
    """A name without a folder's place, as results are shown to others, and what no two different models share."""
    record = record_of(model)
    # mteb wants a name with a slash.
    is_repository = "/" in record.id and hub.is_repo_id(record.id)
    return {"name": record.id if is_repository else f"local/{Path(record.id).name}", "revision": record.fingerprint}
