import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from colbert_kit.errors import FolderBusy, InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, Snapshot, exists


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "deep" / "folder"
    with Commit(folder) as commit:
        commit.write_array("a.npy", np.arange(3))
        commit.sections["index"] = {"dim": 3}
    return folder


def test_second_commit_adds_to_the_first(folder):
    with Commit(folder) as commit:
        assert commit.sections == {"index": {"dim": 3}}
        commit.write_array("b.npy", np.arange(2))

    snapshot = Snapshot.open(folder, verify=True)
    assert sorted(snapshot.manifest.files) == ["a.npy", "b.npy"]
    assert (snapshot.generation, snapshot.section("index")) == (2, {"dim": 3})


def test_dropped_file_leaves_the_generation_but_not_the_disk(folder):
    with Commit(folder) as commit:
        commit.drop("a.npy")

    assert not Snapshot.open(folder).manifest.files
    assert (folder / "a.npy").is_file()


def test_replacing_commit_begins_with_nothing(folder):
    with Commit(folder, replace=True) as commit:
        assert commit.sections == {}
        commit.write_array("b.npy", np.arange(2))

    assert list(Snapshot.open(folder).manifest.files) == ["b.npy"]
    assert Snapshot.open(folder).generation == 2


def interrupt(folder):
    with Commit(folder) as commit:
        commit.write_array("segments/0001/b.npy", np.arange(2))
        for name in list(commit.base.files if commit.base else ()):
            commit.drop(name)
        with commit.writing("c.json") as file:
            file.write(b"half")
            raise KeyboardInterrupt("now")


def write_b(folder, monkeypatch=None, call=None, fake=None):
    with Commit(folder) as commit:
        commit.write_array("b.npy", np.arange(2))
        if call is not None:
            monkeypatch.setattr(os, call, fake)


def test_exception_leaves_the_folder_byte_for_byte_as_it_was(folder):
    before = contents(folder)

    with pytest.raises(KeyboardInterrupt, match="now"):
        interrupt(folder)

    assert contents(folder) == before


