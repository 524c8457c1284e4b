"""A process may be killed at any instruction: what a call had acknowledged stays, and the rest is all or nothing."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colbert_kit import Searcher
from colbert_kit.errors import InvalidFolder
from colbert_kit.folders import Snapshot
from colbert_kit.indexes import IndexReader
from tests.searcher.nursery import ADDED, FIRST, REMOVED, REPLACEMENT

OLD = {one["id"] for one in FIRST}
AFTER = {
    "build": OLD,
    "build compressed": OLD,
    "update": OLD | {ADDED[0]["id"]},
    "compact": OLD,
    "configure": OLD,
    "adopt": OLD,
    "vacuum": OLD,
    "add": OLD | {one["id"] for one in ADDED},
    "remove": OLD - set(REMOVED),
    "override": {one["id"] for one in REPLACEMENT},
}
ONE_MORE = [{"id": "one more", "text": "bread and coffee", "year": 1}]
NUM_RANDOM_KILLS = 50


class Nursery:
    """Tells the process that forks what to do, and hears what came of it."""

    def __init__(self, process):
        self.process = process

    def begin(self, operation, folder, **order):
        line = json.dumps({"operation": operation, "folder": str(folder), **order})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        assert line, "the nursery has died; its standard error tells why"
        return json.loads(line)

    def until_done(self):
        answers = [self.hear()]
        while "done" not in answers[-1]:
            answers.append(self.hear())
        assert answers[-1]["done"] in (0, -signal.SIGKILL), "the operation failed by itself"
        return answers

    def run(self, operation, folder, **order):
        self.begin(operation, folder, **order)
        return self.until_done()


@pytest.fixture(scope="module")
def nursery(tiny_model_folder):
    command = [sys.executable, "-m", "tests.searcher.nursery", str(tiny_model_folder)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        yield Nursery(process)
        process.stdin.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory, tiny_model):
    folder = tmp_path_factory.mktemp("template") / "index"
    Searcher.build(folder, tiny_model, FIRST, dtype="float32")
    return folder


def copied(template, folder):
    shutil.copytree(template, folder)
    return folder


def ids_of(folder, model):
    """All that a search finds, after every file's hash was compared."""
    searcher = Searcher.open(folder, model, dtype="float32", verify=True)
    hits = searcher.search("the song of the mountain", k=100)
    assert len(hits) == len(searcher)
    assert {hit.id for hit in hits} == {one["id"] for one in searcher.documents()}
    return {hit.id for hit in hits}


def events_of(answers):
    [events] = [one["events"] for one in answers if "events" in one]
    return events


@pytest.mark.parametrize("operation", ["add", "remove", "override", "configure"])
def test_killed_at_any_event_a_change_has_happened_or_not(nursery, template, tmp_path, tiny_model, operation):
    kill_at_events(nursery, template, tmp_path, tiny_model, operation, 1)


@pytest.mark.parametrize("operation", ["update", "compact", "adopt"])
def test_killed_at_every_fourth_event_a_rewriting_change_has_happened_or_not(
    nursery, template, tmp_path, tiny_model, operation
):
    Searcher.build(tmp_path / "other", tiny_model, FIRST, dtype="float32", exact_below=0)
    kill_at_events(nursery, template, tmp_path, tiny_model, operation, 4)


@pytest.mark.long
@pytest.mark.parametrize("operation", ["update", "compact"])
def test_killed_at_any_event_a_rewriting_change_has_happened_or_not(nursery, template, tmp_path, tiny_model, operation):
    kill_at_events(nursery, template, tmp_path, tiny_model, operation, 1)


def kill_at_events(nursery, template, tmp_path, model, operation, stride):
    num_events = len(events_of(nursery.run(operation, copied(template, tmp_path / "whole"))))
    texts = {folder: documents_of(folder, model) for folder in (template, tmp_path / "whole")}
    assert ids_of(tmp_path / "whole", model) == AFTER[operation]
    generations = {folder: Snapshot.open(folder).generation for folder in texts}
    assert len(set(generations.values())) == 2
    happened = []
    for kill_at in range(1, num_events + 1, stride):
        folder = copied(template, tmp_path / str(kill_at))
        assert nursery.run(operation, folder, kill_at=kill_at)[-1] == {"done": -signal.SIGKILL}

        found = ids_of(folder, model)

        [like] = [one for one, generation in generations.items() if generation == Snapshot.open(folder).generation]
        assert documents_of(folder, model) == texts[like]
        happened.append(like != template)
        if kill_at % 5 == 0:
            # Neither a lock nor a file that the dead process left is in the way of the next writer.
            searcher = Searcher.open(folder, model, dtype="float32")
            searcher.add(ONE_MORE)
            searcher.vacuum(grace_seconds=0)
            assert ids_of(folder, model) == found | {"one more"}
            assert files_of(folder) == set(Snapshot.open(folder).manifest.files)
        shutil.rmtree(folder)
    # Once the manifest is in place nothing takes the change back.
    assert happened == sorted(happened)
    assert happened[0] is False
    assert happened[-1] or stride > 1


def documents_of(folder, model):
    return list(Searcher.open(folder, model, dtype="float32").documents())


