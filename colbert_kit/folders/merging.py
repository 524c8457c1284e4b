"""Which of many small parts of a folder to make one."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MAX_PARTS", "first_to_merge"]

MAX_PARTS = 8
"""A commit that would leave more segments, or files of documents, merges the newest of them."""


def first_to_merge(sizes: Sequence[int]) -> int | None:
    """Where the run of newest parts begins that a commit should make one.

    It reaches back as long as the part before it is no larger than twice the run, so that a row is rewritten about as
    often as the logarithm of their number.

    Args:
        sizes: Rows of each part, oldest first.

    Returns:
        The number of the run's first part; None where there are at most ``MAX_PARTS``.

    Example:
        >>> first_to_merge([900, 10, 9, 8, 7, 6, 5, 4, 3])
        1
    """
    if len(sizes) <= MAX_PARTS:
        return None
    first = len(sizes) - 2
    while first > 0 and sizes[first - 1] <= 2 * sum(sizes[first:]):
        first -= 1
    return first
