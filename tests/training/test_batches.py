"""Batches: like lengths together, and nobody's positive as another's negative."""

import itertools
import random

import pytest
from datasets import Dataset

from colbert_kit.errors import InvalidData
from colbert_kit.training.batches import ColBERTBatchSampler

GENERATOR = random.Random(5)
PAIRS = [{"query": f"query {n}", "positive": f"{n} " + "word " * GENERATOR.randint(1, 60)} for n in range(600)]


def sampler(rows, batch_size=8, **options):
    options = {"drop_last": True, "seed": 1} | options
    return ColBERTBatchSampler(Dataset.from_list(rows), batch_size, **options)


def padded(rows, batches):
    """Characters that padding to the longest adds, as a share of all."""
    wide = sum(len(batch) * max(len(rows[row]["positive"]) for row in batch) for batch in batches)
    return 1 - sum(len(rows[row]["positive"]) for batch in batches for row in batch) / wide


def test_every_row_comes_once_an_epoch():
    batches = list(sampler(PAIRS, drop_last=False))

    assert sorted(itertools.chain(*batches)) == list(range(600))
    assert len(batches) == len(sampler(PAIRS, drop_last=False)) == 75


def test_rows_of_like_length_come_together():
    assert padded(PAIRS, list(sampler(PAIRS))) < 0.1
    assert padded(PAIRS, list(sampler(PAIRS, by_length=False))) > 0.3


def test_batches_do_not_come_in_order_of_length():
    longest = [max(len(PAIRS[row]["positive"]) for row in batch) for batch in sampler(PAIRS)]

    assert longest != sorted(longest)


def test_an_epoch_can_be_repeated_and_the_next_one_differs():
    first, again, later = (sampler(PAIRS) for _ in range(3))
    later.set_epoch(1)

    assert list(first) == list(again)
    assert list(first) != list(later)


def conflicts(one, other):
    documents = [{row["positive"], *row["negatives"]} for row in (one, other)]
    return one["query"] == other["query"] or one["positive"] in documents[1] or other["positive"] in documents[0]


def test_rows_that_would_teach_against_each_other_never_meet():
    generator = random.Random(3)
    texts = [f"text {n}" for n in range(60)]
    rows = [
        {"query": f"query {generator.randrange(80)}", "positive": positive, "negatives": negatives}
        for positive, *negatives in (generator.sample(texts, 3) for _ in range(200))
    ]
    batches = list(sampler(rows, drop_last=False))

    seen = list(itertools.chain(*batches))
    assert len(set(seen)) == len(seen) > 180
    for batch in batches:
        assert not any(conflicts(rows[one], rows[other]) for one, other in itertools.combinations(batch, 2))


def test_rows_that_fit_nowhere_are_counted_and_every_epoch_has_the_announced_number_of_batches(caplog):
    generator = random.Random(8)
    rows = [{"query": f"query {n}", "positive": f"answer {int(generator.paretovariate(0.7)) % 40}"} for n in range(800)]
    made = sampler(rows, batch_size=16, drop_last=False)

    assert "rows fit in no batch of 16" in caplog.text
    for epoch in range(4):
        made.set_epoch(epoch)
        batches = list(made)
        assert len(batches) == len(made)
        assert min(map(len, batches)) >= 8
        for batch in batches:
            assert len({rows[row]["positive"] for row in batch}) == len(batch)


def test_what_is_left_over_at_the_end_is_a_smaller_batch():
    assert sorted(map(len, sampler(PAIRS[:34], drop_last=False))) == [2, 8, 8, 8, 8]
    assert len(sampler(PAIRS[:3], drop_last=False)) == 1


def test_a_negative_that_rows_share_keeps_nobody_apart():
    rows = [{"query": f"query {n}", "positive": f"text {n}", "negative": "the same"} for n in range(16)]

    assert [len(batch) for batch in sampler(rows)] == [8, 8]


def test_rows_with_scores_may_share_everything():
    rows = [{"query": "the same", "positive": "the same"} for _ in range(16)]

    assert [len(batch) for batch in sampler(rows, in_batch_negatives=False)] == [8, 8]


def test_rows_of_which_no_batch_can_be_made_are_refused():
    rows = [{"query": "the same", "positive": f"text {n}"} for n in range(16)]

    with pytest.raises(InvalidData, match=r"no batch of 8 rows can be made.*Lower batch_size"):
        list(sampler(rows))
