"""The shape of the house: what an import costs, what the face names, how long a file is, what a Space installs."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import colbert_kit

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted([*(ROOT / "colbert_kit").rglob("*.py"), ROOT / "app.py"])


def run_python(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_importing_the_kit_loads_no_heavy_library():
    loaded = run_python("import sys, colbert_kit; print(*{name.partition('.')[0] for name in sys.modules})").split()
    assert not {"torch", "gradio", "transformers", "sentence_transformers", "numpy", "datasets", "typer"} & set(loaded)


def test_importing_the_page_loads_no_torch_so_that_it_comes_first():
    loaded = run_python(
        "import sys, colbert_kit.app.shell; print(*{name.partition('.')[0] for name in sys.modules})"
    ).split()
    assert not {"torch", "transformers", "sentence_transformers"} & set(loaded)


def test_the_process_that_answers_loads_no_gradio():
    code = "import sys, colbert_kit.app.engine; print(*{name.partition('.')[0] for name in sys.modules})"
    assert not {"gradio", "torch"} & set(run_python(code).split())


@pytest.mark.parametrize("name", colbert_kit.__all__)
def test_every_name_of_the_face_can_be_had_and_says_what_it_is(name):
    assert getattr(colbert_kit, name).__doc__


def test_the_face_is_sorted_and_listed_by_dir():
    assert sorted(colbert_kit.__all__, key=lambda name: (not name[0].isupper(), name)) == colbert_kit.__all__
    assert set(colbert_kit.__all__) <= set(dir(colbert_kit))
    with pytest.raises(AttributeError, match="no attribute 'Serchar'"):
        _ = colbert_kit.Serchar


ROOMS = ["data", "documents", "errors", "evaluation", "indexes", "losses", "models", "rank", "retrieve", "scores"]
ROOMS += ["recipes", "runners", "training", "utils"]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_names_only_what_it_has_and_describes_it(room):
    module = importlib.import_module(f"colbert_kit.{room}")
    for name in module.__all__:
        thing = getattr(module, name)
        assert thing.__doc__ or not (inspect.isclass(thing) or inspect.isfunction(thing)), name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_over_300_lines_and_no_function_over_60_without_its_docstring(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert (node.end_lineno or 0) - first.lineno < 60, f"{path.name}: {node.name}"


def test_requirements_are_the_core_and_what_the_page_needs():
    def names(lines: list[str]) -> dict[str, str]:
        pairs = [re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in lines]
        return {name.lower(): version for name, version in pairs}

    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    extras = PYPROJECT["project"]["optional-dependencies"]
    wanted = names([*PYPROJECT["project"]["dependencies"], *extras["app"], *extras["demo"], *extras["fast-plaid"]])
    assert names(lines) == wanted
    assert {"spaces", "fast-plaid", "torch"} <= set(names(lines))


def test_the_page_builds_where_gradio_believes_to_be_on_a_space():
    code = (
        "from colbert_kit.app.answers import Answers\n"
        "from colbert_kit.app.shell import build_app\n"
        "build_app(Answers(), is_demo=True)"
    )
    run_python(code, SYSTEM="spaces", SPACE_ID="me/x", HF_HUB_OFFLINE="1")


def test_nothing_shadows_the_package_that_gradio_imports_as_spaces():
    assert not (ROOT / "spaces" / "__init__.py").exists()


def test_oracles_import_nothing_of_ours():
    text = (ROOT / "tests" / "oracles.py").read_text()
    assert not re.search(r"^\s*(from|import) (colbert_kit|tests)", text, re.MULTILINE)


def test_the_version_stands_in_one_place_and_its_copies_agree():
    assert PYPROJECT["project"]["version"] == colbert_kit.__version__
    assert f"version: {colbert_kit.__version__}" in (ROOT / "CITATION.cff").read_text()
