"""Texts that stayed elsewhere: which bytes are asked for, and that only the right ones are taken."""

import functools
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from colbert_kit.documents import Documents, stage_documents, stage_documents_compaction, stage_documents_merge
from colbert_kit.documents.blocks import BLOCK_BYTES, read_blocks
from colbert_kit.documents.texts import REQUEST_BYTES, local_texts
from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, Snapshot

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "


@functools.cache
def text(number, length=1500):
    """Hardly compressible."""
    return "".join(random.Random(number).choices(LETTERS, k=length))


def document(number, **metadata):
    return {"id": f"d{number}", "text": text(number), "year": 2000 + number % 7, **metadata}


class Elsewhere:
    """Reads parts of a folder's files, and remembers which."""

    def __init__(self, folder):
        self.folder = folder
        self.asked = []
        self.lock = threading.Lock()

    def __call__(self, wanted):
        with self.lock:
            self.asked += wanted
        return [(self.folder / name).read_bytes()[start:stop] for name, start, stop in wanted]


@pytest.fixture
def given():
    return [document(number) for number in range(400)]


@pytest.fixture
def folder(tmp_path, given):
    for part in (given[:300], given[300:]):
        with Commit(tmp_path) as commit:
            stage_documents(commit, part)
    return tmp_path


@pytest.fixture
def elsewhere(folder):
    return Elsewhere(folder)


@pytest.fixture
def documents(folder, elsewhere):
    names = ["documents/0001.parquet", "documents/0002.parquet"]
    return Documents(Snapshot(folder, elsewhere=names), elsewhere)


def test_documents_are_the_same_from_elsewhere(folder, documents, given):
    here = Documents(Snapshot(folder))

    assert here.get_many(range(400)) == documents.get_many(range(400)) == given
    assert documents.ids.equals(here.ids)
    assert documents.matching([("year", "=", 2003)]).tolist() == here.matching([("year", "=", 2003)]).tolist()
    assert (here.are_here, documents.are_here) == (True, False)


def test_opening_and_filtering_fetches_nothing(documents, elsewhere):
    documents.matching([("year", ">", 2003)])
    assert documents.metadata(7) == {"id": "d7", "year": 2000}
    assert elsewhere.asked == []


def test_ten_texts_cost_ten_requests_at_most_of_128_kb_at_most(documents, elsewhere):
    rows = random.Random(1).sample(range(400), 10)
    documents.get_many(rows)

    assert 1 < len(elsewhere.asked) <= 10
    assert all(0 < stop - start <= REQUEST_BYTES for _, start, stop in elsewhere.asked)


def test_neighbours_share_a_request(documents, elsewhere):
    documents.get_many([0, 43, 44])
    assert len(elsewhere.asked) == 1


def test_files_are_asked_for_together(documents, elsewhere):
    documents.get_many([0, 350])
    assert {name for name, _, _ in elsewhere.asked} == {"documents/0001.parquet", "documents/0002.parquet"}


def test_what_was_fetched_is_kept(documents, elsewhere, given):
    documents.get_many([5, 6])
    asked = list(elsewhere.asked)
    assert documents.get(5) == given[5]
    assert elsewhere.asked == asked


def test_many_threads_get_their_own_documents(documents, given):
    def read(seed):
        rows = random.Random(seed).sample(range(400), 5)
        return documents.get_many(rows) == [given[row] for row in rows]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(40)))


def test_blocks_hold_64_kb_of_text_at_most_and_a_longer_text_alone(tmp_path):
    with Commit(tmp_path) as commit:
        stage_documents(commit, [document(1), document(2) | {"text": text(2, 200_000)}, *map(document, range(3, 60))])
    footer = pq.read_metadata(tmp_path / "documents/0001.parquet")
    assert [footer.row_group(number).num_rows for number in range(footer.num_row_groups)] == [1, 1, 43, 14]
    assert 43 * 1500 <= BLOCK_BYTES < 44 * 1500

    elsewhere = Elsewhere(tmp_path)
    documents = Documents(Snapshot(tmp_path, elsewhere=["documents/0001.parquet"]), elsewhere)
    assert documents.get(1)["text"] == text(2, 200_000)


def test_what_tells_the_blocks_and_the_metadata_is_small_beside_the_texts(folder):
    def size(pattern):
        return sum(path.stat().st_size for path in folder.glob(pattern))

    assert size("metadata/*") + size("blocks/*") < 0.03 * size("documents/*")


@pytest.mark.parametrize("where", [0, -1, 700])
def test_block_with_one_flipped_byte_is_refused(documents, elsewhere, folder, given, where):
    blocks = read_blocks(folder / "blocks/0001.safetensors", (folder / "documents/0001.parquet").stat().st_size)
    start, stop = blocks.span(1)
    path = folder / "documents/0001.parquet"
    whole = path.read_bytes()
    content = bytearray(whole)
    content[range(start, stop)[where]] ^= 1
    path.write_bytes(bytes(content))

    assert documents.get(0) == given[0]
    with pytest.raises(InvalidFolder, match="a block of texts does not match its sha256"):
        documents.get(50)

    path.write_bytes(whole)
    assert documents.get(50) == given[50]


