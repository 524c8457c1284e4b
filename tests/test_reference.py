"""The reference: what the site shows of the public face, without building the site."""

import inspect
import re
import runpy
from pathlib import Path

import griffe
import pytest

import colbert_kit

ROOT = Path(__file__).parent.parent
ROOMS = [name for name in colbert_kit.__all__ if inspect.ismodule(getattr(colbert_kit, name))]


@pytest.fixture(scope="module")
def pages():
    return runpy.run_path(str(ROOT / "docs" / "reference.py"))["reference_pages"]()


def entries(text):
    return re.findall(r"^::: (\S+)$", text, re.MULTILINE)


def test_every_public_name_has_an_entry_on_its_rooms_page(pages):
    assert len(ROOMS) >= 14
    assert {f"reference/{room}.md" for room in ["colbert_kit", *ROOMS, "command-line"]} == set(pages)
    own = [name for name in colbert_kit.__all__ if name not in ROOMS]
    for room, names in [("colbert_kit", own), *((room, getattr(colbert_kit, room).__all__) for room in ROOMS)]:
        assert [entry.split(".")[-1] for entry in entries(pages[f"reference/{room}.md"])] == [room, *names]


def test_every_entry_shows_the_docstring_of_what_is_imported_by_that_name(pages):
    kit = griffe.load("colbert_kit", search_paths=[ROOT], allow_inspection=False)
    for room in ROOMS:
        for entry in entries(pages[f"reference/{room}.md"])[1:]:
            shown = kit[entry.removeprefix("colbert_kit.")].docstring
            assert shown is not None, f"{entry} has no docstring"
            found = getattr(getattr(colbert_kit, room), entry.split(".")[-1])
            if inspect.isclass(found) or inspect.isfunction(found):
                assert shown.value == inspect.getdoc(found), entry


def test_every_command_and_option_of_the_command_line_is_there(pages):
    from typer.main import get_command

    from colbert_kit.cli import app

    text = pages["reference/command-line.md"]
    for name, command in get_command(app).commands.items():
        [section] = re.findall(rf"^## `colbert-kit {name}`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        options = [option for one in command.params if one.param_type_name == "option" for option in one.opts]
        assert [option for option in options if option not in section] == []
