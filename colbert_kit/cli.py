"""``colbert-kit``: index, search, rerank and train from a terminal, and the app.

What a user can fix is one line on stderr and exit code 2; a bug of ours keeps its traceback.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from colbert_kit.errors import ColbertKitError, InvalidInput

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

    from colbert_kit import Hit
    from colbert_kit.progress import OnProgress
    from colbert_kit.scores import TokenMatch

__all__ = ["main"]

app = typer.Typer(
    help="Late-interaction (ColBERT) retrieval: index, search, rerank, train.",
    no_args_is_help=True,
    add_completion=False,
)

Model = Annotated[
    str | None, typer.Option("--model", "-m", help="A folder or Hub repository; the demo encoder if left out.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]
K = Annotated[int, typer.Option("-k", help="Hits at most.")]


def main() -> None:
    """Run the command line."""
    try:
        app()
    except ColbertKitError as error:
        sys.stderr.write(f"Error: {' '.join(str(error).split())}\n")
        raise SystemExit(2) from None


@app.command()
def index(  # noqa: PLR0913 - one for each option
    source: Annotated[str, typer.Argument(help="A file of rows, a folder of texts, a BEIR folder or a Hub dataset.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the index.")],
    model: Model = None,
    split: Annotated[str, typer.Option(help="Split of a Hub dataset.")] = "train",
    id_column: Annotated[str | None, typer.Option(help="Column of ids; the usual names if left out.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of texts; the usual names if left out.")] = None,
    passage_words: Annotated[
        int | None, typer.Option(help="Cut documents into passages of so many words that overlap by a quarter.")
    ] = None,
    nbits: Annotated[int, typer.Option(help="Bits of a residual a dimension, once compressed: 1, 2, 4 or 8.")] = 4,
    pool_factor: Annotated[
        int, typer.Option(help="Keep about one token embedding for so many similar ones; 1 keeps all.")
    ] = 1,
    override: Annotated[bool, typer.Option("--override", help="Replace an index that is there.")] = False,
) -> None:
    """Index documents into a folder."""
    from colbert_kit import Searcher, data, progress

    documents: Any = data.read_corpus(source, split=split, id_column=id_column, text_column=text_column)
    if passage_words is not None:
        documents = data.split_passages(documents, passage_words=passage_words, overlap_words=passage_words // 4)
    with progress.terminal_progress() as on_progress:
        searcher = Searcher.build(
            output,
            _load(model),
            documents,
            override=override,
            nbits=nbits,
            pool_factor=pool_factor,
            on_progress=on_progress,
        )
    typer.echo(f'{len(searcher)} documents in {output}. Search them with: colbert-kit search {output} "your query"')


@app.command()
def search(
    folder: Annotated[str, typer.Argument(help="The folder of the index, or a Hub dataset repository.")],
    query: Annotated[str, typer.Argument(help="The query.")],
    k: K = 10,
    filter: Annotated[
        list[str] | None, typer.Option("--filter", "-f", help="'year >= 2020'; all that are given must hold.")
    ] = None,
    group_by: Annotated[str | None, typer.Option(help="Show the best hit of each value of a column.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show which word met which.")] = False,
    as_json: AsJson = False,
) -> None:
    """Search an index."""
    from colbert_kit import Searcher, documents, models

    filters = [documents.parse_filter(text) for text in filter or []] or None
    with models.without_library_bars():
        searcher = Searcher.from_pretrained(folder)
    hits = searcher.search(query, k, filters=filters, group_by=group_by)
    _show(hits, as_json, {hit.id: searcher.explain(query, hit) for hit in hits} if explain else {})


@app.command()
def rerank(
    query: Annotated[str, typer.Argument(help="The query.")],
    candidates: Annotated[Path, typer.Argument(help="A file of rows with the candidates: .jsonl, .csv, .parquet.")],
    model: Model = None,
    k: Annotated[int | None, typer.Option("-k", help="Hits at most; all if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Order candidates of another search by MaxSim."""
    if not candidates.is_file():
        raise InvalidInput(f"there is no file {candidates}; check the path.")
    from colbert_kit import data, rerank_texts

    documents = list(data.read_corpus(candidates))
    _show(rerank_texts(_load(model), query, documents, k), as_json, {})


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A YAML or JSON file: model, train, loss ... (docs/training.md).")],
    override: Annotated[bool, typer.Option("--override", help="Begin anew where the folder holds a run.")] = False,
) -> None:
    """Train a model; a run that was interrupted goes on where it was."""
    from colbert_kit import training

    settings = training.TrainingConfig.from_file(config)
    with _told() as on_progress:
        result = training.train(settings, override=override, on_progress=on_progress)
    if int(os.environ.get("RANK", "0")) > 0:
        return
    quality = "" if result.best is None else f", nDCG@10 {result.best:.4f} (before: {result.start:.4f})"
    typer.echo(f"{result.output_dir}: step {result.best_step} of {result.steps}{quality}")


