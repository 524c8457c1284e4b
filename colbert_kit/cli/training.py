"""Train, adapt, and look for faults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from colbert_kit.cli.shared import load_model, told
from colbert_kit.errors import InvalidInput

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def train(
    config: Annotated[Path, typer.Argument(help="A YAML or JSON file: model, train, loss ... (docs/training.md).")],
    override: Annotated[bool, typer.Option("--override", help="Begin anew where the folder holds a run.")] = False,
) -> None:
    """Train a model; a run that was interrupted goes on where it was."""
    from colbert_kit import training

    settings = training.TrainingConfig.from_file(config)
    with told() as on_progress:
        result = training.train(settings, override=override, on_progress=on_progress)
    if int(os.environ.get("RANK", "0")) > 0:
        return
    quality = "" if result.best is None else f", nDCG@10 {result.best:.4f} (before: {result.start:.4f})"
    typer.echo(f"{result.output_dir}: step {result.best_step} of {result.steps}{quality}")


@commands.command()
def adapt(
    pairs: Annotated[str, typer.Option(help="Rows with a query and its positive: a file or Hub dataset.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")],
    model: Annotated[str, typer.Option("--model", "-m", help="A folder or Hub repository.")] = "demo",
    corpus: Annotated[str | None, typer.Option(help="What to search; the pairs' positives if left out.")] = None,
    evaluate_on: Annotated[
        list[str] | None, typer.Option("--eval", help="A BEIR folder to measure on as well, 'path:split'.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="A cross-encoder or ColBERT model: its rankings are learnt in place of the pairs'. A dense model: "
            "[CLS] and [SEP] learn its vectors, after the pairs."
        ),
    ] = None,
    num_negatives: Annotated[
        int | None, typer.Option(min=1, help="Mined for a query at most: 1; with a teacher just so many: 7.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="A YAML or JSON file of TrainingConfig's fields, over the recipe's own.")
    ] = None,
) -> None:
    """Fine-tune a model on your own pairs, and say whether it is better than before."""
    from colbert_kit import recipes, training

    given = {} if settings is None else training.read_settings(settings)
    with told() as on_progress:
        result = recipes.adapt(
            model, pairs, output, corpus=corpus, evaluate_on=evaluate_on or (), teacher=teacher,
            num_negatives=num_negatives, settings=given, on_progress=on_progress,
        )  # fmt: skip
    typer.echo((output / "report.md").read_text().partition("```json")[0].strip())
    typer.echo(f"Model: {result.model_dir}")


@commands.command()
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
        findings = training.examine_model(load_model(model))
        if data is not None:
            findings += training.examine_rows(training.load_rows(training.DataSource(path=data)), loss)
    for finding in findings:
        typer.echo(f"{finding.level}: {finding.name}: {finding.message}")
    if not findings:
        typer.echo("Nothing found.")
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)
