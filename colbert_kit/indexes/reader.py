"""Ask one generation of an index, whatever its segments are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.folders import Snapshot, release_pages
from colbert_kit.indexes.codec import Codec
from colbert_kit.indexes.ids import Rows
from colbert_kit.indexes.probing import CodedSearch, SearchConfig
from colbert_kit.indexes.section import IndexSection, read_search
from colbert_kit.indexes.segments import batches_of, read_coded, read_floats, take
from colbert_kit.scores import PackedEmbeddings, SegmentView, kernel, maxsim, threads

__all__ = ["IndexReader"]

QUERIES_AT_ONCE = 32
"""Queries of one pass over float segments; it bounds the memory for their similarities to a block of tokens."""


class IndexReader:
    """Search over one generation's segments; safe to share between threads.

    Args:
        snapshot: The generation.

    Raises:
        InvalidFolder: The files contradict each other or the manifest.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.section = section = IndexSection.read(snapshot)
        self._kept = read_search(snapshot)
        self.dim = section.dim
        self.codec: Codec | None = None
        self.floats: list[PackedEmbeddings] = []
        self.coded: list[SegmentView] = []
        if section.codec is not None:
            if section.dim is None:
                raise InvalidFolder(f"{snapshot.folder}: the manifest's index section is damaged.")
            self.codec = Codec.read(snapshot, section.codec, dim=section.dim, nbits=section.nbits)
            self.coded = [read_coded(snapshot, folder, self.codec) for folder in section.segments]
            self._probing = CodedSearch(self.codec.view, self.coded)
        else:
            self.floats = [read_floats(snapshot, folder, section.dim or 0) for folder in section.segments]
        self.rows = Rows(snapshot, section.segments, section.tombstones)
        self._all_alive = bool(self.rows.alive.all())
        counts = [*map(len, self.floats), *map(len, self.coded)]
        self._firsts = np.cumsum([0, *counts])
        if len(self.rows.ids) != sum(counts) or len(self.rows.ids) != section.num_rows:
            raise InvalidFolder(f"{snapshot.folder}: ids and segments have different numbers of rows.")

    def __len__(self) -> int:
        """Documents that can be found."""
        return len(self.rows)

    @property
    def document_lengths(self) -> NDArray[np.int64]:
        """Token embeddings of each document that can be found, ``(num_documents,)``."""
        lengths = [one.lengths for one in self.floats] + [np.diff(one.offsets) for one in self.coded]
        return np.concatenate([np.zeros(0, np.int64), *lengths])[self.rows.alive]

    def search_config(self, k: int, config: SearchConfig | None = None) -> SearchConfig:
        """The numbers that a search of ``k`` hits works with; none where the index is not compressed."""
        if self.codec is None:
            return SearchConfig()
        widths = (config or self._kept.widened(k)).widths(k, len(self.rows.ids))
        return SearchConfig(widths.nprobe, widths.num_approximated, widths.num_rescored)

    def search(
        self,
        queries: PackedEmbeddings,
        k: int,
        mask: NDArray[np.bool_] | None = None,
        config: SearchConfig | None = None,
    ) -> list[list[tuple[int, float]]]:
        """Rank documents for each query.

        Args:
            queries: One or more queries.
            k: Hits a query at most.
            mask: Rows that may be found, ``(num_rows,)``; all where None.
            config: How much work to do, where the index is compressed; what the folder keeps where None.

        Returns:
            For each query ``(row, score)``, best first, ties by id.

        Raises:
            InvalidInput: ``k`` is below 1, or the queries are of another ``dim`` or not finite.
            InvalidFolder: A file was found to be damaged.
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise InvalidInput(f"k must be a whole number of 1 or more, got {k!r}.")
        if self.dim is not None and queries.dim != self.dim:
            raise InvalidInput(
                f"the index holds token embeddings of dim {self.dim}, the query's have {queries.dim}. "
                "Encode it with the model that built the index."
            )
        if not np.isfinite(queries.embeddings).all():
            raise InvalidInput("token embeddings of a query must be finite numbers, got NaN or infinity.")
        allowed = None if self._all_alive else self.rows.alive
        if mask is not None:
            allowed = mask if allowed is None else allowed & mask
        if self.codec is not None:
            return self._search_coded(queries, int(k), allowed, config or self._kept.widened(int(k)))
        rankings: list[list[tuple[int, float]]] = []
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            some = PackedEmbeddings.pack(list(queries)[start : start + QUERIES_AT_ONCE], dim=queries.dim)
            rankings.extend(self._search_floats(some, int(k), allowed))
        return rankings

    def embeddings_of(self, row: int) -> NDArray[Any]:
        """The stored token embeddings of a row, ``(document_tokens, dim)``; decoded where they are compressed.

        Raises:
            InvalidInput: There is no such row.
        """
        if not 0 <= row < len(self.rows.ids):
            raise InvalidInput(f"there is no row {row}.")
        number = int(np.searchsorted(self._firsts, row, side="right")) - 1
        within = row - int(self._firsts[number])
        if self.codec is None:
            segment = self.floats[number]
            start, stop = segment.offsets[within : within + 2]
            return segment.embeddings[start:stop]
        coded = self.coded[number]
        start, stop = coded.offsets[within : within + 2]
        return kernel().decode(self.codec.view, coded, int(start), int(stop))

    def stored(self) -> Iterator[PackedEmbeddings]:
        """Token embeddings of the documents that can be found, in row order, a few hundred documents at a time.

        Yields:
            float16, as they are stored; nothing where the index is compressed.
        """
        for segment, first in zip(self.floats, self._firsts, strict=False):
            alive = self.rows.alive[first : first + len(segment)]
            for batch in batches_of(segment, np.flatnonzero(alive)):
                yield batch
                release_pages(segment.embeddings)

    def warm(self) -> None:
        """Read every page of the files once."""
        for one in self.floats:
            one.embeddings[::16].sum(dtype=np.float32)
        for segment in self.coded:
            for array in (segment.codes, segment.residuals, segment.inverse_norms, segment.postings):
                array[::16].sum(dtype=np.float32)

    def _search_coded(
        self, queries: PackedEmbeddings, k: int, allowed: NDArray[np.bool_] | None, config: SearchConfig
    ) -> list[list[tuple[int, float]]]:
        if not self.coded:
            return [[] for _ in range(len(queries))]
        each = [np.ascontiguousarray(query, dtype=np.float32) for query in queries]
        with threads.sharing() as num_threads:
            # Several queries share the threads among them; one has them all.
            within = num_threads if len(each) == 1 else 1
            found = threads.run(lambda query: self._probing(query, k, allowed, config, within), each, num_threads)
        return [self._rank(rows.astype(np.int64), scores, k) for rows, scores in found]

    def _search_floats(
        self, queries: PackedEmbeddings, k: int, allowed: NDArray[np.bool_] | None
    ) -> list[list[tuple[int, float]]]:
        scores = np.full((len(queries), len(self.rows.ids)), -np.inf, dtype=np.float32)
        for segment, first in zip(self.floats, self._firsts, strict=False):
            columns = slice(first, first + len(segment))
            wanted = np.arange(len(segment)) if allowed is None else np.flatnonzero(allowed[columns])
            if 2 * len(wanted) > len(segment):
                # Scoring all of them where they lie beats copying most of them together.
                scores[:, columns] = maxsim(queries, segment)
            elif len(wanted):
                scores[:, columns][:, wanted] = maxsim(queries, take(segment, wanted))
        rows = np.arange(len(self.rows.ids)) if allowed is None else np.flatnonzero(allowed)
        return [self._rank(rows, one[rows], k) for one in scores]

    def _rank(self, rows: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        if len(rows) > k:
            # Keep all that tie with the k-th, so that the id decides and not their place in the index.
            kept = scores >= np.partition(scores, len(rows) - k)[len(rows) - k]
            rows, scores = rows[kept], scores[kept]
        ids = self.rows.ids
        ranked = sorted(zip(rows.tolist(), scores.tolist(), strict=True), key=lambda one: (-one[1], ids[one[0]]))
        return ranked[:k]
