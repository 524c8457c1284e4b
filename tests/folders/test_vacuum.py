"""Vacuum removes what no generation needs any more, and nothing else."""

import json
import os
import time

import numpy as np
import pytest

from colbert_kit.errors import FolderBusy, InvalidFolder
from colbert_kit.folders import Commit, Snapshot, vacuum

FIRST = ["segments/0001/codes.npy", "tombstones/0001.npy"]


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def folder(tmp_path):
    """Two generations, of which the second needs nothing of the first."""
    folder = tmp_path / "folder"
    with Commit(folder) as commit:
        for name in FIRST:
            commit.write_array(name, np.arange(9))
    with Commit(folder) as commit:
        commit.write_array("segments/0002/codes.npy", np.arange(3))
        for name in FIRST:
            commit.drop(name)
    return folder


NEEDED = [".lock", "manifest.json", "segments/0002/codes.npy"]


def test_what_was_dropped_is_freed_and_counted(folder):
    size = sum((folder / name).stat().st_size for name in FIRST)

    assert vacuum(folder, grace_seconds=0) == size

    assert names(folder) == NEEDED
    assert not (folder / "segments/0001").exists()
    assert Snapshot.open(folder, verify=True).generation == 2
    assert vacuum(folder, grace_seconds=0) == 0


def test_what_was_current_less_than_the_grace_ago_stays(folder):
    assert vacuum(folder) == 0
    assert vacuum(folder, grace_seconds=60) == 0
    assert set(FIRST) < set(names(folder))


def test_grace_begins_when_a_file_is_dropped_and_not_when_it_was_written(folder):
    old = time.time() - 10_000
    for name in FIRST:
        os.utime(folder / name, (old, old))

    assert vacuum(folder, grace_seconds=600) == 0


def test_dropped_long_ago_is_freed_though_others_were_dropped_just_now(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["retired"][FIRST[0]] -= 1000
    (folder / "manifest.json").write_text(json.dumps(manifest))

    assert vacuum(folder, grace_seconds=600) > 0

    assert names(folder) == sorted([*NEEDED, FIRST[1]])


FOREIGN = [
    "README.md",
    ".gitattributes",
    "data.npy",
    "0001.npy",
    "photos/0001.json",
    "photos/2024/list.json",
    "segments/notes.json",
    "segments/0007/README.md",
    "documents/readme.parquet",
    "segments/0007/deep/er.npy",
    "segments/1/a.npy",
]


def test_files_that_no_commit_of_ours_has_written_stay(folder):
    for name in FOREIGN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")

    vacuum(folder, grace_seconds=0)

    assert names(folder) == sorted([*NEEDED, *FOREIGN])


def test_leftovers_of_killed_commits_are_cleaned_up_after_the_grace(folder):
    left = ["segments/0003/codes.npy", "codec/0001.safetensors", "documents/0001.parquet", "manifest.json.new"]
    for name in left:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"half")
    vacuum(folder)
    assert set(left[:-1]) < set(names(folder))

    vacuum(folder, grace_seconds=0)

    assert names(folder) == NEEDED


@pytest.mark.parametrize("link", ["segments", "segments/0009", "segments/0002/more.npy"])
def test_nothing_outside_is_removed_through_a_link(folder, tmp_path, link):
    outside = tmp_path / "outside"
    (outside / "0005").mkdir(parents=True)
    kept = [outside / "a.npy", outside / "0005/b.npy", outside / "0006.npy"]
    for path in kept:
        path.write_bytes(b"precious")
    if link == "segments":
        (folder / "segments").rename(folder / "elsewhere")
    (folder / link).symlink_to(kept[0] if link.endswith(".npy") else outside)

    vacuum(folder, grace_seconds=0)

    assert all(path.exists() for path in kept)


def test_folder_without_a_manifest_is_refused_and_loses_nothing(tmp_path):
    (tmp_path / "segments/0001").mkdir(parents=True)
    (tmp_path / "segments/0001/codes.npy").write_bytes(b"x")

    with pytest.raises(InvalidFolder, match="is not an index folder"):
        vacuum(tmp_path, grace_seconds=0)

    assert names(tmp_path) == ["segments/0001/codes.npy"]


def test_vacuum_waits_for_no_writer(folder):
    with Commit(folder), pytest.raises(FolderBusy, match="is being written to"):
        vacuum(folder, grace_seconds=0)


def test_arrays_of_a_reader_outlive_their_files(folder):
    snapshot = Snapshot.open(folder)
    array = snapshot.array("segments/0002/codes.npy")
    with Commit(folder) as commit:
        commit.drop("segments/0002/codes.npy")

    vacuum(folder, grace_seconds=0)

    assert array.tolist() == [0, 1, 2]
    assert not snapshot.is_whole()