def test_exception_in_the_first_commit_leaves_no_generation(tmp_path):
    with pytest.raises(KeyboardInterrupt, match="now"):
        interrupt(tmp_path / "new")

    assert not exists(tmp_path / "new")
    write_b(tmp_path / "new")
    assert list(Snapshot.open(tmp_path / "new").manifest.files) == ["b.npy"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_full_disk_while_publishing_leaves_the_folder_as_it_was(folder, monkeypatch, call):
    before = contents(folder)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_b(folder, monkeypatch, call, full)

    monkeypatch.undo()
    assert contents(folder) == before


def test_interrupt_just_after_the_rename_loses_no_file(folder, monkeypatch):
    replace = os.replace

    def interrupted(source, target):
        replace(source, target)
        raise KeyboardInterrupt("just after")

    with pytest.raises(KeyboardInterrupt, match="just after"):
        write_b(folder, monkeypatch, "replace", interrupted)

    assert sorted(Snapshot.open(folder, verify=True).manifest.files) == ["a.npy", "b.npy"]


def test_files_are_immutable(folder):
    with (
        pytest.raises(InvalidInput, match=r"a\.npy exists already, and .* immutable"),
        Commit(folder) as commit,
    ):
        commit.write_array("a.npy", np.arange(9))

    np.testing.assert_array_equal(Snapshot.open(folder, verify=True).array("a.npy"), np.arange(3))


@pytest.mark.parametrize("name", ["../a.npy", "a.pkl", "/tmp/a.npy", "manifest.json"])
def test_names_that_no_reader_would_open_are_not_written(folder, name):
    with pytest.raises(InvalidFolder, match="allowed are relative names inside the folder"), Commit(folder) as commit:
        commit.write_array(name, np.arange(1))


def test_object_arrays_are_not_written(folder):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"), Commit(folder) as commit:
        commit.write_array("o.npy", np.array([{}], dtype=object))


@pytest.mark.parametrize("row_shape", [(), (3,), (2, 2)])
@pytest.mark.parametrize("blocks", [[], [0], [2, 0, 5]])
def test_rows_written_in_blocks_are_one_array(folder, row_shape, blocks):
    arrays = [np.random.default_rng(rows).random((rows, *row_shape)) for rows in blocks]

    with Commit(folder) as commit, commit.writing_rows("rows.npy", np.dtype(np.float16), row_shape) as writer:
        for array in arrays:
            writer.append(array)

    expected = np.concatenate([np.zeros((0, *row_shape)), *arrays]).astype(np.float16)
    np.testing.assert_array_equal(Snapshot.open(folder, verify=True).array("rows.npy"), expected)
    np.testing.assert_array_equal(np.load(folder / "rows.npy"), expected)


def test_numbers_step_over_what_a_killed_process_left(folder):
    (folder / "segments" / "0007").mkdir(parents=True)
    (folder / "segments" / "notes").mkdir()

    with Commit(folder) as commit:
        assert (commit.new_number("segments"), commit.new_number("tombstones")) == (8, 1)


def test_second_commit_in_this_process_is_refused(folder):
    with Commit(folder), pytest.raises(FolderBusy, match="is being written to by another process"), Commit(folder):
        pass


def test_second_writer_in_another_process_is_refused_and_free_after(folder):
    code = (
        "import sys\n"
        "from colbert_kit.folders import Commit\n"
        "with Commit(sys.argv[1]) as commit:\n"
        "    print('inside', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    commit.sections['theirs'] = {}\n"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as other:
        assert other.stdout.readline() == "inside\n"
        with pytest.raises(FolderBusy, match="Wait until it has finished"), Commit(folder):
            pass
        assert Snapshot.open(folder).generation == 1
        other.communicate("go\n")
    with Commit(folder) as commit:
        assert "theirs" in commit.sections
        commit.write_array("ours.npy", np.arange(1))


def test_killed_writer_leaves_no_lock(folder):
    code = (
        "import os, signal, sys\n"
        "from colbert_kit.folders import Commit\n"
        "with Commit(sys.argv[1]):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code, str(folder)], cwd=root, check=False).returncode == -9

    with Commit(folder) as commit:
        commit.write_array("b.npy", np.arange(1))


def test_adding_to_a_damaged_folder_is_refused_but_replacing_it_works(folder):
    (folder / "a.npy").write_bytes(b"cut")

    with pytest.raises(InvalidFolder, match="must have"), Commit(folder):
        pass
    with Commit(folder, replace=True) as commit:
        commit.write_array("b.npy", np.arange(1))
    assert Snapshot.open(folder, verify=True).generation == 2


def test_folder_whose_manifest_is_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "a web app", "icons": []}')

    with pytest.raises(InvalidFolder, match="no valid format_version"), Commit(tmp_path, replace=True):
        pass
    assert "web app" in (tmp_path / "manifest.json").read_text()


def test_copy_takes_over_files_and_sections_and_what_a_killed_copy_left_is_no_hindrance(folder, tmp_path):
    source = Snapshot.open(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.npy").write_bytes(b"half")

    with Commit(tmp_path / "mine") as commit:
        commit.copy(source)

    mine = Snapshot.open(tmp_path / "mine", verify=True)
    assert (mine.manifest.files, mine.manifest.sections) == (source.manifest.files, source.manifest.sections)
    assert not (tmp_path / "mine" / "a.npy").samefile(folder / "a.npy")


def test_copy_of_a_damaged_file_is_refused_and_leaves_nothing(folder, tmp_path):
    source = Snapshot.open(folder)
    content = bytearray((folder / "a.npy").read_bytes())
    content[-1] ^= 1
    (folder / "a.npy").write_bytes(bytes(content))

    with pytest.raises(InvalidFolder, match=r"a\.npy does not match its sha256"), Commit(tmp_path / "mine") as commit:
        commit.copy(source)

    assert not exists(tmp_path / "mine")
    assert not (tmp_path / "mine" / "a.npy").exists()


def test_number_is_new_in_all_folders_that_share_it(tmp_path):
    for name in ("documents/0002.parquet", "metadata/0005.parquet", "blocks/0001.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    with Commit(tmp_path) as commit:
        assert commit.new_number("documents") == 3
        assert commit.new_number("documents", "metadata", "blocks") == 6
