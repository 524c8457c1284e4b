"""Where the kernel's library comes from, with real processes, compilers and folders."""

from __future__ import annotations

import importlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from colbert_kit.errors import InvalidConfig
from colbert_kit.scores import open_kernel
from colbert_kit.scores.kernel import compiling, finding, twin
from tests.scores.light import LIGHT

NOBODY = 65534

OPEN = f"{LIGHT}from colbert_kit.scores.kernel import kernel; kernel(); print(kernel().name)"
IMPORT = f"{LIGHT}from colbert_kit.scores.kernel import finding"
FIND = f"{IMPORT}; print(finding.find_or_compile())"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no library in the package."""
    monkeypatch.setenv("COLBERT_KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLBERT_KIT_KERNEL", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that writes a line for each time it runs, and quickly makes a library of nothing."""
    calls = tmp_path / "calls"
    write_compiler(
        tmp_path, monkeypatch, f"echo run >> {calls}; echo 'int ck_widest(void) {{ return 0; }}' > {calls}.$$.c;"
        f' while [ "$1" != -o ]; do shift; done; gcc -shared -fPIC {calls}.$$.c -o "$2"'
    )  # fmt: skip
    return calls


def write_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    compiler = folder / "compiler"
    compiler.write_text(f"#!/bin/sh\n{script}\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))


def start(code: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "always", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out.strip(), err.strip()


def test_it_is_compiled_once_for_all_processes_into_a_folder_that_is_the_users_alone(cache: Path, counted: Path):
    found = [end(start(FIND))[0] for _ in range(2)]

    assert found == [str(cache / "kernel" / compiling.library_name())] * 2
    assert counted.read_text() == "run\n"
    assert stat.S_IMODE((cache / "kernel").stat().st_mode) == 0o700


def test_two_processes_that_start_at_once_on_an_empty_cache_both_work_and_one_compiles(cache: Path, counted: Path):
    both = [start(FIND) for _ in range(2)]

    assert len({end(process)[0] for process in both}) == 1
    assert counted.read_text() == "run\n"


@pytest.mark.slow
def test_two_processes_that_start_at_once_both_search_with_the_real_kernel(cache: Path):
    both = [start(OPEN) for _ in range(2)]

    assert {end(process) for process in both} <= {("baseline", ""), ("avx2", ""), ("avx512", "")}
    assert len(list((cache / "kernel").glob("*.so"))) == 1


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_is_not_used(cache: Path, counted: Path, mode: int):
    planted = cache / "kernel" / compiling.library_name()
    planted.parent.mkdir(parents=True)
    planted.write_bytes(b"not ours")
    planted.parent.chmod(mode)

    found = finding.find_or_compile()

    assert found.parent != planted.parent
    assert counted.read_text() == "run\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_of_another_user_is_not_used(cache: Path, counted: Path):
    planted = cache / "kernel" / compiling.library_name()
    planted.parent.mkdir(parents=True, mode=0o700)
    planted.write_bytes(b"not ours")
    os.chown(planted.parent, NOBODY, NOBODY)

    assert finding.find_or_compile().parent != planted.parent


def test_where_no_cache_can_be_it_is_compiled_for_the_process_and_removed_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: Path
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COLBERT_KIT_CACHE", str(tmp_path / "file" / "cache"))

    found, errors = end(start(f"{FIND}; print(finding.find_or_compile().is_file())"))

    path, is_there = found.splitlines()
    assert (is_there, errors) == ("True", "")
    assert not Path(path).parent.exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, as pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("is_filled", [True, False])
def test_a_cache_that_cannot_be_written_serves_what_it_has(
    open_folder: Path, counted: Path, monkeypatch: pytest.MonkeyPatch, is_filled: bool
):
    monkeypatch.setenv("COLBERT_KIT_CACHE", str(open_folder))
    kept = open_folder / "kernel" / compiling.library_name()
    kept.parent.mkdir()
    if is_filled:
        kept.write_bytes(b"any")
    owner = NOBODY if os.geteuid() == 0 else os.geteuid()
    os.chown(kept.parent, owner, -1)
    kept.parent.chmod(0o500)

    # Root may write everywhere, so the process becomes somebody else once it has imported what root alone can read.
    code = f"""if True:
        import os
        name = finding.library_name()
        finding.library_name = lambda: name
        finding.compile_into = lambda library: library
        os.setuid({owner})
        print(finding.find_or_compile())
    """
    found, _ = end(start(f"{IMPORT}\n{code}"))

    assert (found == str(kept)) == is_filled
    assert found.endswith(kept.name)
    assert [path.name for path in kept.parent.iterdir()] == ([kept.name] if is_filled else [])


def test_a_file_that_is_half_written_is_never_found(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    script = 'while [ "$1" != -o ]; do shift; done; echo half > "$2"; kill -9 $PPID'
    write_compiler(tmp_path, monkeypatch, script)

    killed = start(FIND)
    killed.communicate(timeout=600)

    assert killed.returncode == -9
    assert [path.suffix for path in (cache / "kernel").glob("*.part")] == [".part"]
    assert not list((cache / "kernel").glob("*.so"))
    monkeypatch.delenv("CC")
    monkeypatch.setattr(finding, "compile_into", lambda library: library)
    assert finding.find_or_compile() == cache / "kernel" / compiling.library_name()


def test_a_changed_source_or_flag_has_another_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    names = {compiling.library_name()}
    for number in range(2):
        sources = [Path(shutil.copy(source, tmp_path)) for source in compiling.SOURCES]
        sources[number].write_text(sources[number].read_text() + "\n")
        with monkeypatch.context() as patch:
            patch.setattr(compiling, "SOURCES", tuple(sources))
            names.add(compiling.library_name())
    monkeypatch.setattr(compiling, "FLAGS", (*compiling.FLAGS, "-g"))
    names.add(compiling.library_name())

    assert len(names) == 4


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"CC": "/nonexistent"}, "No such file or directory: '/nonexistent'"),
        ({"CC": "", "PATH": "/nonexistent"}, r"there is no C compiler \(cc, gcc or clang\)"),
        ({"CC": "false"}, "false failed: exit code 1"),
        ({"CC": "{folder}/compiler"}, "compiler failed: the last line"),
    ],
)
def test_without_a_compiler_that_works_numpy_searches_and_one_line_says_why(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], reason: str
):
    write_compiler(tmp_path, monkeypatch, "echo the first line >&2; echo the last line >&2; exit 1")
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(folder=tmp_path))

    with pytest.warns(RuntimeWarning, match=f"^Search runs in NumPy, tens of times slower: .*{reason}.*$") as caught:
        kernel = open_kernel()

    assert isinstance(kernel, twin.NumpyKernel)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    assert {path.suffix for path in (cache / "kernel").iterdir()} <= {".lock"}


