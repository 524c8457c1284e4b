"""What the manifest says of an index, and of how it is searched."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from colbert_kit.errors import InvalidConfig, InvalidFolder, InvalidInput
from colbert_kit.folders import Commit, Snapshot
from colbert_kit.indexes.probing import SearchConfig
from colbert_kit.scores import NBITS

__all__ = ["EXACT_BELOW", "IndexSection", "read_search", "stage_search"]

EXACT_BELOW = 131_072
"""Token embeddings below which all of them are kept as they are and scored. At this line, 1,375 passages of dim 128, a
query of 12 tokens takes 23 ms on 2 cores of an AMD EPYC, and 12 ms compressed: exactness is bought with time, and the
codec is trained on enough tokens."""


@dataclass(frozen=True)
class IndexSection:
    """The manifest's ``index`` section.

    Args:
        engine: ``"exact"`` keeps float16 for good; ``"plaid"`` compresses from ``exact_below`` tokens on.
        dim: Width of a token embedding; None while there is none.
        nbits: Bits of a residual a dimension, once compressed.
        exact_below: See ``engine``.
        codec: The codec's file; None while nothing is compressed.
        segments: Folders in row order.
        num_rows: Rows of all segments, removed ones included.
        tombstones: The bitmap of removed rows, or None.
    """

    engine: Literal["exact", "plaid"] = "exact"
    dim: int | None = None
    nbits: int = 4
    exact_below: int = EXACT_BELOW
    codec: str | None = None
    segments: tuple[str, ...] = ()
    num_rows: int = 0
    tombstones: str | None = None

    @classmethod
    def plaid(cls, *, nbits: int = 4, exact_below: int = EXACT_BELOW) -> IndexSection:
        """A new PLAID index.

        Raises:
            InvalidInput: ``nbits`` or ``exact_below`` cannot be.
        """
        if isinstance(nbits, bool) or nbits not in NBITS:
            raise InvalidInput(f"nbits must be one of {', '.join(map(str, NBITS))}, got {nbits!r}.")
        if isinstance(exact_below, bool) or not isinstance(exact_below, int) or exact_below < 0:
            raise InvalidInput(f"exact_below must be a number of tokens, 0 or more, got {exact_below!r}.")
        return cls(engine="plaid", nbits=int(nbits), exact_below=exact_below)

    @classmethod
    def of(cls, commit: Commit) -> IndexSection:
        """The section of a commit, which is always well formed."""
        content = commit.sections["index"]
        return cls(**{**content, "segments": tuple(content["segments"])})

    @classmethod
    def read(cls, snapshot: Snapshot) -> IndexSection:
        """The section of a generation.

        Raises:
            InvalidFolder: It is damaged.
        """
        content = snapshot.section("index")
        try:
            section = cls(**{**content, "segments": tuple(content["segments"])})
        except (TypeError, KeyError) as error:
            raise InvalidFolder(f"{snapshot.folder}: the manifest's index section is damaged: {error}.") from error
        kinds_fit = (
            section.engine in ("exact", "plaid")
            and all(isinstance(name, str) for name in section.segments)
            and isinstance(section.dim, int | None)
            and section.nbits in NBITS
            and isinstance(section.num_rows, int)
            and isinstance(section.codec, str | None)
            and isinstance(section.tombstones, str | None)
        )
        if not kinds_fit or (section.segments and section.dim is None):
            raise InvalidFolder(f"{snapshot.folder}: the manifest's index section is damaged.")
        return section

    def stage(self, commit: Commit, **changes: Any) -> IndexSection:  # noqa: ANN401 - fields of this class
        """Put the section with changes into a commit, and return it."""
        changed = replace(self, **changes)
        commit.sections["index"] = {**asdict(changed), "segments": list(changed.segments)}
        return changed


def read_search(snapshot: Snapshot) -> SearchConfig:
    """The search settings that a generation keeps; all None where it keeps none, as before there were any.

    Raises:
        InvalidFolder: They are damaged, or there is one that this library does not know.
    """
    content = snapshot.manifest.sections.get("search", {})
    try:
        return SearchConfig(**content)
    except (TypeError, InvalidConfig) as error:
        raise InvalidFolder(
            f"{snapshot.folder}: the manifest's search section is damaged: {error}. Build or download the index again."
        ) from error


def stage_search(commit: Commit, config: SearchConfig | None) -> None:
    """Put search settings into a commit; None takes out those that are there."""
    kept = {name: value for name, value in asdict(config or SearchConfig()).items() if value is not None}
    commit.sections.pop("search", None)
    if kept:
        commit.sections["search"] = kept
