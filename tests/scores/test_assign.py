"""Nearest centroids through groups: with all groups probed the answer is that of comparing everything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests import oracles
from tests.scores.segments import unit

SIZES = (17, 0, 1, 32, 33, 16, 0, 5, 15, 8, 0)
"""Centroids of each group: none, one, and beside the widths of a block."""


class Groups:
    """Random centroids in groups, as the kernel wants them."""

    def __init__(self, native, dim, sizes=SIZES):
        generator = np.random.default_rng(dim)
        bounds = [0, *itertools.accumulate(sizes)]
        self.centroids, self.centres = unit(generator, bounds[-1], dim), unit(generator, len(sizes), dim)
        panels = [native.panels(self.centroids[low:high]) for low, high in itertools.pairwise(bounds)]
        self.arrays = (
            native.panels(self.centres),
            np.concatenate(panels),
            np.cumsum([0, *map(len, panels)])[:-1].astype(np.int64),
            np.asarray(bounds, dtype=np.int64),
        )

    def members(self, groups):
        bounds = self.arrays[3]
        return [number for group in groups for number in range(bounds[group], bounds[group + 1])]


def assert_nearest(codes, tokens, centroids, among):
    """Of two that are equally near but for rounding either will do."""
    for token, code, numbers in zip(tokens, codes, among, strict=True):
        _, highest = oracles.nearest(token, centroids[numbers])
        assert code in numbers
        assert oracles.maxsim([token], [centroids[code]]) == pytest.approx(highest, abs=1e-6)


@pytest.mark.parametrize("num_tokens", [0, 1, 5, 6, 7, 40])
@pytest.mark.parametrize("dim", [1, 8, 13, 96])
def test_with_all_groups_probed_the_nearest_of_all_centroids_is_found(native, dim, num_tokens):
    groups = Groups(native, dim)
    tokens = unit(np.random.default_rng(1), num_tokens, dim)

    codes = native.assign(tokens, *groups.arrays, len(SIZES))

    assert (codes.dtype, codes.shape) == (np.int32, (num_tokens,))
    everything = groups.members(range(len(SIZES)))
    assert_nearest(codes, tokens, groups.centroids, [everything] * num_tokens)


@pytest.mark.parametrize("probe", [1, 4])
def test_with_few_groups_probed_the_nearest_of_their_centroids_is_found(native, probe):
    groups = Groups(native, 16, [5] * 40)
    tokens = unit(np.random.default_rng(2), 31, 16)

    codes = native.assign(tokens, *groups.arrays, probe)

    visited = [oracles.best_cells(groups.centres, [token], probe)[0] for token in tokens]
    assert_nearest(codes, tokens, groups.centroids, [groups.members(group for group, _ in mine) for mine in visited])


def test_probing_more_groups_than_there_are_is_probing_all(native):
    groups = Groups(native, 8, (3, 2))
    tokens = unit(np.random.default_rng(3), 9, 8)

    np.testing.assert_array_equal(native.assign(tokens, *groups.arrays, 64), native.assign(tokens, *groups.arrays, 2))


def test_tokens_whose_groups_are_all_empty_get_a_centroid_that_exists(native):
    groups = Groups(native, 8, (0, 3, 0))
    groups.centres[:] = np.asarray([[-1], [0], [1]])
    tokens = np.ones((7, 8), dtype=np.float32)

    codes = native.assign(tokens, native.panels(groups.centres), *groups.arrays[1:], 1)

    assert codes.tolist() == [0] * 7


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_tokens_that_are_not_numbers_get_a_centroid_that_exists_and_disturb_no_other(native, value):
    groups = Groups(native, 13)
    tokens = unit(np.random.default_rng(4), 20, 13)
    expected = native.assign(tokens, *groups.arrays, 3)
    tokens[[0, 7, 19]] = value

    codes = native.assign(tokens, *groups.arrays, 3)

    assert ((codes >= 0) & (codes < len(groups.centroids))).all()
    others = np.setdiff1d(np.arange(20), [0, 7, 19])
    np.testing.assert_array_equal(codes[others], expected[others])


@pytest.mark.parametrize(("probe", "num_groups"), [(0, 11), (65, 11), (4, 1025)])
def test_a_number_of_groups_that_the_kernel_has_no_room_for_is_refused(native, probe, num_groups):
    groups = Groups(native, 8, [1] * num_groups)

    with pytest.raises(ValueError, match=f"probe must be 1 to 64 of 1 to 1,024 groups, got {probe} of {num_groups}"):
        native.assign(np.ones((3, 8), dtype=np.float32), *groups.arrays, probe)


def test_panels_are_blocks_of_columns_filled_up_with_the_first_vector(native):
    width = 32 if native.name == "avx512" else 16
    vectors = np.arange(2 * (width + 1), dtype=np.float32).reshape(width + 1, 2)

    panels = native.panels(vectors).reshape(2, 2, width)

    assert panels[0].T.tolist() == vectors[:width].tolist()
    assert panels[1].T.tolist() == [vectors[width].tolist()] + [vectors[0].tolist()] * (width - 1)
    assert len(native.panels(vectors[:0])) == 0
