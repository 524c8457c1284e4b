import hashlib
import json
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colbert_kit.errors import InvalidFolder
from colbert_kit.folders import Commit, Snapshot, open_newest, vacuum
from colbert_kit.folders.manifest import FileEntry, Manifest

NUMBERS = np.arange(6, dtype=np.float16).reshape(2, 3)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    with Commit(folder) as commit:
        commit.write_array("a/numbers.npy", NUMBERS)
        commit.sections["index"] = {"dim": 3}
    return folder


def replace_bytes(folder, raw, **described):
    """Put other bytes in place of the array, and let the manifest call them right where it can."""
    (folder / "a/numbers.npy").write_bytes(raw)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["a/numbers.npy"] |= {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()} | described
    (folder / "manifest.json").write_text(json.dumps(manifest))


def npy(array, **options):
    from io import BytesIO

    file = BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def test_array_and_section_come_back(folder):
    snapshot = Snapshot.open(folder, verify=True)

    np.testing.assert_array_equal(snapshot.array("a/numbers.npy", dtype="float16", ndim=2), NUMBERS)
    assert (snapshot.section("index"), snapshot.generation) == ({"dim": 3}, 1)


def test_writing_into_an_array_never_reaches_the_file(folder):
    Snapshot.open(folder).array("a/numbers.npy")[:] = 7

    np.testing.assert_array_equal(Snapshot.open(folder, verify=True).array("a/numbers.npy"), NUMBERS)


@pytest.mark.parametrize("wanted", [{"dtype": "float32"}, {"ndim": 1}])
def test_array_of_another_kind_than_the_caller_reads_is_refused(folder, wanted):
    with pytest.raises(InvalidFolder, match=r"got float16 of shape \(2, 3\)"):
        Snapshot.open(folder).array("a/numbers.npy", **wanted)


def test_what_the_manifest_does_not_name_is_not_opened(folder):
    (folder / "extra.npy").write_bytes(b"not an array at all")
    (folder / "evil.pkl").write_bytes(b"cos\nsystem\n")
    (folder / ".gitattributes").write_text("*.npy filter=lfs")

    snapshot = Snapshot.open(folder, verify=True)

    with pytest.raises(InvalidFolder, match=r"does not name 'extra\.npy'"):
        snapshot.file("extra.npy")


def test_section_that_is_missing_is_named(folder):
    with pytest.raises(InvalidFolder, match="has no section 'documents'"):
        Snapshot.open(folder).section("documents")


def test_missing_file_is_named(folder):
    (folder / "a/numbers.npy").unlink()

    with pytest.raises(InvalidFolder, match=r"numbers\.npy is missing\. Build or download"):
        Snapshot.open(folder)


def test_file_of_another_size_is_refused(folder):
    with (folder / "a/numbers.npy").open("ab") as file:
        file.write(b"\0")

    with pytest.raises(InvalidFolder, match="must have 140 bytes, got 141"):
        Snapshot.open(folder)


@pytest.mark.parametrize(
    "array", [NUMBERS.astype(np.int16), NUMBERS.reshape(3, 2), NUMBERS.astype(">f2"), np.asfortranarray(NUMBERS)]
)
def test_array_of_another_dtype_shape_or_order_is_refused(folder, array):
    replace_bytes(folder, npy(array))

    with pytest.raises(InvalidFolder, match=r"must be float16 of shape|is not a plain array file"):
        Snapshot.open(folder)


@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.parametrize("position", [-1, -6])
def test_flipped_bit_is_caught_by_verify(folder, position, bit):
    raw = bytearray((folder / "a/numbers.npy").read_bytes())
    raw[position] ^= 1 << bit
    (folder / "a/numbers.npy").write_bytes(raw)

    Snapshot.open(folder)
    with pytest.raises(InvalidFolder, match=r"numbers\.npy does not match its sha256"):
        Snapshot.open(folder, verify=True)


def test_array_of_python_objects_is_refused_and_never_unpickled(folder):
    replace_bytes(folder, npy(np.array([{"a": 1}], dtype=object), allow_pickle=True), dtype="object", shape=[1])

    with pytest.raises(InvalidFolder, match="is not a plain array file"):
        Snapshot.open(folder)


@pytest.mark.parametrize("header", [b"(" * 100, b"-" * 9000 + b"1", b"[" * 9000, b"{}", b"", b"\xff\xff"])
def test_header_made_to_break_the_parser_is_refused(folder, header):
    replace_bytes(folder, b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)

    with pytest.raises(InvalidFolder, match="is not an array file"):
        Snapshot.open(folder)


@settings(max_examples=60)
@given(position=st.integers(0, 139), value=st.integers(0, 255))
def test_any_changed_byte_is_read_or_refused_and_nothing_else(folder, position, value):
    raw = bytearray(npy(NUMBERS))
    raw[position] = value
    (folder / "a/numbers.npy").write_bytes(raw)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            array = Snapshot.open(folder).array("a/numbers.npy")
    except InvalidFolder:
        return
    assert (array.shape, array.dtype) == ((2, 3), np.float16)


def test_name_too_long_for_the_file_system_is_refused(tmp_path):
    files = {"a" * 300 + ".npy": FileEntry(1, "", "int8", (1,))}
    (tmp_path / "manifest.json").write_text(Manifest(1, files).to_json())

    with pytest.raises(InvalidFolder, match="cannot be looked at"):
        Snapshot.open(tmp_path)


