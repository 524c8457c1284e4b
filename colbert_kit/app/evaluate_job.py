"""What the evaluate panel starts: ``python -m colbert_kit.app.evaluate_job evaluate|show|compare PLAN``.

``evaluate`` writes what ``colbert-kit evaluate`` writes, and beside it ``page.json``: what the page shows, so that the
page's process need not read a report, for which it would import torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbert_kit import runners

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

    from colbert_kit import Searcher
    from colbert_kit.evaluation import CollectionReport, Example, Report, System

__all__ = ["ABOUT", "PAGE", "main"]

PAGE = "page.json"
ABOUT = "about.json"
"""What was asked for: the collections' names, as they can be loaded again."""
NUM_CHANGES = 10
SNIPPET = 600

Plan = dict[str, Any]


def main() -> None:
    """Do what is asked, and say so."""
    what, text = sys.argv[1:]
    with runners.reporting() as report:
        WORK[what](json.loads(text), report)


def _evaluate(plan: Plan, report: runners.Report) -> None:
    from colbert_kit import evaluation, models

    folder = Path(plan["folder"])
    evaluation.check_output(folder, override=False)
    collections = [evaluation.load_collection(name) for name in plan["collections"]]
    with models.without_library_bars():
        found = evaluation.evaluate_on(
            _source(plan["source"]),
            collections,
            nbits=plan["nbits"],
            exact=plan["exact"],
            on_progress=report.progress,
        )
        evaluation.write_report(found, folder)
    (folder / ABOUT).write_text(json.dumps(plan), encoding="utf-8")
    _write_page(found, folder)
    report.result(folder=str(folder))


def _show(plan: Plan, report: runners.Report) -> None:
    from colbert_kit import evaluation

    folder = Path(plan["folder"])
    _write_page(evaluation.Report.read(folder), folder)
    report.result(folder=str(folder))


def _compare(plan: Plan, report: runners.Report) -> None:
    from colbert_kit import evaluation

    folders = [Path(plan[name]) for name in ("first", "second")]
    # By the names that the page lists them by; titles are models, and may be one model twice.
    first, second = (replace(evaluation.Report.read(folder), title=folder.name) for folder in folders)
    found = evaluation.compare_reports(first, second, num_changes=NUM_CHANGES)
    texts = _texts(folders, [one for examples in found.examples.values() for one in examples])
    report.result(
        measure=found.measure,
        left_out=found.left_out,
        collections=[
            {
                "name": name,
                "verdict": pair.verdict,
                "figures": asdict(pair.comparison),
                "examples": [_example(one, texts) for one in found.examples[name]],
            }
            for name, pair in found.comparisons.items()
        ],
    )


WORK: dict[str, Callable[[Plan, runners.Report], None]] = {"evaluate": _evaluate, "show": _show, "compare": _compare}


def _source(name: str) -> MultiVectorEncoder | Searcher:
    from colbert_kit import Searcher, models

    if (Path(name) / "manifest.json").is_file():
        return Searcher.open(name)
    return models.load_demo() if name == "demo" else models.ColBERT(name)


def _write_page(report: Report, folder: Path) -> None:
    page = {
        "title": report.title,
        "settings": dict(report.settings),
        "machine": dict(report.machine),
        "measures": list(report.measures),
        "collections": [_collection(one, report) for one in report.collections],
    }
    temporary = folder / f"{PAGE}.new"
    temporary.write_text(json.dumps(page, ensure_ascii=False), encoding="utf-8")
    temporary.replace(folder / PAGE)


def _collection(one: CollectionReport, report: Report) -> dict[str, Any]:
    return {
        "name": one.name,
        "num_documents": one.num_documents,
        "num_queries": len(one.queries),
        "systems": [_system(system, report.measures) for system in one.systems],
        "verdicts": [pair.verdict for pair in report.comparisons.get(one.name, ())],
        "examples": [_example(example, {}) for example in one.examples],
    }


def _system(system: System, measures: Iterable[str]) -> dict[str, Any]:
    means = {name: system.mean(name) for name in measures}
    return {
        "name": system.name,
        "means": means,
        "interval": list(system.interval(next(iter(means)))),
        "judged": system.judged,
        "p50_ms": None if system.latency is None else 1000 * system.latency.p50_seconds,
        "bytes": system.bytes_per_document,
    }


def _example(one: Example, texts: dict[str, str]) -> dict[str, Any]:
    text = one.text or texts.get(one.document_id, "")
    return {**asdict(one), "text": text, "change": list(one.change)}


def _texts(folders: Iterable[Path], examples: Iterable[Example]) -> dict[str, str]:
    """Beginnings of the documents of examples, from the collections, where these are known and here."""
    from colbert_kit import evaluation
    from colbert_kit.errors import ColbertKitError

    wanted = {one.document_id for one in examples if one.document_id}
    found: dict[str, str] = {}
    names: list[str] = []
    for folder in folders:
        if (about := folder / ABOUT).is_file():
            names += json.loads(about.read_text(encoding="utf-8"))["collections"]
    for name in dict.fromkeys(names):
        try:
            for document in evaluation.load_collection(name).documents():
                if (document_id := document["id"]) in wanted:
                    text = str(document["text"])
                    found.setdefault(document_id, text if len(text) <= SNIPPET else f"{text[:SNIPPET]} …")
        except ColbertKitError:
            # The figures are worth showing without the texts.
            continue
    return found


if __name__ == "__main__":
    main()
