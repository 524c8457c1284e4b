"""To and from the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from colbert_kit.cli.shared import load_model
from colbert_kit.errors import InvalidInput, RepoNotFound

if TYPE_CHECKING:
    from colbert_kit import Searcher
    from colbert_kit.evaluation import Report

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def push(  # noqa: PLR0913 - one for each option
    folder: Annotated[Path, typer.Argument(help="The folder of an index or of a model.")],
    repo: Annotated[str, typer.Argument(help="The repository, 'me/my-index'; made where there is none.")],
    public: Annotated[bool, typer.Option("--public", help="For all to see; private if left out.")] = False,
    license: Annotated[str | None, typer.Option(help="By the Hub's names: apache-2.0, cc-by-4.0 ...")] = None,
    language: Annotated[list[str] | None, typer.Option(help="'en'; may be repeated.")] = None,
    report: Annotated[Path | None, typer.Option(help="What 'evaluate' wrote, for the card.")] = None,
    model_id: Annotated[
        str | None, typer.Option(help="Of an index: where its model is, if it was built with one in a folder.")
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="Of an index: the Hub dataset of its documents, or words.")] = None,
    base_model: Annotated[str | None, typer.Option(help="Of a model: the repository of what it was made of.")] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Of a model: what it was trained on; may be repeated.")
    ] = None,
) -> None:
    """Push an index or a model to the Hub, with a card; what is there already is not sent again."""
    from colbert_kit import models

    given: dict[str, object] = {
        "--model-id": model_id,
        "--corpus": corpus,
        "--base-model": base_model,
        "--dataset": dataset,
    }
    found = None if report is None else _report(report)
    if (folder / "manifest.json").is_file():
        _refuse("an index", given, "--base-model", "--dataset")
        with models.without_library_bars():
            searcher = _open(folder, model_id)
        pushed = searcher.push_to_hub(
            repo,
            private=not public,
            model_id=model_id,
            license=license,
            language=language,
            corpus=corpus,
            report=found,
        )
        typer.echo(f'{pushed.url} at {pushed.revision}\nSearch it with: colbert-kit search {repo} "your query"')
        return
    if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
        raise InvalidInput(f"{folder} holds neither an index (manifest.json) nor a model (modules.json).")
    _refuse("a model", given, "--model-id", "--corpus")
    pushed = models.push_to_hub(
        load_model(str(folder)),
        repo,
        private=not public,
        base_model=base_model,
        datasets=dataset or (),
        license=license,
        language=language,
        report=found,
    )
    typer.echo(
        f"{pushed.url} at {pushed.revision}\nIndex with it: colbert-kit index DOCUMENTS -o my-index --model {repo}"
    )


@commands.command()
def pull(
    repo: Annotated[str, typer.Argument(help="The repository of an index or of a model.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    revision: Annotated[str | None, typer.Option(help="A branch, tag or commit; the newest if left out.")] = None,
) -> None:
    """Bring an index or a model from the Hub into a folder of your own, checked."""
    from colbert_kit import models
    from colbert_kit.searcher import pull_index

    try:
        commit = pull_index(repo, folder, revision=revision)
        what = f'Search it with: colbert-kit search {folder} "your query"'
    except RepoNotFound:
        commit = models.pull_model(repo, folder, revision=revision)
        what = f"Index with it: colbert-kit index DOCUMENTS -o my-index --model {folder}"
    typer.echo(f"{folder}: {repo} at {commit}\n{what}")


@commands.command()
def deploy(
    index: Annotated[
        str | None, typer.Argument(help="A folder, or a public repository; SciFact's abstracts if left out.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="The Space, 'me/my-search'; made where there is none.")] = None,
    studio: Annotated[
        bool, typer.Option("--studio", help="Visitors sign in, and train and run jobs in their own name.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="For all to see; private if left out.")] = False,
    revision: Annotated[str | None, typer.Option(help="Of a repository: a branch, tag or commit.")] = None,
    model_id: Annotated[
        str | None, typer.Option(help="Of an index in a folder: where its model is, if it was built with a folder's.")
    ] = None,
    hardware: Annotated[str | None, typer.Option(help="A machine, 't4-small': it costs by the hour.")] = None,
    override: Annotated[bool, typer.Option("--override", help="Write into a Space that is not colbert-kit's.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the Space's files here, not to the Hub.")] = None,
) -> None:
    """Put the search page of an index, or with --studio one that visitors sign in to, on the Hub, as a Space."""
    from colbert_kit import models, runners

    kind: Literal["search", "studio"] = "studio" if studio else "search"
    if (space is None) == (output is None):
        raise InvalidInput("say where to: --space me/my-search, or --output FOLDER to look at the files first.")
    with models.without_library_bars():
        if space is None and output is not None:
            what = runners.write_space(output, index, kind=kind, revision=revision, model_id=model_id)
            typer.echo(f"{output}: a Space that searches {what}. Try it with: python {output}/app.py")
            return
        if index is None and not studio:
            raise InvalidInput("name an index to deploy: a folder, or a repository on the Hub.")
        made = runners.deploy(
            index,
            str(space),
            kind=kind,
            revision=revision,
            model_id=model_id,
            private=not public,
            hardware=hardware,
            override=override,
        )
    typer.echo(f"{made.url} at {made.revision}\nIt searches {made.index}; building takes the Hub some minutes.")


def _open(folder: Path, model_id: str | None) -> Searcher:
    from colbert_kit import Searcher

    # The folder of the model may be gone since it was pushed.
    return Searcher.open(folder, None if model_id is None else load_model(model_id))


def _report(path: Path) -> Report:
    from colbert_kit.evaluation import Report

    return Report.read(path)


def _refuse(what: str, given: dict[str, object], *options: str) -> None:
    if wrong := [option for option in options if given[option]]:
        raise InvalidInput(f"{', '.join(wrong)} cannot be said of {what}; leave it out.")
