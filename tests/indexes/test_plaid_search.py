"""Searching a compressed index: narrow by default, exact where it is asked to be or where little is allowed."""

import numpy as np
import pytest

from colbert_kit.errors import InvalidConfig
from colbert_kit.indexes import SearchConfig
from tests.indexes.corpora import (
    DIM,
    assert_is_exhaustive,
    decoded,
    found,
    overlap,
    plaid_of,
    queries_for,
    some_documents,
)

DOCUMENTS = some_documents(400, lengths=(2, 8))
QUERIES, WANTED = queries_for(DOCUMENTS, 6)
NARROW = SearchConfig(nprobe=2, num_approximated=20, num_rescored=10)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Three segments, some rows removed."""
    folder, ids = tmp_path_factory.mktemp("search"), list(DOCUMENTS)
    index = plaid_of(folder, {one: DOCUMENTS[one] for one in ids[:300]}, exact_below=0)
    for start in (300, 350):
        index.add_documents(ids[start : start + 50], [DOCUMENTS[one] for one in ids[start : start + 50]])
    index.remove_documents(ids[5::13])
    return index


@pytest.fixture(scope="module")
def stored(index):
    return decoded(index, [one for number, one in enumerate(DOCUMENTS) if (number - 5) % 13])


@pytest.mark.parametrize("position", range(6))
def test_full_widths_find_what_scoring_every_decoded_embedding_does(index, stored, position):
    wide = SearchConfig(nprobe=10**6, num_approximated=10**6, num_rescored=10**6)

    assert_is_exhaustive(found(index, QUERIES[position], 400, config=wide), QUERIES[position], stored, 400)


@pytest.mark.parametrize("position", range(6))
def test_all_cells_and_all_candidates_rescored_by_stages_find_the_same(index, stored, position):
    # Few enough are rescored that the stages run, and enough that the best are among them.
    staged = SearchConfig(nprobe=10**6, num_approximated=10**6, num_rescored=len(stored) // 2 - 1)

    assert_is_exhaustive(found(index, QUERIES[position], 10, config=staged), QUERIES[position], stored, 10)


def test_narrow_search_scores_what_it_finds_as_exhaustive_search_does(index, stored):
    for query in QUERIES:
        truth = dict(found(index, query, 1000))
        for one, score in found(index, query, 5, config=NARROW):
            assert score == pytest.approx(truth[one], abs=1e-5)
            assert one in stored


def test_narrow_search_finds_the_document_that_a_query_was_made_of(index, stored):
    hits = [found(index, query, 1, config=NARROW)[0][0] == one for query, one in zip(QUERIES, WANTED, strict=True)
            if one in stored]  # fmt: skip

    assert sum(hits) >= len(hits) - 1


def test_wider_search_finds_no_less_of_the_truth(index):
    widths = [SearchConfig(nprobe=n, num_approximated=10 * n, num_rescored=5 * n) for n in (1, 4, 16)]
    recall = [
        np.mean([overlap(found(index, query, 10), found(index, query, 10, config=width)) for query in QUERIES])
        for width in widths
    ]

    assert recall == sorted(recall)
    assert recall[-1] > 0.8


def test_one_cell_a_token_tells_rows_apart_by_how_many_tokens_find_them(tmp_path):
    # About twelve rows a cell: most of what is found shares one cell with a query, the wanted row all six.
    documents = some_documents(1500, lengths=(8, 9), topics=2000, noise=0.02)
    index = plaid_of(tmp_path, documents, exact_below=0)
    queries, wanted = queries_for(documents, 20, tokens=6, noise=0.02)
    # So few are rescored that the first estimate alone chooses them.
    narrowest = SearchConfig(nprobe=1, num_approximated=3, num_rescored=3)

    best = [found(index, query, 1, config=narrowest)[0][0] for query in queries]

    assert sum(map(str.__eq__, best, wanted)) >= 18


def test_one_cell_a_token_still_gives_all_hits_that_are_wanted(index, stored):
    narrowest = SearchConfig(nprobe=1, num_approximated=1, num_rescored=1)

    for k in (1, 10, 100):
        hits = found(index, QUERIES[0], k, config=narrowest)
        assert len({one for one, _ in hits}) == k


@pytest.mark.parametrize("share", [1, 3, 30])
def test_selective_subset_is_scored_exactly(index, stored, share):
    subset = list(stored)[:: max(1, 40 // share)]

    for query in QUERIES:
        ranking = found(index, query, 10, subset=[*subset, "nobody"], config=NARROW)
        allowed = {one: stored[one] for one in subset}
        if len(subset) <= 2 * NARROW.num_rescored:
            assert_is_exhaustive(ranking, query, allowed, 10)
        assert {one for one, _ in ranking} <= set(subset)
        assert len(ranking) == min(10, len(subset))


def test_wide_subset_finds_only_what_it_names(index, stored):
    subset = set(list(stored)[::2])

    for query in QUERIES:
        hits = found(index, query, 10, subset=subset, config=NARROW)
        assert len(hits) == 10
        assert {one for one, _ in hits} <= subset


def test_empty_subset_finds_nothing(index):
    assert found(index, QUERIES[0], subset=[]) == []
    assert found(index, QUERIES[0], subset=["nobody"]) == []
    assert found(index, QUERIES[0], subset=[], config=NARROW) == []


def test_many_queries_at_once_find_what_each_alone_does(index):
    rankings = index(QUERIES * 12, k=7, config=NARROW)

    assert [[(hit["id"], hit["score"]) for hit in one] for one in rankings] == [
        found(index, query, 7, config=NARROW) for query in QUERIES
    ] * 12


@pytest.mark.parametrize("num_tokens", [1, 7, 8, 9, 16, 17, 31, 33, 64, 65])
def test_queries_of_any_length_are_scored_as_the_oracle_does(index, stored, num_tokens):
    generator = np.random.default_rng(num_tokens)
    query = generator.standard_normal((num_tokens, DIM)).astype(np.float32)
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    some = {one: stored[one] for one in list(stored)[:20]}

    assert_is_exhaustive(found(index, query, 20, subset=list(some)), query, some, 20)
    assert len(found(index, query, 20, config=NARROW)) == 20


def test_query_of_more_tokens_than_a_short_counts_is_answered(index):
    # Stamps of found rows are 16 bits wide.
    query = np.tile(QUERIES[0], (70_000 // len(QUERIES[0]), 1))

    hits = found(index, query, 3, config=SearchConfig(nprobe=1, num_approximated=8, num_rescored=4))

    assert len(hits) == 3


@pytest.mark.parametrize("name", ["nprobe", "num_approximated", "num_rescored"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "8"])
def test_search_config_refuses_what_is_no_count(name, value):
    with pytest.raises(InvalidConfig, match=rf"{name} must be a whole number of 1 or more, got {value!r}"):
        SearchConfig(**{name: value})


def test_search_config_refuses_unknown_settings():
    with pytest.raises(TypeError, match="n_ivf_probe"):
        SearchConfig(n_ivf_probe=8)
