"""What tuning came to, in words."""

from __future__ import annotations

from dataclasses import dataclass

from colbert_kit.evaluation.index_points import IndexPoint
from colbert_kit.evaluation.limits import Limits, spell_bytes, spell_seconds
from colbert_kit.evaluation.significance import Comparison

__all__ = ["Tuned"]

SAME_SECONDS = 0.1
"""Latencies that differ by no more than this part are called equal: from run to run a setting's moves by more
(``docs/search.md``)."""


@dataclass(frozen=True)
class Tuned:
    """The setting that was chosen and written, beside the one before; both measured on queries that did not choose.

    Args:
        before: The index as it was.
        after: As it is now.
        limits: What was asked for.
        exact_quality: Of the exact ranking on the same queries; None without qrels.
        exact_name: What recall is against.
        comparison: Quality query by query, ``after`` against ``before``; None without qrels, or with one query.
        num_tried: Settings among which was chosen.
        num_chosen_by: Queries that chose.
        is_held_out: Whether the figures are of other queries than those; there were too few where not.
        num_documents: Documents of the index.
    """

    before: IndexPoint
    after: IndexPoint
    limits: Limits
    exact_quality: float | None
    exact_name: str
    comparison: Comparison | None
    num_tried: int
    num_chosen_by: int
    is_held_out: bool
    num_documents: int

    @property
    def words(self) -> str:
        """A paragraph for people, one line a fact."""
        return "\n".join(
            [
                f"Of {self.num_tried} settings: {self.after.setting}; before: {self.before.setting}.",
                *self._latency(),
                *self._worth(),
                self._bytes(),
                self._queries(),
                *self._verdict(),
            ]
        )

    def _latency(self) -> list[str]:
        limit = self.limits.max_latency_seconds
        asked = "" if limit is None else f", of at most {spell_seconds(limit)} asked for"
        before, after = self.before, self.after
        return [
            f"A search: p50 {spell_seconds(after.search.p50_seconds)}, p95 {spell_seconds(after.search.p95_seconds)}"
            f"{asked}; before: {spell_seconds(before.search.p50_seconds)}, {spell_seconds(before.search.p95_seconds)}.",
            f"With the query's encoding: p50 {spell_seconds(after.total.p50_seconds)}, p95 "
            f"{spell_seconds(after.total.p95_seconds)}; before: {spell_seconds(before.total.p50_seconds)}, "
            f"{spell_seconds(before.total.p95_seconds)}.",
        ]

    def _worth(self) -> list[str]:
        before, after, limit = self.before, self.after, self.limits.min_quality
        lines = []
        if after.quality is not None:
            lines.append(
                f"{after.measure}: {after.quality:.4f}; before: {before.quality:.4f}; exact ranking: "
                f"{self.exact_quality:.4f}."
            )
        lines.append(f"Recall@{after.k} against {self.exact_name}: {after.recall:.4f}; before: {before.recall:.4f}.")
        if limit is not None and (after.goodness or 0.0) < limit:
            lines.append(
                f"At least {limit:g} was asked for, and is met on the queries that chose: on these it is missed by "
                f"{limit - (after.goodness or 0.0):.4f}."
            )
        return lines

    def _bytes(self) -> str:
        limit = self.limits.max_bytes_per_document
        asked = "" if limit is None else f", of at most {spell_bytes(limit * self.num_documents)} asked for"
        after, before = self.after.bytes_per_document, self.before.bytes_per_document
        return (
            f"{after:,.0f} bytes a document, {spell_bytes(after * self.num_documents)} in all{asked}; before: "
            f"{before:,.0f}, {spell_bytes(before * self.num_documents)}."
        )

    def _queries(self) -> str:
        if self.is_held_out:
            return f"Chosen by {self.num_chosen_by} queries, measured with {self.after.num_queries} others."
        return (
            f"Chosen by and measured with the same {self.after.num_queries} queries, too few to keep half of them "
            "back: the setting looks better than it is."
        )

    def _verdict(self) -> list[str]:
        """What was given up for what."""
        if self.after.setting == self.before.setting:
            return ["Nothing changes: the index was searched like this before."]
        changes = [self._quality_change(), *self._other_changes()]
        worse = [text for text, is_worse in changes if is_worse is True]
        better = [text for text, is_worse in changes if is_worse is False]
        unsure = [text for text, is_worse in changes if is_worse is None and text]
        return [
            *([f"Given up: {', '.join(worse)}."] if worse else ["Nothing that could be measured was given up."]),
            *([f"Gained: {', '.join(better)}."] if better else []),
            *(f"{text}." for text in unsure),
        ]

    def _quality_change(self) -> tuple[str, bool | None]:
        found = self.comparison
        if found is None:
            return "", None
        change = found.second - found.first
        by_chance = f"p = {found.p_value:.2g}, 95 % interval {found.low:+.4f} to {found.high:+.4f}"
        if found.p_value >= 0.05:
            return f"{self.after.measure} is not shown to differ ({change:+.4f}, {by_chance})", None
        return f"{abs(change):.4f} {self.after.measure} ({by_chance})", change < 0

    def _other_changes(self) -> list[tuple[str, bool | None]]:
        before, after = self.before, self.after
        changes: list[tuple[str, bool | None]] = []
        recall = (after.recall or 0.0) - (before.recall or 0.0)
        if round(recall, 4):
            changes.append((f"{abs(recall):.4f} recall@{after.k}", recall < 0))
        seconds = after.search.p95_seconds - before.search.p95_seconds
        if abs(seconds) > SAME_SECONDS * before.search.p95_seconds:
            changes.append((f"{spell_seconds(abs(seconds))} of p95", seconds > 0))
        size = (after.bytes_per_document - before.bytes_per_document) * self.num_documents
        if abs(size) >= self.num_documents:
            changes.append((spell_bytes(abs(size)), size > 0))
        return changes
