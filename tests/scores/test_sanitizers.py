"""The kernel's tests once more, compiled so that a read outside of an array or undefined behaviour ends the process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from colbert_kit.scores.kernel.compiling import COMPILER_SECONDS, FLAGS, SOURCES
from tests.scores.conftest import LIBRARY_UNDER_TEST

pytestmark = pytest.mark.long

SANITIZERS = ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HERE = Path(__file__).parent
FILES = ("test_kernel.py", "test_kernel_residuals.py", "test_kernel_damage.py", "test_assign.py")


@pytest.fixture(scope="module")
def preloaded() -> str:
    """What must be in the process before Python: the sanitizer, and the C++ library whose exceptions it watches."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    libraries = []
    for name in ("libasan.so", "libstdc++.so.6"):
        run = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        if not Path(run.stdout.strip()).is_file():
            pytest.skip(f"needs gcc's {name}")
        libraries.append(str(Path(run.stdout.strip()).resolve()))
    return ":".join(libraries)


def compiled(folder: Path, **changes: tuple[str, str]) -> Path:
    """The sources with some text replaced, under the sanitizers."""
    folder.mkdir(exist_ok=True)
    for source in SOURCES:
        text = source.read_text()
        for old, new in changes.values():
            text = text.replace(old, new)
        (folder / source.name).write_text(text)
    library = folder / "kernel.so"
    command = ["gcc", *FLAGS, *SANITIZERS, "-shared", str(folder / SOURCES[0].name), "-o", str(library), "-lm"]
    subprocess.run(command, check=True, timeout=COMPILER_SECONDS)
    return library


def run_tests(library: Path, preloaded: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        LIBRARY_UNDER_TEST: str(library),
        "LD_PRELOAD": preloaded,
        # Leaks and mismatches are those of Python and its libraries.
        "ASAN_OPTIONS": "detect_leaks=0:alloc_dealloc_mismatch=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=HERE.parent.parent, env=environment, capture_output=True, text=True, check=False, timeout=900
    )


def test_no_function_reads_outside_of_an_array_or_does_what_c_leaves_undefined(tmp_path: Path, preloaded: str):
    run = run_tests(compiled(tmp_path / "whole"), preloaded, *(str(HERE / name) for name in FILES))

    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    assert " passed" in run.stdout


def test_what_is_written_for_sixteen_lanes_is_right_and_safe_on_processors_with_eight(tmp_path: Path, preloaded: str):
    library = compiled(
        tmp_path / "sixteen",
        target=('target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,bmi2")', "unused"),
        # No register holds sixteen lanes here, so none can be asked for.
        register=('#define KEEP(x) __asm__("" : "+v"(x))', "#define KEEP(x)"),
        widest=("int ck_widest(void) {", "int ck_widest(void) { return 2;"),
    )

    run = run_tests(library, preloaded, *(str(HERE / name) for name in FILES), "-k", "avx512")

    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    assert " passed" in run.stdout
    assert "skipped" not in run.stdout


def test_a_kernel_that_does_not_check_what_it_reads_is_found_out(tmp_path: Path, preloaded: str):
    library = compiled(tmp_path / "unchecked", rows=("if (rows[n] >= s->num_rows) return DAMAGED;", ""))

    run = run_tests(library, preloaded, str(HERE / "test_kernel_damage.py"), "-k", "baseline and beyond_the_segment")

    assert run.returncode != 0
    assert "AddressSanitizer" in run.stderr
