"""Tune an index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colbert_kit.cli.shared import K, told
from colbert_kit.errors import InvalidInput

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def tune(
    index: Annotated[Path, typer.Argument(help="The folder of the index.")],
    queries: Annotated[
        str, typer.Option(help="A BEIR folder or a collection's name; or a file of queries, a .txt with one a line.")
    ],
    split: Annotated[str | None, typer.Option(help="Split of the collection; test if left out.")] = None,
    qrels: Annotated[Path | None, typer.Option(help="Judgements of a file of queries.")] = None,
    max_latency: Annotated[
        str | None, typer.Option(help="'10ms': of the 95th percentile of a search, the query's encoding left out.")
    ] = None,
    max_bytes: Annotated[
        str | None, typer.Option(help="'40MB' or '2kB/document', texts included; bits and pooling may change for it.")
    ] = None,
    min_quality: Annotated[
        float | None, typer.Option(help="Of the measure; without judgements, of recall against the exact ranking.")
    ] = None,
    measure: Annotated[str, typer.Option(help="Of quality, as ir-measures calls it.")] = "nDCG@10",
    k: K = 10,
) -> None:
    """Choose settings within limits, write them into an index, and say what was given up."""
    from colbert_kit import Searcher, evaluation, models

    seconds = None if max_latency is None else evaluation.parse_seconds(max_latency)
    texts, judgements = _read(queries, split, qrels)
    how = evaluation.MeasureConfig(k=k, measure=measure if judgements is not None else f"nDCG@{k}")
    with models.without_library_bars():
        searcher = Searcher.open(index)
    with told() as on_progress:
        tuned = evaluation.tune(
            searcher,
            texts,
            judgements,
            max_latency_seconds=seconds,
            max_bytes=None if max_bytes is None else evaluation.parse_bytes(max_bytes, len(searcher)),
            min_quality=min_quality,
            how=how,
            on_progress=on_progress,
        )
    typer.echo(f"{tuned.words}\nWritten to {index}.")


def _read(
    queries: str, split: str | None, qrels: Path | None
) -> tuple[dict[str, str], dict[str, dict[str, int]] | None]:
    """Queries and judgements, or None for these."""
    from colbert_kit import data, evaluation

    if Path(queries).is_file():
        if split is not None:
            raise InvalidInput("a file of queries has no splits; leave out --split, or name the folder.")
        return data.read_queries(queries), None if qrels is None else data.read_qrels(qrels)
    if qrels is not None:
        raise InvalidInput("--qrels goes with a file of queries; a collection has its own.")
    collection = evaluation.load_collection(f"{queries}:{split}" if split else queries)
    return dict(collection.queries), {query: dict(grades) for query, grades in collection.qrels.items()}
