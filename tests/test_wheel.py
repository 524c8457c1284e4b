"""The wheel, built and installed for real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KERNEL = "colbert_kit/scores/kernel"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is made of, to leave nothing in the original."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("wheel") / "source"
    shutil.copytree(ROOT / "colbert_kit", folder / "colbert_kit", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copytree(ROOT / "jobs", folder / "jobs", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def run(*command: str, cwd: Path, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, *command], cwd=cwd, env={**os.environ, "PYTHONPATH": "", **environment}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout.strip()


def built(source: Path, out: Path, **environment: str) -> tuple[Path, list[str]]:
    """The wheel, and which compiled libraries are in it."""
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), ".", cwd=source, **environment)
    (wheel,) = out.iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"{KERNEL}/kernel.c", f"{KERNEL}/body.h", "colbert_kit/jobs/train.py"} <= set(names)
    return wheel, [name for name in names if name.endswith(".so")]


def library_name(source: Path) -> str:
    code = f"import sys; sys.path.insert(0, '{KERNEL}'); import compiling; print(compiling.library_name())"
    return run("-c", code, cwd=source)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_an_installed_wheel_searches_without_a_compiler_on_any_python(source: Path, tmp_path: Path):
    wheel, libraries = built(source, tmp_path / "wheel")
    assert libraries == [f"{KERNEL}/{library_name(source)}"]
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")

    site = tmp_path / "site"
    run("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(site), str(wheel), cwd=tmp_path)
    code = (
        "import colbert_kit\n"
        "from colbert_kit.scores.kernel import open_kernel\n"
        "from colbert_kit.scores.kernel.finding import find_or_compile\n"
        "print(colbert_kit.__file__, find_or_compile(), open_kernel('baseline').name, sep='\\n')"
    )
    cache = tmp_path / "cache"
    found = run("-W", "error::RuntimeWarning", "-c", code, cwd=tmp_path, PYTHONPATH=str(site), CC="/nonexistent",
                COLBERT_KIT_CACHE=str(cache)).splitlines()  # fmt: skip

    assert found == [str(site / "colbert_kit" / "__init__.py"), str(site / libraries[0]), "baseline"]
    assert not cache.exists()


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_wheel_built_after_a_change_has_the_new_library_alone(source: Path, tmp_path: Path):
    built(source, tmp_path / "before")
    before = library_name(source)
    with (source / KERNEL / "kernel.c").open("a") as file:
        file.write("\n")

    _, libraries = built(source, tmp_path / "after")

    assert libraries == [f"{KERNEL}/{library_name(source)}"]
    assert before != library_name(source)


@pytest.mark.parametrize("environment", [{"CC": "", "PATH": "/nonexistent"}, {"CC": "/nonexistent"}])
def test_without_a_compiler_that_works_the_wheel_is_built_with_the_sources_alone(
    source: Path, tmp_path: Path, environment: dict[str, str]
):
    wheel, libraries = built(source, tmp_path / "wheel", **environment)

    assert libraries == []
    assert environment["CC"] or wheel.name.endswith("-py3-none-any.whl")


def test_an_editable_install_leaves_no_library_in_the_source_tree(source: Path, tmp_path: Path):
    code = f"from setuptools.build_meta import build_editable; build_editable({str(tmp_path)!r})"

    run("-c", code, cwd=source)

    (wheel,) = tmp_path.glob("*.whl")
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]
    assert not list((source / "colbert_kit").rglob("*.so"))
