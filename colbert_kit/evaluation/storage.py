"""In which form an index could be kept: bits and pooling that fit a limit, built from stored token embeddings."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from colbert_kit import models
from colbert_kit.evaluation.encoded import encoded_corpus, folder_of
from colbert_kit.evaluation.index_sweep import search_settings, variant
from colbert_kit.evaluation.index_timing import Setting
from colbert_kit.evaluation.limits import Limits
from colbert_kit.folders import exists
from colbert_kit.indexes import SearchConfig
from colbert_kit.progress import OnProgress
from colbert_kit.searcher import Searcher

__all__ = ["Forms"]

logger = logging.getLogger(__name__)

NBITS = (4, 2, 1)
POOL_FACTORS = (1, 2, 3)
"""What is tried: those of ``docs/compression.md``, where 4 bits lose nothing that can be shown."""

BESIDE_RESIDUAL = 4
"""Bytes of a token beside its residual, at least: a code of 16 bits and an inverse norm of 16."""


class Forms:
    """The forms of an index that are tried.

    Args:
        searcher: The index as it is.
        limits: What it may cost. Other bits and pooling are tried where bytes are limited, or where the index is not
            compressed and has no search settings to choose.
        on_progress: Told of documents encoded and indexes built.
    """

    def __init__(self, searcher: Searcher, limits: Limits, on_progress: OnProgress | None = None) -> None:
        self.searcher = searcher
        self._on_progress = on_progress
        self._work = models.cache_folder() / "variants"
        self._built: list[Path] = []
        self._most_bytes = (limits.max_bytes_per_document or np.inf) * len(searcher)
        self._may_change = limits.max_bytes_per_document is not None or not searcher.is_compressed
        self._source = self._token_embeddings()

    @property
    def exact(self) -> Setting:
        """What gives the ranking to measure recall against."""
        if self._source is not None:
            return Setting(self._source)
        return Setting(self.searcher, SearchConfig(num_rescored=len(self.searcher)))

    @property
    def exact_name(self) -> str:
        """What recall is against, in words."""
        if self._source is not None:
            return "exact MaxSim of float16 token embeddings"
        return "scoring every document of the index as it is kept"

    def settings(self, k: int) -> list[Setting]:
        """What is tried: the index as it is, other search settings of it, and of its other forms that fit.

        Args:
            k: Hits of each search.

        Returns:
            The index as it is first, if it fits. Where no form is small enough, the smallest one.
        """
        now = Setting(self.searcher)
        forms = [now, *(form for form in self._others() if form.searcher is not self.searcher)]
        fitting = [form for form in forms if self._bytes(form) <= self._most_bytes]
        if not fitting:
            return [min(forms, key=self._bytes)]
        found = [now] if now in fitting else []
        used = self.searcher.search_config(k)
        for form in fitting:
            configs = search_settings(form.searcher, k)
            found += [replace(form, config=one) for one in configs if form is not now or one != used]
        return found

    def remove(self) -> None:
        """Delete the indexes that were built."""
        for folder in self._built:
            shutil.rmtree(folder, ignore_errors=True)

    def _token_embeddings(self) -> Searcher | None:
        """The corpus's token embeddings as they were before they were compressed, if they are needed or there."""
        searcher = self.searcher
        if not searcher.is_compressed:
            return searcher
        if not self._may_change:
            place = folder_of(searcher.model, searcher.documents, dtype=searcher.dtype)
            return Searcher.open(place, searcher.model, dtype=searcher.dtype) if exists(place) else None
        logger.info("The index keeps codes only, so its documents are encoded once more, or taken from the cache.")
        return encoded_corpus(searcher.model, searcher.documents, dtype=searcher.dtype, on_progress=self._on_progress)

    def _bytes(self, form: Setting) -> float:
        return form.num_bytes or form.searcher.num_bytes

    def _others(self) -> list[Setting]:
        """For each pool factor the most bits that fit; if none fit, the fewest and most pooled."""
        if not self._may_change or self._source is None:
            return []
        factors = POOL_FACTORS if self._source.pool_factor == 1 else (self._source.pool_factor,)
        found: list[Setting] = []
        for factor in factors:
            for nbits in NBITS:
                if self._least_bytes(self._source, nbits, factor) <= self._most_bytes:
                    found.append(self._form(nbits, factor))
                    if self._bytes(found[-1]) <= self._most_bytes:
                        break
        return found or [self._form(NBITS[-1], factors[-1])]

    def _form(self, nbits: int, pool_factor: int) -> Setting:
        if self._source is None or (self.searcher.nbits, self.searcher.pool_factor) == (nbits, pool_factor):
            return Setting(self.searcher)
        built = variant(self._source, self._work, nbits, pool_factor, self._on_progress)
        self._built.append(built.searcher.folder)
        # Texts and metadata stay as they are.
        index_bytes = built.searcher.num_bytes - built.searcher.document_bytes
        return replace(built, num_bytes=index_bytes + self.searcher.document_bytes)

    def _least_bytes(self, source: Searcher, nbits: int, pool_factor: int) -> float:
        """What a form takes at least, without building it: its residuals and what stands beside each."""
        lengths = source.document_lengths
        if source.pool_factor == 1:
            lengths = np.minimum(lengths, np.maximum(lengths // pool_factor, 1))
        token_bytes = BESIDE_RESIDUAL + (source.dim or 0) * nbits / 8
        return float(lengths.sum()) * token_bytes + self.searcher.document_bytes