def test_the_warning_comes_once_a_process(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", "/nonexistent")

    name, errors = end(start(OPEN))

    assert name == "numpy"
    assert errors.count("RuntimeWarning") == errors.count("Search runs in NumPy") == 1


def test_a_library_that_cannot_be_loaded_leaves_numpy(cache: Path, monkeypatch: pytest.MonkeyPatch):
    broken = cache / "kernel" / compiling.library_name()
    broken.parent.mkdir(parents=True, mode=0o700)
    broken.write_bytes(b"not a library")

    with pytest.warns(RuntimeWarning, match="Search runs in NumPy"):
        assert open_kernel().name == "numpy"


@pytest.mark.parametrize("name", ["numpy", "baseline"])
def test_the_environment_forces_a_kernel(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv("COLBERT_KIT_KERNEL", name)

    assert end(start(OPEN)) == (name, "")


def test_a_name_that_is_no_kernel_is_refused(monkeypatch: pytest.MonkeyPatch):
    room = importlib.import_module("colbert_kit.scores.kernel")
    monkeypatch.setenv("COLBERT_KIT_KERNEL", "sse9")

    with pytest.raises(InvalidConfig, match="must be one of numpy, baseline, avx2, avx512, got 'sse9'"):
        room.kernel.__wrapped__()


def test_a_kernel_that_is_named_but_cannot_be_had_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", "/nonexistent")

    with pytest.raises(InvalidConfig, match=r"COLBERT_KIT_KERNEL=baseline cannot be had here: .*No such file"):
        open_kernel("baseline")
