"""The kit's own wheel: built from this checkout, and again from what a wheel has installed."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from colbert_kit.errors import InvalidConfig
from colbert_kit.runners import build_wheel, scripts, shipping

pytest.importorskip("setuptools", minversion="77")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_has_the_kit_and_its_jobs_and_no_library_of_this_machine(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name == "colbert_kit-0.1.0-py3-none-any.whl"
    assert {"colbert_kit/__init__.py", "colbert_kit/scores/kernel/kernel.c", "colbert_kit/py.typed"} <= set(names)
    assert {f"colbert_kit/jobs/{name}.py" for name in scripts.script_names()} <= set(names)
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.slow
def test_equal_sources_make_equal_wheels(wheel, tmp_path):
    assert build_wheel(tmp_path).read_bytes() == wheel.read_bytes()


@pytest.mark.slow
def test_an_installed_kit_makes_a_wheel_of_itself_that_installs_and_has_the_jobs(wheel, tmp_path):
    def run(*command, path):
        environment = {**os.environ, "PYTHONPATH": str(path)}
        return subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    first, second, again = tmp_path / "first", tmp_path / "second", tmp_path / "again"
    again.mkdir()
    install = ("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target")
    run(*install, str(first), str(wheel), path="")
    code = (
        "import sys, pathlib, colbert_kit; from colbert_kit import runners\n"
        "wheel = runners.build_wheel(pathlib.Path(sys.argv[1]))\n"
        "print(colbert_kit.__file__, wheel, *runners.script_names(), sep='\\n')"
    )
    where, made, *names = run("-c", code, str(again), path=first).splitlines()
    assert (where, names) == (str(first / "colbert_kit" / "__init__.py"), scripts.script_names())
    run(*install, str(second), made, path="")
    assert digests(second / "colbert_kit") == digests(first / "colbert_kit")


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_a_kit_that_cannot_be_built_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setattr(shipping, "BUILD", "raise SystemExit('no backend')")
    with pytest.raises(InvalidConfig, match=r"cannot be built: no backend\. It needs setuptools 77"):
        build_wheel(tmp_path)
