"""What the index panel starts: ``python -m colbert_kit.app.index_job build|add|remove|push|card PLAN``.

``build`` works in a hidden folder beside the index's place and renames it when it is whole, ``add`` and ``remove`` are
one commit: a job that is canceled or killed leaves what was there, and nothing else.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbert_kit import runners
from colbert_kit.app.uploads import Roles, Source, documents_of, metadata_name
from colbert_kit.errors import InvalidInput
from colbert_kit.progress import Progress

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

    from colbert_kit import Searcher

__all__ = ["BUILDING", "main"]

BUILDING = ".building-"
"""Before the job's id: the name of the folder that an index is built in."""
CHECKED_AT_ONCE = 10_000

Plan = dict[str, Any]


def main() -> None:
    """Do what is asked, and say so."""
    # Otherwise a canceled job would leave half an index behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    what, text = sys.argv[1:]
    with runners.reporting() as report:
        WORK[what](json.loads(text), report)


def _build(plan: Plan, report: runners.Report) -> None:
    from colbert_kit import Searcher

    target = Path(plan["folder"])
    total = _check(plan, report)
    model = _load_model(plan["model"], report)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.parent / f"{BUILDING}{os.environ.get('JOB_ID', os.getpid())}"
    try:
        searcher = Searcher.build(
            folder,
            model,
            _documents(plan),
            nbits=plan["nbits"],
            pool_factor=plan["pool_factor"],
            on_progress=report.progress,
            total=total,
        )
        try:
            folder.rename(target)
        except OSError as error:
            raise InvalidInput(f"there is an index {target.name!r} already; nothing was overwritten.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _tell(report, searcher, target)


def _add(plan: Plan, report: runners.Report) -> None:
    total = _check(plan, report)
    searcher = _open(plan, report)
    searcher.add(_documents(plan, searcher), on_progress=report.progress, total=total)
    _tell(report, searcher, Path(plan["folder"]))


def _remove(plan: Plan, report: runners.Report) -> None:
    searcher = _open(plan, report)
    searcher.remove(plan["ids"])
    _tell(report, searcher, Path(plan["folder"]))


def _push(plan: Plan, report: runners.Report) -> None:
    runners.open_target(plan["repo_id"], "dataset", public=plan["public"])
    searcher = _open(plan, report)
    report.progress(Progress("pushing", 0, None))
    pushed = searcher.push_to_hub(
        plan["repo_id"],
        private=not plan["public"],
        model_id=plan["model_id"],
        license=plan["license"],
        language=plan["language"],
        corpus=plan["corpus"],
    )
    report.result(repo_id=pushed.repo_id, revision=pushed.revision, url=pushed.url)


def _card(plan: Plan, report: runners.Report) -> None:
    from colbert_kit.searcher import preview_card

    names = ("model_id", "license", "language", "corpus")
    report.result(card=preview_card(plan["folder"], plan["repo_id"], **{name: plan[name] for name in names}))


WORK: dict[str, Callable[[Plan, runners.Report], None]] = {
    "build": _build, "add": _add, "remove": _remove, "push": _push, "card": _card,
}  # fmt: skip


def _documents(plan: Plan, searcher: Searcher | None = None) -> Any:  # noqa: ANN401 - an iterator of documents
    """The documents of a plan; added to an index, texts become numbers where its columns hold numbers."""
    source = Source(**{**plan["source"], "files": tuple(plan["source"]["files"])})
    lists = {name: tuple(plan["roles"][name]) for name in ("metadata", "numbers")}
    roles = Roles(**{**plan["roles"], **lists})
    if searcher is not None and source.has_only_texts:
        numbers = {one.name for one in searcher.summarize_columns() if one.kind == "number"}
        kept = tuple(name for name in roles.metadata if metadata_name(name, roles) in numbers)
        roles = dataclasses.replace(roles, numbers=kept)
    return documents_of(source, roles, plan["passage_words"])


def _check(plan: Plan, report: runners.Report) -> int | None:
    """Read all rows of files once before hours are spent on the first ones; how many documents there are."""
    if plan["source"]["repo_id"]:
        return None
    total = 0
    for _ in _documents(plan):
        total += 1
        if total % CHECKED_AT_ONCE == 0:
            report.progress(Progress("checking", total, None))
    if not total:
        raise InvalidInput("no row has a text in the column of texts; choose another column.")
    return total


def _load_model(name: str | None, report: runners.Report) -> MultiVectorEncoder:
    from colbert_kit import models

    report.progress(Progress("loading the model", 0, None))
    with models.without_library_bars():
        return models.load_demo() if name is None else models.ColBERT(name)


def _open(plan: Plan, report: runners.Report) -> Searcher:
    from colbert_kit import Searcher, models

    report.progress(Progress("loading the model", 0, None))
    model_id = plan.get("model_id")
    with models.without_library_bars():
        return Searcher.open(plan["folder"], models.ColBERT(model_id) if model_id else None)


def _tell(report: runners.Report, searcher: Searcher, folder: Path) -> None:
    report.result(folder=str(folder), documents=len(searcher), bytes=searcher.num_bytes)


if __name__ == "__main__":
    main()
