"""The search page."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["commands"]

commands = typer.Typer()


@commands.command("app")
def launch_app(
    index: Annotated[str | None, typer.Option(help="A folder or Hub repository; the demo if left out.")] = None,
    port: Annotated[int | None, typer.Option(help="The first free one from 7860 if left out.")] = None,
) -> None:
    """Open the search page."""
    from colbert_kit.app import launch

    launch(index=index, port=port)
