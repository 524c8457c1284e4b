"""Any life of a PLAID index equals a dictionary that is searched by brute force."""

import random
import tempfile
from pathlib import Path

import numpy as np
import pytest

from colbert_kit.folders import Snapshot
from colbert_kit.indexes import SearchConfig
from tests import oracles
from tests.indexes.corpora import assert_same_ranking, found, plaid_of, unit

DIM = 8
NUM_LIVES = 60
NUM_LIVES_SLOW = 1000
EXACT_BELOW = (0, 40, 10**9)
STEPS = ("add", "add", "add", "update", "remove", "remove", "compact", "vacuum", "reopen", "search", "search")


class Life:
    """An index and the dictionary that it should be."""

    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.folder = folder
        self.truth = {}
        self.seen = {}
        self.compressed = False
        self.index = plaid_of(folder, exact_below=EXACT_BELOW[seed % 3], nbits=8)
        self.made = 0

    def run(self, num_steps):
        for _ in range(num_steps):
            getattr(self, self.random.choice(STEPS))()
            self.check()
        self.reopen()
        self.check()
        self.search()

    def add(self):
        self._put(self.index.add_documents, [])

    def update(self):
        self._put(self.index.update_documents, self._some(3))

    def remove(self):
        gone = self._some(self.random.choice((1, 2, 8)))
        self.index.remove_documents(gone)
        for one in gone:
            del self.truth[one]
            self.seen.pop(one, None)

    def compact(self):
        self.index.compact()

    def vacuum(self):
        self.index.vacuum(grace_seconds=self.random.choice((0, 600)))

    def reopen(self):
        self.index = plaid_of(self.folder)

    def search(self):
        query, k = self._tokens(self.random.randint(0, 4)), self.random.randint(1, 12)
        subset = self.random.choice((None, [], self._some(5), [*self._some(20), "nobody"]))
        stored = self._stored()
        allowed = {one: stored[one] for one in stored if subset is None or one in subset}
        truth = oracles.ranking(query, allowed, len(allowed))

        everything = found(self.index, query, k, subset)
        narrow = found(self.index, query, k, subset, SearchConfig(nprobe=1, num_approximated=1, num_rescored=1))

        assert_same_ranking(everything, truth[:k], 1e-3)
        for ranking in (everything, narrow):
            assert len({one for one, _ in ranking}) == len(ranking) == min(k, len(allowed))
            assert_same_ranking(ranking, [(one, dict(truth)[one]) for one, _ in ranking], 1e-3)

    def check(self):
        assert len(self.index) == len(self.truth)
        compressed = self.index._reader.codec is not None
        if compressed and not self.compressed:
            # What is stored changes this once.
            self.compressed, self.seen = True, {}
        for one, stored in self._stored().items():
            assert stored.shape == self.truth[one].shape
            if not compressed:
                np.testing.assert_array_equal(stored, self.truth[one].astype(np.float16))
            np.testing.assert_array_equal(stored, self.seen.setdefault(one, stored))

    def _stored(self):
        return dict(zip(self.truth, self.index.get_embeddings(list(self.truth)), strict=True))

    def _put(self, call, known):
        new = [f"n{self.made + number}" for number in range(self.random.randint(0, 5))]
        self.made += len(new)
        documents = {one: self._tokens(self.random.choice((0, 1, 2, 3, 6))) for one in [*known, *new]}
        call(list(documents), list(documents.values()))
        self.truth |= documents
        for one in documents:
            self.seen.pop(one, None)

    def _some(self, number):
        return self.random.sample(sorted(self.truth), min(number, len(self.truth)))

    def _tokens(self, number):
        # Few directions, so that documents share centroids and scores tie.
        grid = self.numbers.integers(-1, 2, (number, DIM)).astype(np.float32)
        grid[:, 0] = 1
        return unit(grid)


def live(seeds):
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            try:
                life = Life(Path(folder), seed)
                life.run(12)
                Snapshot.open(life.index.folder, verify=True)
            except Exception as error:
                error.add_note(f"life {seed}")
                raise


@pytest.mark.parametrize("part", range(3))
def test_any_life_of_an_index_equals_a_dictionary(part):
    live(range(part, NUM_LIVES, 3))


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_a_thousand_lives_equal_a_dictionary(part):
    live(range(NUM_LIVES + part, NUM_LIVES + NUM_LIVES_SLOW, 10))
