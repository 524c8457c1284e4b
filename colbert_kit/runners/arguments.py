"""Arguments of the kit's scripts: checked before a job is launched, and rewritten for where it will run."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from colbert_kit.errors import InvalidInput
from colbert_kit.hub import is_repo_id

__all__ = ["JobArguments", "moved_source"]

Move = Callable[[str, bool], str]
"""From a value and whether the job runs elsewhere to the value that it is given there."""


class JobArguments(argparse.ArgumentParser):
    """An argument parser whose errors are the kit's, and whose arguments can be given to another process.

    Args:
        description: What the script does; of several paragraphs the first.

    Example:
        >>> arguments = JobArguments("Count words.")
        >>> arguments.add_source("--corpus", required=True)
        >>> arguments.moved(["--corpus", "me/corpus"], is_elsewhere=True)
        ['--corpus', 'me/corpus']
    """

    def __init__(self, description: str | None = None) -> None:
        # Abbreviations would break when an option is added.
        super().__init__(description=(description or "").partition("\n\n")[0], allow_abbrev=False)
        self._moves: dict[str, Move] = {}
        self._own: list[argparse.Action] = []

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:  # noqa: ANN401 - argparse's
        """As argparse's; options only, as all values have a name."""
        action = super().add_argument(*names, **settings)
        if hasattr(self, "_own"):
            self._own.append(action)
        return action

    def add_moved(self, name: str, move: Move, **settings: Any) -> None:  # noqa: ANN401 - argparse's
        """Add an option whose value another process needs in another form."""
        self._moves[self.add_argument(name, **settings).dest] = move

    def add_source(self, name: str, **settings: Any) -> None:  # noqa: ANN401 - argparse's
        """Add an option that names a file or folder, or a repository of the Hub."""
        self.add_moved(name, moved_source, **settings)

    def add_target(self, repo_type: str) -> None:
        """Add where the result is pushed to, and where the work is kept meanwhile."""
        help = f"a {repo_type} repository; made if needed"
        self.add_argument("--push-to", required=True, type=_repo_id, metavar="REPO", help=help)
        self.add_argument("--public", action="store_true", help="for all to see; needed for a public repository")
        self.add_argument("--work", default="output", metavar="FOLDER", help="goes on with what it holds already")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print.

        Raises:
            InvalidInput: Always.
        """
        raise InvalidInput(f"{message}.")

    def moved(self, arguments: Sequence[str], *, is_elsewhere: bool) -> list[str]:
        """Check arguments, and rewrite them for the process that the job will be.

        Args:
            arguments: As they were given here.
            is_elsewhere: Whether the job runs on another machine; if not, it runs in another folder.

        Returns:
            Arguments with the same meaning there.

        Raises:
            InvalidInput: One is unknown, missing or wrong, or names what only this machine has.
        """
        options, words = self.parse_args(list(arguments)), []
        for action in self._own:
            words += self._words(action, options, is_elsewhere)
        return words

    def _words(self, action: argparse.Action, options: Namespace, is_elsewhere: bool) -> list[str]:
        value = getattr(options, action.dest)
        if value == action.default:
            return []
        name = action.option_strings[-1]
        if value is True:
            return [name]
        move = self._moves.get(action.dest, _unmoved)
        values = [move(str(one), is_elsewhere) for one in (value if isinstance(value, list) else [value])]
        # A value that begins with a dash would be taken for an option.
        return [f"{name}={values[0]}"] if len(values) == 1 and values[0].startswith("-") else [name, *values]


def _repo_id(name: str) -> str:
    if not is_repo_id(name) or "/" not in name:
        raise argparse.ArgumentTypeError(f"a repository is OWNER/NAME, got {name!r}")
    return name


def _unmoved(text: str, is_elsewhere: bool) -> str:
    return text


def moved_source(name: str, is_elsewhere: bool) -> str:
    """A file, folder or repository, as another process names it.

    Args:
        name: As it was given here; a folder may have ``:SPLIT`` after it.
        is_elsewhere: Whether the process runs on another machine.

    Raises:
        InvalidInput: It is here, and the process is not.
    """
    path, colon, split = name, "", ""
    if not Path(path).exists() and ":" in name:
        path, colon, split = name.rpartition(":")
    if not Path(path).exists():
        return name
    if is_elsewhere:
        raise InvalidInput(
            f"{path} is on this machine, and the job is not; push it to the Hub, and name the repository."
        )
    return f"{Path(path).resolve()}{colon}{split}"