def test_row_that_is_not_there_is_refused_before_anything_is_fetched(documents, elsewhere):
    with pytest.raises(InvalidInput, match="row must be between 0 and 399, got 400"):
        documents.get_many([0, 400])
    assert elsewhere.asked == []


def damage(folder, name, change):
    """Change a file, and let the manifest say that it should be so."""
    with Commit(folder) as commit:
        content = (folder / name).read_bytes()
        commit.drop(name)
        (folder / name).unlink()
        with commit.writing(name) as file:
            file.write(change(content))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[:-40],
        lambda content: content[:200] + bytes(100) + content[300:],
        lambda content: content.replace(b"sha256", b"sha255"),
    ],
)
def test_damaged_blocks_are_refused(folder, change):
    damage(folder, "blocks/0001.safetensors", change)
    names = ["documents/0001.parquet", "documents/0002.parquet"]
    with pytest.raises(InvalidFolder, match=r"blocks/0001\.safetensors is damaged"):
        Documents(Snapshot(folder, elsewhere=names), Elsewhere(folder))


def test_blocks_of_another_file_are_refused(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "blocks.safetensors"
    arrays = load_file(folder / "blocks/0001.safetensors")
    for name, changed in {
        "too many": arrays | {"sha256": np.zeros((99, 32), np.uint8)},
        "signed": arrays | {"sha256": arrays["sha256"].astype(np.int8)},
    }.items():
        save_file(changed, other)
        with pytest.raises(InvalidFolder, match="is damaged"):
            read_blocks(other, 10**9)
        assert name
    with pytest.raises(InvalidFolder, match="is damaged"):
        read_blocks(folder / "blocks/0001.safetensors", 1000)


def test_metadata_of_other_documents_are_refused(folder):
    metadata = pq.read_table(folder / "metadata/0001.parquet")
    for wrong in (metadata.slice(1), metadata.drop_columns(["id"])):
        path = folder.parent / "wrong.parquet"
        pq.write_table(wrong, path)
        damage(folder, "metadata/0001.parquet", lambda _, path=path: path.read_bytes())
        with pytest.raises(InvalidFolder, match=r"metadata/0001\.parquet must have an id for each of 300 documents"):
            Documents(Snapshot(folder))
    turned = metadata.take(np.arange(299, -1, -1))
    pq.write_table(turned, path)
    damage(folder, "metadata/0001.parquet", lambda _: path.read_bytes())
    with pytest.raises(InvalidFolder, match="texts and metadata are not of the same documents"):
        Documents(Snapshot(folder)).get(0)


def of_old(folder, *numbers):
    """Leave out what documents files have since texts can stay elsewhere."""
    with Commit(folder) as commit:
        for number in numbers:
            commit.drop(f"metadata/{number}.parquet")
            commit.drop(f"blocks/{number}.safetensors")


def test_folders_of_old_are_read_here_and_refused_from_elsewhere(folder, given):
    of_old(folder, "0001")

    assert Documents(Snapshot(folder)).get_many([0, 399]) == [given[0], given[399]]
    with pytest.raises(InvalidFolder, match=r"from before texts could be left on the Hub.*compact\(\)"):
        Documents(Snapshot(folder, elsewhere=["documents/0001.parquet", "documents/0002.parquet"]), Elsewhere(folder))


def test_compaction_brings_a_folder_of_old_up_to_date(tmp_path, given):
    with Commit(tmp_path) as commit:
        stage_documents(commit, given)
    of_old(tmp_path, "0001")

    with Commit(tmp_path) as commit:
        stage_documents_compaction(commit, np.ones(400, dtype=bool))

    elsewhere = Elsewhere(tmp_path)
    documents = Documents(Snapshot(tmp_path, elsewhere=["documents/0002.parquet"]), elsewhere)
    assert documents.get_many(range(400)) == given


def test_merged_files_leave_nothing_of_the_old_ones_behind(tmp_path, given):
    for number in range(9):
        with Commit(tmp_path) as commit:
            stage_documents(commit, given[40 * number : 40 * number + 40])
            stage_documents_merge(commit)

    manifest = Snapshot(tmp_path).manifest
    numbers = {name.split("/")[1].split(".")[0] for name in manifest.files}
    assert len(manifest.files) == 3 * len(numbers)
    assert Documents(Snapshot(tmp_path)).get_many(range(360)) == given[:360]


class Watched(pq.ParquetFile):
    """Notices when two threads read it at once, which crashes now and then."""

    readers = most = 0

    def read_row_group(self, *arguments, **options):
        self.readers += 1
        self.most = max(self.most, self.readers)
        time.sleep(0.002)
        table = super().read_row_group(*arguments, **options)
        self.readers -= 1
        return table


def test_one_thread_at_a_time_reads_a_file_that_is_here(tmp_path):
    pq.write_table(pa.table({"id": [f"d{n}" for n in range(400)], "text": ["the sea"] * 400}), tmp_path / "file", 2)
    file = Watched(tmp_path / "file")
    texts = local_texts([file])

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda row: texts.get([row])[0][0], range(400)))

    assert found == [f"d{n}" for n in range(400)]
    assert file.most == 1