def files_of(folder):
    """Files of the index that lie in a folder, whatever the manifest says of them."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return names - {".lock", "manifest.json"}


def test_killed_at_any_event_a_vacuum_has_removed_nothing_that_is_needed(nursery, template, tmp_path, tiny_model):
    folder = copied(template, tmp_path / "template")
    for operation in ("update", "compact", "remove"):
        nursery.run(operation, folder)
    expected = ids_of(folder, tiny_model)
    num_events = len(events_of(nursery.run("vacuum", copied(folder, tmp_path / "whole"))))
    needed = set(Snapshot.open(folder).manifest.files)
    assert files_of(tmp_path / "whole") == needed < files_of(folder)
    for kill_at in range(1, num_events + 1):
        killed = copied(folder, tmp_path / str(kill_at))
        assert nursery.run("vacuum", killed, kill_at=kill_at)[-1] == {"done": -signal.SIGKILL}

        assert ids_of(killed, tiny_model) == expected

        nursery.run("vacuum", killed)
        assert files_of(killed) == needed
        shutil.rmtree(killed)


@pytest.mark.parametrize(("operation", "stride"), [("build", 2), ("build compressed", 5), ("compress", 5)])
def test_first_build_killed_at_any_event_leaves_an_index_or_none(
    nursery, template, tmp_path, tiny_model, operation, stride
):
    copied(template, tmp_path / "source")
    num_events = len(events_of(nursery.run(operation, tmp_path / "whole")))
    happened = []
    for kill_at in [*range(1, num_events + 1, stride), num_events]:
        folder = tmp_path / str(kill_at)
        shutil.rmtree(folder, ignore_errors=True)
        nursery.run(operation, folder, kill_at=kill_at)
        try:
            found = ids_of(folder, tiny_model)
        except InvalidFolder as error:
            assert "is not an index folder: it has no manifest.json" in str(error)  # noqa: PT017 - or it is there
            Searcher.build(folder, tiny_model, FIRST, dtype="float32")
            found = None
        assert found in (None, OLD)
        happened.append(found is not None)
        assert ids_of(folder, tiny_model) == OLD
    assert happened == sorted(happened)
    assert set(happened) == {False, True}


def test_acknowledged_documents_survive_kills_at_random_moments(nursery, template, tmp_path):
    generator = random.Random(0)
    num_acknowledged = 0
    for kill in range(NUM_RANDOM_KILLS):
        folder = copied(template, tmp_path / str(kill))
        nursery.begin("add for ever", folder)
        answers, wanted = [nursery.hear(), nursery.hear()], generator.randint(0, 2)
        while sum("acknowledged" in one for one in answers) < wanted:
            answers.append(nursery.hear())
        [pid] = [one["pid"] for one in answers if "pid" in one]
        time.sleep(generator.uniform(0, 0.06))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        answers += nursery.until_done()

        begun = {one["begun"] for one in answers if "begun" in one}
        acknowledged = {one["acknowledged"] for one in answers if "acknowledged" in one}
        found = set(IndexReader(Snapshot.open(folder, verify=True)).rows.by_id)
        assert OLD | acknowledged <= found <= OLD | begun
        assert len(found - OLD - acknowledged) <= 1
        num_acknowledged += len(acknowledged)
        shutil.rmtree(folder)
    assert num_acknowledged > NUM_RANDOM_KILLS / 2


@pytest.mark.long
def test_changes_of_every_kind_have_happened_or_not_at_500_random_kills(nursery, tmp_path, tiny_model):
    generator, last = random.Random(1), None
    num_acknowledged = 0
    for kill in range(500):
        folder = tmp_path / "index"
        nursery.begin("change for ever", folder, seed=kill)
        answers, wanted = [nursery.hear(), nursery.hear()], generator.randint(0, 6)
        while sum("acknowledged" in one for one in answers) < wanted:
            answers.append(nursery.hear())
        [pid] = [one["pid"] for one in answers if "pid" in one]
        time.sleep(generator.uniform(0, 0.08))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        answers += nursery.until_done()

        begun = [set(one["begun"]) for one in answers if "begun" in one]
        acknowledged = [set(one["acknowledged"]) for one in answers if "acknowledged" in one]
        # Where not even the build of this time has happened, what was there before is whole.
        allowed = [acknowledged[-1] if acknowledged else last, begun[-1]]
        try:
            found = ids_of(folder, tiny_model)
        except InvalidFolder:
            found = None
        assert found in allowed
        last = found
        num_acknowledged += len(acknowledged)
    assert num_acknowledged > 500


@pytest.mark.parametrize("operation", ["build", "build compressed", "add", "remove", "update", "compact", "override"])
def test_files_and_folders_are_durable_before_the_rename_and_the_root_after_it(nursery, template, tmp_path, operation):
    folder = tmp_path / "index"
    if not operation.startswith("build"):
        copied(template, folder)
    before = {path for path in folder.rglob("*") if path.is_file()}

    events = [(kind, Path(path)) for kind, path in events_of(nursery.run(operation, folder))]

    [rename] = [place for place, (kind, _) in enumerate(events) if kind in ("replace", "rename")]
    assert events[rename] == ("replace", folder / "manifest.json")
    assert ("fsync", folder) in events[rename + 1 :]
    assert not [event for event in events[rename:] if event[0] in ("open", "write", "mkdir")]
    new = {folder / name for name in Snapshot.open(folder).manifest.files} - before
    assert new
    for path in {*new, folder / "manifest.json.new"}:
        places = {
            kind: max(n for n, event in enumerate(events) if event == (kind, path)) for kind in ("write", "fsync")
        }
        assert places["write"] < places["fsync"] < rename
        if path in new:
            opened = events.index(("open", path))
            assert ("fsync", path.parent) in events[opened:rename]
    for kind, path in events:
        if kind == "mkdir":
            assert ("fsync", path.parent) in events[events.index((kind, path)) : rename]


def test_files_of_earlier_generations_are_never_touched(nursery, template, tmp_path):
    folder = copied(template, tmp_path / "index")
    named = set()
    for operation in ("add", "update", "remove", "compact", "override"):
        named |= {folder / name for name in Snapshot.open(folder).manifest.files}

        touched = {Path(path) for _, path in events_of(nursery.run(operation, folder))}

        assert len(touched) > 3
        assert not touched & named
