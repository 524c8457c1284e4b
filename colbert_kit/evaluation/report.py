"""What an evaluation found, kept as JSON: systems, their measures query by query, what differs by more than chance."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from colbert_kit.errors import InvalidData, InvalidInput
from colbert_kit.evaluation.index_points import IndexPoint, Latency
from colbert_kit.evaluation.significance import (
    Change,
    Comparison,
    PairwiseComparison,
    changes,
    compare_paired,
    correct_holm,
)
from colbert_kit.indexes import SearchConfig

__all__ = ["CollectionReport", "Example", "Report", "System"]

FORMAT_VERSION = 1
NUM_RESAMPLES = 2000
"""The ends of a 95 % interval are then known to about a twentieth of its width."""


@dataclass(frozen=True)
class System:
    """What one way to search is worth on a collection.

    Args:
        name: ``"index"``, ``"exact MaxSim"``, ``"BM25"``, or the name of a dense encoder.
        values: By measure, by query.
        judged: Share of the first ten documents that have a judgement.
        top: The first ten documents of each query.
        latency: Seconds of a query, one at a time, from text to hits; None where it was not measured.
        search_latency: Of it after the query was encoded.
        bytes_per_document: Of all files of the index, texts included; None where there is none.
        build_seconds: To compress token embeddings that were there; None where the index was there.
    """

    name: str
    values: Mapping[str, Mapping[str, float]]
    judged: float
    top: Mapping[str, tuple[str, ...]]
    latency: Latency | None = None
    search_latency: Latency | None = None
    bytes_per_document: float | None = None
    build_seconds: float | None = None

    def mean(self, measure: str) -> float:
        """The mean over queries."""
        return float(np.mean(list(self.values[measure].values())))

    def interval(self, measure: str, seed: int = 42) -> tuple[float, float]:
        """The 95 % interval of the mean, by bootstrap over queries."""
        values = np.array(list(self.values[measure].values()))
        picks = np.random.default_rng(seed).integers(0, len(values), (NUM_RESAMPLES, len(values)))
        low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5)).tolist()
        return low, high


@dataclass(frozen=True)
class Example:
    """A query on which two systems differ much, and why.

    Args:
        first_name: One system.
        second_name: The other.
        change: The query and its two values.
        query: Its text.
        document_id: A relevant document that they rank differently; empty where none is known.
        text: Its beginning; empty where no index has it.
        ranks: Its rank in the first and in the second; None below the tenth.
        matches: Which token of the query met which of the document, and their similarity, where MaxSim was computed.
    """

    first_name: str
    second_name: str
    change: Change
    query: str
    document_id: str
    text: str
    ranks: tuple[int | None, int | None]
    matches: tuple[tuple[str, str, float], ...] = ()


@dataclass(frozen=True)
class CollectionReport:
    """What was found on one collection.

    Args:
        name: Of the collection.
        num_documents: In its corpus.
        queries: Texts by query id.
        relevant: By query id, documents that answer it, the most relevant first.
        systems: What was measured.
        examples: Queries that say something.
        points: Index settings beside each other, where a sweep was asked for.
    """

    name: str
    num_documents: int
    queries: Mapping[str, str]
    relevant: Mapping[str, tuple[str, ...]]
    systems: tuple[System, ...]
    examples: tuple[Example, ...] = ()
    points: tuple[IndexPoint, ...] = ()

    def system(self, name: str) -> System:
        """One of the systems.

        Raises:
            InvalidInput: There is none of this name.
        """
        found = next((one for one in self.systems if one.name == name), None)
        if found is None:
            known = ", ".join(one.name for one in self.systems)
            raise InvalidInput(f"{self.name} has no system {name!r}; there are: {known}.")
        return found


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Args:
        title: What was evaluated.
        model: Its id, revision and fingerprint.
        settings: Of the index, and of how texts were encoded.
        machine: Processor, cores, versions.
        measures: The first one is what comparisons are made in.
        collections: What was found on each.
        comparisons: By collection, pairs of systems; corrected for all pairs of the report.

    Example:
        >>> report = Report.read("evaluation/report.json")  # doctest: +SKIP
        >>> report.collections[0].system("index").mean("nDCG@10")  # doctest: +SKIP
        0.7104
    """

    title: str
    model: Mapping[str, Any]
    settings: Mapping[str, Any]
    machine: Mapping[str, str]
    measures: tuple[str, ...]
    collections: tuple[CollectionReport, ...]
    comparisons: Mapping[str, tuple[PairwiseComparison, ...]] = field(default_factory=dict)

    def to_json(self) -> str:
        """All of it, as ``read`` takes it."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, indent=1, ensure_ascii=False)

    def card_entries(self, *, system: str = "index") -> list[dict[str, Any]]:
        """As the function ``card_entries``: what a card's ``model-index`` says of one system."""
        from colbert_kit.evaluation.cards import card_entries

        return card_entries(self, system=system)

    def card_lines(self) -> list[str]:
        """What a card says to people: measures, bytes and latency of each system, without any text of the corpus."""
        from colbert_kit.evaluation.markdown import card_lines

        return card_lines(self)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read ``report.json``, or the one in a folder.

        Raises:
            InvalidInput: There is no such file.
            InvalidData: It is no report, or of a newer version.
        """
        path = Path(path)
        path = path / "report.json" if path.is_dir() else path
        if not path.is_file():
            raise InvalidInput(f"there is no report {path}; colbert-kit evaluate writes one.")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            version = content.pop("format_version")
            if version != FORMAT_VERSION:
                raise InvalidData(f"{path} is a report of version {version}; this colbert_kit reads {FORMAT_VERSION}.")
            return cls(
                **content
                | {
                    "measures": tuple(content["measures"]),
                    "collections": tuple(_collection(one) for one in content["collections"]),
                    "comparisons": {
                        name: tuple(_pairwise(one) for one in found) for name, found in content["comparisons"].items()
                    },
                }
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, InvalidData):
                raise
            raise InvalidData(f"{path} is no report: {type(error).__name__}, {error}.") from error


def compare_systems(
    pairs: Iterable[tuple[str, System, System]], measure: str, *, num_changes: int = 10
) -> dict[str, tuple[PairwiseComparison, ...]]:
    """Compare pairs of systems on their collections, corrected for all of them together.

    Args:
        pairs: The collection's name, and the two systems.
        measure: What to compare.
        num_changes: Queries named for each pair.

    Raises:
        InvalidInput: Two systems were measured on different queries, or not by this measure.
    """
    listed = list(pairs)
    for name, first, second in listed:
        if measure not in first.values or measure not in second.values:
            raise InvalidInput(f"{name}: {first.name} and {second.name} were not both measured by {measure}.")
    values = [(first.values[measure], second.values[measure]) for _, first, second in listed]
    found = [compare_paired(first, second) for first, second in values]
    corrected = correct_holm([one.p_value for one in found])
    compared: dict[str, tuple[PairwiseComparison, ...]] = {}
    for (name, first, second), sides, one, p_value in zip(listed, values, found, corrected, strict=True):
        pair = PairwiseComparison(first.name, second.name, measure, one, p_value, changes(*sides, num_changes))
        compared[name] = (*compared.get(name, ()), pair)
    return compared


def _collection(content: dict[str, Any]) -> CollectionReport:
    systems = tuple(
        System(
            **one
            | {
                "top": {query: tuple(ids) for query, ids in one["top"].items()},
                **{name: None if one[name] is None else Latency(**one[name]) for name in ("latency", "search_latency")},
            }
        )
        for one in content["systems"]
    )
    examples = tuple(
        Example(
            **one
            | {
                "change": Change(*one["change"]),
                "ranks": tuple(one["ranks"]),
                "matches": tuple((query, document, value) for query, document, value in one["matches"]),
            }
        )
        for one in content["examples"]
    )
    relevant = {query: tuple(ids) for query, ids in content["relevant"].items()}
    return CollectionReport(
        **content
        | {
            "relevant": relevant,
            "systems": systems,
            "examples": examples,
            "points": tuple(_point(one) for one in content["points"]),
        }
    )


def _point(content: dict[str, Any]) -> IndexPoint:
    latencies = {name: Latency(**content[name]) for name in ("search", "encode", "total")}
    threads = {int(number): value for number, value in content["queries_per_second"].items()}
    return IndexPoint(
        **content | latencies | {"config": SearchConfig(**content["config"]), "queries_per_second": threads}
    )


def _pairwise(content: dict[str, Any]) -> PairwiseComparison:
    names = {one.name for one in dataclasses.fields(Comparison)}
    comparison = Comparison(**{name: content["comparison"][name] for name in names})
    return PairwiseComparison(
        **content | {"comparison": comparison, "changes": tuple(Change(*one) for one in content["changes"])}
    )
