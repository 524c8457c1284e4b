import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbert_kit.errors import InvalidFolder
from colbert_kit.folders import FORMAT_VERSION, FileEntry, Manifest
from colbert_kit.folders.manifest import check_name

ENTRY = {"size": 3, "sha256": "00"}
ARRAY = ENTRY | {"dtype": "float16", "shape": [1]}


def content(**changes):
    return {"format_version": 1, "generation": 1, "files": {}} | changes


def test_manifest_comes_back_as_it_was_written(tmp_path):
    files = {"a/b.npy": FileEntry(9, "ab", "float16", (2, 3)), "ä.parquet": FileEntry(1, "cd")}
    manifest = Manifest(4, files, {"index": {"dim": 2}})
    (tmp_path / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")

    assert Manifest.read(tmp_path) == manifest


@pytest.mark.parametrize(
    "name",
    ["/etc/pwd.json", "../a.npy", "a/../../b.npy", "a/../b.npy", "./a.npy", "a//b.npy", "a\\b.npy", "\\\\host\\a.npy",
     "a.npy\0.npy", "", ".", "a", "model.pkl", "model.bin", "model.pt", "arrays.npz", "a.npy.pkl", "a.NPY", "run.py",
     "README.md", ".gitattributes", "manifest.json"],
)  # fmt: skip
def test_names_that_could_leave_the_folder_or_carry_code_are_refused(name, tmp_path):
    with pytest.raises(InvalidFolder, match="Do not use this folder"):
        Manifest.from_json(content(files={name: ARRAY}), tmp_path)


@pytest.mark.parametrize("name", ["a.npy", "segments/0001/ids.npy", "codec/1.safetensors", "d/1.parquet", "x.json"])
def test_plain_names_of_harmless_kinds_are_allowed(name, tmp_path):
    assert check_name(name, tmp_path) == name


def test_newer_format_is_refused_with_the_way_to_update(tmp_path):
    with pytest.raises(InvalidFolder, match=f"format version 2, .* up to {FORMAT_VERSION}.* pip install -U"):
        Manifest.from_json(content(format_version=2), tmp_path)


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.0, True, [], 2**64])
def test_format_versions_that_are_no_count_are_refused(version, tmp_path):
    with pytest.raises(InvalidFolder, match="no valid format_version: expected 1 or more"):
        Manifest.from_json(content(format_version=version), tmp_path)


@pytest.mark.parametrize("change", [{"generation": 0}, {"generation": None}, {"files": []}, {"files": None}])
def test_generation_and_files_must_be_there(change, tmp_path):
    with pytest.raises(InvalidFolder, match="no valid generation or files"):
        Manifest.from_json(content(**change), tmp_path)


@pytest.mark.parametrize(
    "entry",
    [None, [], {}, {"size": 3}, ARRAY | {"size": -1}, ARRAY | {"size": True}, ARRAY | {"size": 1.5}, ENTRY,
     ARRAY | {"sha256": 5}, ARRAY | {"shape": [-1]}, ARRAY | {"shape": [True]}, ARRAY | {"shape": "1"},
     ARRAY | {"shape": [2**63]}, ARRAY | {"dtype": 5}],
)  # fmt: skip
def test_damaged_entries_are_refused_by_name(entry, tmp_path):
    with pytest.raises(InvalidFolder, match=r"damaged at the entry of 'a\.npy'"):
        Manifest.from_json(content(files={"a.npy": entry}), tmp_path)


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a": 1', b"\xff\xfe", b"[" * 100_000, b"\0"])
def test_corrupt_json_is_refused(raw, tmp_path):
    (tmp_path / "manifest.json").write_bytes(raw)

    with pytest.raises(
        InvalidFolder, match=r"manifest\.json cannot be read as JSON: .* delete the folder and build it again\."
    ):
        Manifest.read(tmp_path)


def test_json_that_is_no_object_is_refused(tmp_path):
    with pytest.raises(InvalidFolder, match="must hold a JSON object, got list"):
        Manifest.from_json([], tmp_path)


def test_a_folder_without_manifest_says_how_to_make_one(tmp_path):
    with pytest.raises(InvalidFolder, match=r"is not an index folder: it has no manifest\.json\. Build one"):
        Manifest.read(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["a.npy", "b.parquet", "../c.npy"]) | st.text()
keys = st.sampled_from(["format_version", "generation", "files", "index"])


@given(st.dictionaries(keys, json_values | st.just(1) | st.dictionaries(names, json_values | st.just(ARRAY))))
def test_any_json_is_read_or_refused_and_nothing_else(values):
    try:
        manifest = Manifest.from_json(json.loads(json.dumps(values)), "manifest.json")
    except InvalidFolder:
        return
    assert manifest.generation >= 1
