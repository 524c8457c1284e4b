"""An index over HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from colbert_kit import Searcher

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def serve(
    index: Annotated[str, typer.Argument(help="The folder of an index, or its repository on the Hub.")],
    host: Annotated[str, typer.Option(help="The address; other machines reach any but a loopback one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 8000,
    token: Annotated[
        str | None, typer.Option(envvar="COLBERT_KIT_TOKEN", help="What requests must carry; better in the variable.")
    ] = None,
    no_token: Annotated[bool, typer.Option("--no-token", help="Let other machines ask without a token.")] = False,
    revision: Annotated[str | None, typer.Option(help="Of a repository: a branch, tag or commit.")] = None,
    max_body: Annotated[int, typer.Option(help="Bytes of a request at most.")] = 8 * 2**20,
) -> None:
    """Answer /search, /rerank, /v1/embeddings and /health over HTTP; /docs says how to ask."""
    from colbert_kit import serving

    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("colbert_kit").setLevel(logging.INFO)
    serving.serve_index(
        lambda: _open(index, revision),
        name=index.rstrip("/").rpartition("/")[2] if _is_folder(index) else index,
        host=host,
        port=port,
        token=token,
        open_to_all=no_token,
        max_body=max_body,
        on_start=lambda address: typer.echo(f"Listening at {address} (how to ask: {address}/docs)"),
    )


def _is_folder(index: str) -> bool:
    from pathlib import Path

    return Path(index).is_dir()


def _open(index: str, revision: str | None) -> Searcher:
    from colbert_kit import Searcher, models

    with models.without_library_bars():
        return Searcher.from_pretrained(index, revision=revision)
