"""A reader keeps the generation that it opened, whatever others do to the folder meanwhile."""

import threading
import traceback

import pytest

from colbert_kit.folders import Snapshot, open_newest
from colbert_kit.indexes import IndexReader
from colbert_kit.scores import PackedEmbeddings
from tests.indexes.corpora import decoded, found, plaid_of, queries_for, some_documents

DOCUMENTS = some_documents(80)
QUERIES, _ = queries_for(DOCUMENTS, 4)


@pytest.fixture(params=[0, 10**9], ids=["compressed", "small"])
def writer(tmp_path, request):
    return plaid_of(tmp_path, DOCUMENTS, exact_below=request.param)


def test_index_opened_before_answers_the_same_after_every_change_and_vacuum(tmp_path, writer):
    reader = plaid_of(tmp_path)
    rankings = [found(reader, query, 100) for query in QUERIES]
    stored = decoded(reader, DOCUMENTS)
    ids = list(DOCUMENTS)

    for change in (
        lambda: writer.add_documents(["new"], [DOCUMENTS["d000"]]),
        lambda: writer.update_documents(ids[:10], [DOCUMENTS["d070"]] * 10),
        lambda: writer.remove_documents(ids[10:60]),
        lambda: writer.compact(),
        lambda: plaid_of(tmp_path, {"else": DOCUMENTS["d001"]}, override=True),
    ):
        change()
        plaid_of(tmp_path).vacuum(grace_seconds=0)
        assert [found(reader, query, 100) for query in QUERIES] == rankings
        again = decoded(reader, DOCUMENTS)
        assert all((again[one] == stored[one]).all() for one in ids)
    assert [one for one, _ in found(plaid_of(tmp_path), QUERIES[0])] == ["else"]


def test_writer_takes_up_what_another_has_committed_and_vacuumed(tmp_path, writer):
    other = plaid_of(tmp_path)
    writer.remove_documents(list(DOCUMENTS)[:40])
    writer.vacuum(grace_seconds=0)

    other.add_documents(["d000"], [DOCUMENTS["d001"]])

    assert len(other) == 41


def test_readers_see_whole_generations_while_a_thread_writes_and_vacuums(tmp_path, writer):
    stop, failures, seen = threading.Event(), [], set()
    query = PackedEmbeddings.pack([QUERIES[0]])

    def read():
        while not stop.is_set():
            try:
                snapshot, reader = open_newest(tmp_path / "plaid", lambda one: (one, IndexReader(one)))
                [ranking] = reader.search(query, 1000)
            except Exception:  # noqa: BLE001 - whatever it is, the test shows it
                failures.append(traceback.format_exc())
                return
            names = {reader.rows.ids[row] for row, _ in ranking}
            steps = {name.split("-")[0] for name in names if "-" in name}
            if len(steps) > 1 or len(names) != len(reader) or not set(DOCUMENTS) <= names:
                failures.append(names)
            seen.add(snapshot.generation)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for one in readers:
        one.start()
    for step in range(12):
        # What one step adds another removes, so that no generation holds documents of two.
        new = [f"g{step}-{number}" for number in range(step % 7 + 1)]
        writer.add_documents(new, [DOCUMENTS["d003"]] * len(new))
        writer.vacuum(grace_seconds=0)
        writer.remove_documents(new)
        if step % 3 == 2:
            writer.compact()
        writer.vacuum(grace_seconds=0)
    stop.set()
    for one in readers:
        one.join()
    assert failures == []
    assert len(seen) > 2
    assert Snapshot.open(tmp_path / "plaid", verify=True)