@app.command()
def adapt(
    pairs: Annotated[str, typer.Option(help="Rows with a query and its positive: a file or Hub dataset.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")],
    model: Annotated[str, typer.Option("--model", "-m", help="A folder or Hub repository.")] = "demo",
    corpus: Annotated[str | None, typer.Option(help="What to search; the pairs' positives if left out.")] = None,
    evaluate_on: Annotated[
        list[str] | None, typer.Option("--eval", help="A BEIR folder to measure on as well, 'path:split'.")
    ] = None,
) -> None:
    """Fine-tune a model on your own pairs, and say whether it is better than before."""
    from colbert_kit import recipes

    with _told() as on_progress:
        result = recipes.adapt(
            model, pairs, output, corpus=corpus, evaluate_on=evaluate_on or (), on_progress=on_progress
        )
    typer.echo((output / "report.md").read_text().partition("```json")[0].strip())
    typer.echo(f"Model: {result.model_dir}")


@app.command()
def doctor(
    model: Annotated[str, typer.Argument(help="A model (folder or Hub repository), or a training config.")],
    data: Annotated[str | None, typer.Option(help="Training rows to look at: a file or Hub dataset.")] = None,
    loss: Annotated[str, typer.Option(help="The loss they are for.")] = "contrastive",
) -> None:
    """Look for faults that make rankings worse without an error."""
    from colbert_kit import training

    if loss not in training.LOSSES:
        raise InvalidInput(f"--loss is one of {', '.join(training.LOSSES)}, got {loss!r}.")
    if Path(model).suffix in (".yaml", ".yml", ".json"):
        if data is not None:
            raise InvalidInput("a config names its own data; leave out --data.")
        findings = training.examine_config(training.TrainingConfig.from_file(model))
    else:
        findings = training.examine_model(_load(model))
        if data is not None:
            findings += training.examine_rows(training.load_rows(training.DataSource(path=data)), loss)
    for finding in findings:
        typer.echo(f"{finding.level}: {finding.name}: {finding.message}")
    if not findings:
        typer.echo("Nothing found.")
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)


@app.command("app")
def launch_app(
    index: Annotated[str | None, typer.Option(help="A folder or Hub repository; the demo if left out.")] = None,
    port: Annotated[int | None, typer.Option(help="The first free one from 7860 if left out.")] = None,
) -> None:
    """Open the search page."""
    from colbert_kit.app import launch

    launch(index=index, port=port)


@contextmanager
def _told() -> Iterator[OnProgress]:
    """Progress, and what the kit has to say while it works: a line each on stderr."""
    from colbert_kit import progress

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("colbert_kit")
    before = logger.level
    logger.addHandler(handler)
    # Of several processes that train together the first one speaks.
    logger.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING)
    try:
        with progress.terminal_progress() as on_progress:
            yield on_progress
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _load(model: str | None) -> MultiVectorEncoder:
    from colbert_kit import models

    with models.without_library_bars():
        return models.load_demo() if model is None else models.ColBERT(model)


def _show(hits: list[Hit], as_json: bool, matches: dict[str, list[TokenMatch]]) -> None:
    if as_json:
        typer.echo(json.dumps([_as_dict(hit, matches.get(hit.id)) for hit in hits], ensure_ascii=False, default=str))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    if not hits:
        console.print("Nothing found.")
    for hit in hits:
        console.print(Text(f"{hit.rank:>3}. "), Text(f"{hit.score:.2f}", "bold"), Text(hit.id, "cyan"))
        body = " ".join(hit.text.split())
        console.print(Text(f"     {body[:300]}{' …' if len(body) > 300 else ''}"))
        for match in matches.get(hit.id, []):
            found = hit.text[match.document.start : match.document.stop] or match.document.token
            console.print(Text(f"       {match.query.token:>16} → {found:<24} {match.similarity:.2f}", "dim"))


def _as_dict(hit: Hit, matches: list[TokenMatch] | None) -> dict[str, Any]:
    fields = {"rank": hit.rank, "id": hit.id, "score": hit.score, "text": hit.text, "metadata": hit.metadata}
    if matches is None:
        return fields
    spelled = [
        {
            "query_token": match.query.token,
            "document_token": match.document.token,
            "start": match.document.start,
            "stop": match.document.stop,
            "similarity": match.similarity,
        }
        for match in matches
    ]
    return {**fields, "matches": spelled}


if __name__ == "__main__":
    main()
