"""``colbert-kit``: index, search, rerank, train, evaluate, tune, push, pull, serve, launch jobs, and the app.

What a user can fix is one line on stderr and exit code 2; a bug of ours keeps its traceback.
"""

from __future__ import annotations

import sys

import typer

from colbert_kit.cli import evaluating, jobs, page, searching, serving, sharing, training, tuning
from colbert_kit.errors import ColbertKitError

__all__ = ["main"]

app = typer.Typer(
    help="Late-interaction (ColBERT): index, search, rerank, train, evaluate, tune, push, pull, serve, launch jobs.",
    no_args_is_help=True,
    add_completion=False,
)
for family in (searching, training, evaluating, tuning, sharing, jobs, serving, page):
    app.add_typer(family.commands)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except ColbertKitError as error:
        sys.stderr.write(f"Error: {' '.join(str(error).split())}\n")
        raise SystemExit(2) from None
