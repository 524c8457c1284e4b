"""Four processes read while one adds, removes, updates, compacts and vacuums: no error, no mixed generation."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colbert_kit import Searcher
from tests.searcher.reading import documents_of_step

NUM_READERS = 4


@pytest.mark.parametrize(
    ("seconds", "exact_below"),
    [(5, 400), pytest.param(60, 0, marks=pytest.mark.long), pytest.param(60, 10**9, marks=pytest.mark.long)],
)
def test_readers_beside_a_writer_see_whole_generations_only(tmp_path, tiny_model, seconds, exact_below):
    folder, stop = tmp_path / "index", tmp_path / "stop"
    searcher = Searcher.build(folder, tiny_model, documents_of_step(0), dtype="float32", exact_below=exact_below)
    command = [sys.executable, "-m", "tests.searcher.reading", str(folder), str(stop)]
    root = Path(__file__).resolve().parents[2]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(NUM_READERS)]
    try:
        assert [one.stdout.readline() for one in readers] == ["ready\n"] * NUM_READERS
        write_for(searcher, seconds)
    finally:
        stop.touch()
        said = [one.communicate()[0] for one in readers]

    results = [json.loads(one) for one in said]
    assert [one["error"] for one in results] == [None] * NUM_READERS
    assert all(one["generations"] > 2 for one in results), results
    assert len(Searcher.open(folder, tiny_model, dtype="float32", verify=True)) == len(searcher)


def write_for(searcher, seconds):
    chosen, extra, step = random.Random(0), [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        step += 1
        searcher.update(documents_of_step(step))
        new = [f"extra{step}-{number}" for number in range(chosen.randint(1, 4))]
        searcher.add([{"id": one, "text": f"the song of step {step}", "step": step} for one in new])
        extra += new
        if len(extra) > 20:
            gone = chosen.sample(extra, 12)
            searcher.remove(gone)
            extra = [one for one in extra if one not in gone]
        if chosen.random() < 0.2:
            searcher.compact()
        searcher.vacuum(grace_seconds=0)
