"""Index, search, rerank."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from colbert_kit.cli.shared import AsJson, K, Model, load_model
from colbert_kit.errors import InvalidInput

if TYPE_CHECKING:
    from colbert_kit import Hit
    from colbert_kit.scores import TokenMatch

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
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
            load_model(model),
            documents,
            override=override,
            nbits=nbits,
            pool_factor=pool_factor,
            on_progress=on_progress,
        )
    typer.echo(f'{len(searcher)} documents in {output}. Search them with: colbert-kit search {output} "your query"')


@commands.command()
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


@commands.command()
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
    _show(rerank_texts(load_model(model), query, documents, k), as_json, {})


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
