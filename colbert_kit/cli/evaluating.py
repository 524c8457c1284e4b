"""``evaluate`` and ``compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colbert_kit.cli.shared import AsJson, load_model, told
from colbert_kit.errors import InvalidInput

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer

    from colbert_kit import Searcher

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def evaluate(  # noqa: PLR0913 - one for each option
    source: Annotated[str, typer.Argument(help="A model or an index (folder or Hub repository), or 'demo'.")],
    on: Annotated[
        list[str],
        typer.Option("--on", help="A BEIR folder, or scifact, nanobeir/nq, bright/biology ...; ':SPLIT' after it."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder for the report.")] = Path("evaluation"),
    measure: Annotated[
        list[str] | None, typer.Option("--measure", help="As ir-measures calls it; the first one decides.")
    ] = None,
    nbits: Annotated[int, typer.Option(help="Of the index that is made for a model: 1, 2, 4 or 8.")] = 4,
    pool_factor: Annotated[int, typer.Option(help="Of that index: one token embedding for so many similar ones.")] = 1,
    exact: Annotated[bool, typer.Option(help="Compute exact MaxSim too.")] = True,
    sweep: Annotated[bool, typer.Option("--sweep", help="Measure other index settings too; minutes each.")] = False,
    dense: Annotated[str | None, typer.Option(help="A dense sentence-transformers model to compare with.")] = None,
    override: Annotated[bool, typer.Option("--override", help="Replace the report that is there.")] = False,
) -> None:
    """Measure a model or an index: beside exact MaxSim and BM25, with what differs by more than chance."""
    from colbert_kit import evaluation, models

    evaluation.check_output(output, override=override)
    collections = [evaluation.load_collection(name) for name in dict.fromkeys(on)]
    with told() as on_progress, models.without_library_bars():
        report = evaluation.evaluate_on(
            _source(source),
            collections,
            measures=measure or evaluation.MEASURES,
            nbits=nbits,
            pool_factor=pool_factor,
            exact=exact,
            sweep=sweep,
            dense=_dense(dense),
            on_progress=on_progress,
        )
        path = evaluation.write_report(report, output, override=override)
    typer.echo(evaluation.to_text(report))
    typer.echo(f"Report: {path}")


@commands.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A report: its folder or report.json.")],
    second: Annotated[Path, typer.Argument(help="The report to compare with it.")],
    system: Annotated[str, typer.Option(help="Which system of the reports.")] = "index",
    measure: Annotated[str | None, typer.Option(help="The first report's first one if left out.")] = None,
    changes: Annotated[int, typer.Option(help="Queries to show for each collection.")] = 5,
    index: Annotated[
        Path | None, typer.Option(help="The second report's index: shows texts, and which token met which.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two reports query by query: what differs by more than chance, and the queries that changed most."""
    from colbert_kit import Searcher, evaluation, models

    reports = [evaluation.Report.read(path) for path in (first, second)]
    with models.without_library_bars():
        searcher = None if index is None else Searcher.open(index)
    compared = evaluation.compare_reports(
        *reports, system=system, measure=measure, num_changes=changes, searcher=searcher
    )
    if as_json:
        typer.echo(json.dumps(compared.as_dict(), indent=1, ensure_ascii=False))
        return
    typer.echo(compared.to_markdown().rstrip())


def _source(name: str) -> MultiVectorEncoder | Searcher:
    from colbert_kit import Searcher

    if (Path(name) / "manifest.json").is_file():
        return Searcher.open(name)
    return load_model(None if name == "demo" else name)


def _dense(name: str | None) -> SentenceTransformer | None:
    from sentence_transformers import SentenceTransformer

    if name is None:
        return None
    try:
        return SentenceTransformer(name)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the dense model {name!r} cannot be loaded: {error}") from error
