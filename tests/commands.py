"""The command line in this process, where torch is imported already. Fixtures of all tests."""

import sys
from collections.abc import Callable

import pytest

__all__ = ["call", "only_line", "refused"]


@pytest.fixture
def call(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """The command in this process, where torch is imported already: exit code, output, errors."""

    def run_here(*arguments: object) -> tuple[int, str, str]:
        from colbert_kit import cli

        monkeypatch.setattr(sys, "argv", ["colbert-kit", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        output = capsys.readouterr()
        return stop.value.code, output.out, output.err

    return run_here


@pytest.fixture
def refused(call) -> Callable[..., str]:
    """The one line that the command says; anything longer would be a bug of ours."""

    def run_and_check(*arguments: object) -> str:
        code, output, errors = call(*arguments)
        assert (code, output) == (2, "")
        return only_line(errors)

    return run_and_check


def only_line(errors: str) -> str:
    assert "Traceback" not in errors
    [line] = [line for line in errors.splitlines() if line.startswith("Error: ")]
    return line