@pytest.mark.parametrize("link_the_folder", [False, True])
def test_link_to_outside_is_refused_unless_it_ends_where_links_may(folder, tmp_path, link_the_folder):
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    if link_the_folder:
        (folder / "a").rename(blobs / "a")
        (folder / "a").symlink_to(blobs / "a")
    else:
        (folder / "a/numbers.npy").rename(blobs / "0a1b")
        (folder / "a/numbers.npy").symlink_to(blobs / "0a1b")

    with pytest.raises(InvalidFolder, match="is a link to outside the folder"):
        Snapshot.open(folder)
    with pytest.raises(InvalidFolder, match="is a link to outside the folder"):
        Snapshot.open(folder, links_into=tmp_path / "blobs2")
    np.testing.assert_array_equal(Snapshot.open(folder, links_into=blobs).array("a/numbers.npy"), NUMBERS)


def test_folder_may_itself_be_reached_by_a_link(folder, tmp_path):
    (tmp_path / "alias").symlink_to(folder)

    assert Snapshot.open(tmp_path / "alias").generation == 1


def test_empty_arrays_are_read(folder):
    with Commit(folder) as commit:
        commit.write_array("empty.npy", np.zeros((0, 4), dtype=np.float16))

    assert Snapshot.open(folder).array("empty.npy").shape == (0, 4)


def test_reader_keeps_its_generation_while_a_writer_commits(folder):
    reader = Snapshot.open(folder)
    with Commit(folder, replace=True) as commit:
        commit.write_array("b.npy", np.zeros(1))

    assert (reader.generation, Snapshot.open(folder).generation) == (1, 2)
    np.testing.assert_array_equal(reader.array("a/numbers.npy"), NUMBERS)
    assert "a/numbers.npy" not in Snapshot.open(folder).manifest.files


def test_readers_always_see_one_whole_generation(folder):
    stop, failures = threading.Event(), []

    def read():
        while not stop.is_set():
            snapshot = Snapshot.open(folder, verify=True)
            arrays = [name for name in snapshot.manifest.files if name.startswith("n/")]
            if len(arrays) != snapshot.section("index").get("count", 0):
                failures.append(snapshot.manifest)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for count in range(1, 16):
        with Commit(folder) as commit:
            commit.write_array(f"n/{count}.npy", np.arange(count))
            commit.sections["index"] = {"count": count}
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []


def test_reader_that_a_vacuum_overtakes_begins_again(tmp_path):
    def commit(number):
        with Commit(tmp_path, replace=True) as commit:
            commit.write_array(f"segments/{number:04d}/a.npy", np.full(3, number))
            commit.sections["index"] = {"number": number}

    def read(snapshot):
        number = snapshot.section("index")["number"]
        if number < 3:
            commit(number + 1)
            vacuum(tmp_path, grace_seconds=0)
        return number, snapshot.array(f"segments/{number:04d}/a.npy").tolist()

    commit(1)

    assert open_newest(tmp_path, read) == (3, [3, 3, 3])


def test_file_that_has_got_the_name_of_one_that_is_gone_is_not_mixed_in(tmp_path):
    def commit(*names):
        with Commit(tmp_path, replace=True) as commit:
            for name in names:
                commit.write_array(f"segments/{name}.npy", np.full(2, generation[0]))
            commit.sections["index"] = {"names": names}
        vacuum(tmp_path, grace_seconds=0)
        generation[0] += 1

    def read(snapshot):
        arrays = []
        for name in snapshot.section("index")["names"]:
            arrays.append(snapshot.array(f"segments/{name}.npy").tolist())
            if generation[0] == 2:
                # Between two files of the first generation.
                commit("0003")
                commit("0004", "0002")
        return arrays

    generation = [1]
    commit("0001", "0002")

    assert open_newest(tmp_path, read) == [[3, 3], [3, 3]]


def test_damage_is_not_read_again_and_again(folder):
    calls = []

    def read(snapshot):
        calls.append(snapshot)
        raise InvalidFolder("damaged")

    with pytest.raises(InvalidFolder, match="damaged"):
        open_newest(folder, read)
    assert len(calls) == 1


@pytest.mark.parametrize("change", [{"generation": 7}, {"index": {"dim": 4}}, {"more": 1}, {"sha256": None}, {}])
def test_manifest_that_was_changed_is_caught_by_verify(folder, change):
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | change, sort_keys=True))

    Snapshot.open(folder)
    if not change:
        assert Snapshot.open(folder, verify=True).generation == 1
    else:
        with pytest.raises(InvalidFolder, match="does not match its own sha256"):
            Snapshot.open(folder, verify=True)


def test_files_that_lie_elsewhere_need_not_be_here_and_all_others_must(folder):
    (folder / "a/numbers.npy").unlink()

    snapshot = Snapshot(folder, verify=True, elsewhere=["a/numbers.npy"])

    assert snapshot.is_whole()
    assert snapshot.manifest.files["a/numbers.npy"].shape == (2, 3)
    with pytest.raises(InvalidFolder, match=r"numbers\.npy is missing"):
        Snapshot(folder, elsewhere=["b/numbers.npy"])
