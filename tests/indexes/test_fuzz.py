"""Damaged folders: refused, or answered with ids that exist; under verify refused, or answered exactly."""

import collections
import json
import subprocess
import sys
from pathlib import Path

import pytest

from colbert_kit import Searcher
from tests.indexes.corpora import plaid_of, some_documents

NUM_CASES, NUM_CASES_SLOW = 100, 2000
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def index_folder(tmp_path_factory):
    """Two compressed segments and a row that is removed."""
    home = tmp_path_factory.mktemp("fuzz")
    documents = some_documents(40, lengths=(0, 6))
    index = plaid_of(home, documents, exact_below=0)
    more = some_documents(8, seed=1, prefix="more")
    index.add_documents(list(more), list(more.values()))
    index.remove_documents(["d003"])
    (home / "ids").write_text("".join(json.dumps(one) + "\n" for one in documents | more))
    return home / "plaid"


@pytest.fixture(scope="module")
def searcher_folder(tmp_path_factory, tiny_model, tiny_documents):
    home = tmp_path_factory.mktemp("fuzz")
    searcher = Searcher.build(home / "searcher", tiny_model, tiny_documents[:20], dtype="float32", exact_below=0)
    searcher.add(tiny_documents[20:24])
    searcher.remove(["d03"])
    (home / "ids").write_text("".join(json.dumps(one["id"]) + "\n" for one in tiny_documents))
    return home / "searcher"


def outcomes(first, last, folder, *more):
    """What came of each case; the process must not die, and no case may take a minute."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.indexes.fuzzing", str(first), str(last), str(folder)]
    timeout = 60 + 2 * (last - first)
    try:
        run = subprocess.run(
            [*command, *map(str, more)], capture_output=True, text=True, cwd=ROOT, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"hangs: {error.stdout.decode().splitlines()[-1]}")
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"the process died at {lines[-1:]}: {run.stderr[-2000:]}"
    tried = [one for one in lines if "outcome" in one]
    assert len(tried) == 2 * (last - first)
    return tried


def check(tried):
    assert [one for one in tried if one["wrong"]] == []
    counts = collections.Counter((one["verify"], one["outcome"]) for one in tried)
    # Not all of it is refused, so search itself has met damage.
    assert counts[False, "answer"] > counts[True, "answer"]
    assert counts[True, "InvalidFolder"] > len(tried) / 4


def test_damaged_index_is_refused_or_answers_with_ids_that_exist(index_folder):
    check(outcomes(0, NUM_CASES, index_folder))


def test_damaged_searcher_is_refused_or_answers_with_ids_that_exist(searcher_folder, tiny_model_folder):
    check(outcomes(0, NUM_CASES // 2, searcher_folder, tiny_model_folder))


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_two_thousand_damaged_indexes(index_folder, part):
    size = NUM_CASES_SLOW // 4
    check(outcomes(1000 + part * size, 1000 + (part + 1) * size, index_folder))


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_two_thousand_damaged_searchers(searcher_folder, tiny_model_folder, part):
    size = NUM_CASES_SLOW // 4
    check(outcomes(1000 + part * size, 1000 + (part + 1) * size, searcher_folder, tiny_model_folder))
