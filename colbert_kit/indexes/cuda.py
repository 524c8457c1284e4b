"""Search on CUDA through fast-plaid, on an export of the index that is made once a generation and kept in the cache."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from colbert_kit.errors import InvalidConfig, InvalidInput, MissingExtra
from colbert_kit.folders import Snapshot
from colbert_kit.indexes.export import write_fast_plaid
from colbert_kit.indexes.probing import MAX_PROBE_FACTOR, SearchConfig, Widths
from colbert_kit.indexes.reader import IndexReader
from colbert_kit.machine import cache_folder
from colbert_kit.scores import PackedEmbeddings

__all__ = ["CudaReader", "check_device"]


class CudaReader(IndexReader):
    """An ``IndexReader`` whose compressed segments are searched by fast-plaid; all else is done as there.

    The first search exports the index into the kit's cache folder, under the hash of its files; later ones, of other
    processes too, use what is there. Scores differ from the CPU's by fast-plaid's float16: see ``docs/exchange.md``.

    Args:
        snapshot: The generation.
        device: What fast-plaid searches on: ``"cuda"``, ``"cuda:1"``; ``"cpu"`` is for tests.

    Raises:
        MissingExtra: fast-plaid is not installed.
        InvalidConfig: There is no such device here.
        InvalidFolder: The files contradict each other or the manifest.
    """

    def __init__(self, snapshot: Snapshot, *, device: str = "cuda") -> None:
        check_device(device)
        self._device = device
        self._theirs: Any = None
        self._opening = threading.Lock()
        super().__init__(snapshot)
        self._live = np.flatnonzero(self.rows.alive)

    def _search_coded(
        self, queries: PackedEmbeddings, k: int, allowed: NDArray[np.bool_] | None, config: SearchConfig
    ) -> list[list[tuple[int, float]]]:
        # fast-plaid knows living rows only, by their place among them. An empty subset it would take for none at all.
        subset = None if allowed is None else np.flatnonzero(allowed[self._live])
        if subset is not None and len(subset) == len(self._live):
            subset = None
        number = len(self._live) if subset is None else len(subset)
        if not number or not any(map(len, self.coded)):
            return [[] for _ in range(len(queries))]
        each = [np.ascontiguousarray(query, dtype=np.float32) for query in queries]
        asked = [index for index, query in enumerate(each) if len(query)]
        some = self._ask([torch.from_numpy(each[index]) for index in asked], k, subset, config) if asked else []
        # A query without tokens scores 0 everywhere, and fast-plaid cannot take one.
        every = (self._live if subset is None else self._live[subset]).tolist()
        rankings = [[(row, 0.0) for row in every] for _ in each]
        for index, hits in zip(asked, some, strict=True):
            rankings[index] = [(int(self._live[place]), float(score)) for place, score in hits]
        ids = self.rows.ids
        return [sorted(ranking, key=lambda hit: (-hit[1], ids[hit[0]]))[:k] for ranking in rankings]

    def _ask(
        self, queries: list[torch.Tensor], k: int, subset: NDArray[np.int64] | None, config: SearchConfig
    ) -> list[list[tuple[int, float]]]:
        number = len(self._live) if subset is None else len(subset)
        widths = config.widths(k, len(self._live))
        everything = number <= 2 * widths.num_rescored
        if subset is not None and not everything:
            factor = min(MAX_PROBE_FACTOR, len(self._live) / number)
            widths = replace(widths, nprobe=math.ceil(widths.nprobe * factor))
        found = self._run(queries, k, subset, None if everything else widths)
        short = [index for index, hits in enumerate(found) if len(hits) < min(k, number)]
        if short and not everything:
            again = self._run([queries[index] for index in short], k, subset, None)
            for index, hits in zip(short, again, strict=True):
                found[index] = hits
        return found

    def _run(
        self, queries: list[torch.Tensor], k: int, subset: NDArray[np.int64] | None, widths: Widths | None
    ) -> list[list[tuple[int, float]]]:
        """Ask fast-plaid; it scores all that may be found where ``widths`` is None."""
        number = len(self._live) if subset is None else len(subset)
        num_centroids = len(self.codec.view.centroids) if self.codec is not None else 0
        found: list[list[tuple[int, float]]] = self._engine().search(
            queries,
            top_k=min(k, number),
            # It panics if it is to probe more cells than there are.
            n_ivf_probe=num_centroids if widths is None else min(widths.nprobe, num_centroids),
            # It rescores a quarter of those that it approximates.
            n_full_scores=4 * number if widths is None else max(widths.num_approximated, 4 * widths.num_rescored),
            subset=None if subset is None else [subset.tolist()] * len(queries),
            show_progress=False,
            n_processes=1,
        )
        return found

    def _engine(self) -> Any:  # noqa: ANN401 - a FastPlaid
        from fast_plaid.search import FastPlaid

        with self._opening:
            if self._theirs is None:
                self._theirs = FastPlaid(str(self._exported()), device=self._device)
            return self._theirs

    def _exported(self) -> Path:
        """The export of this generation, made if nobody has."""
        files = self.snapshot.manifest.files
        ours = ("codec/", "segments/", "tombstones/")
        content = {name: files[name].sha256 for name in sorted(files) if name.startswith(ours)}
        folder = cache_folder() / "fast-plaid" / hashlib.sha256(json.dumps(content).encode()).hexdigest()
        if not (folder / "metadata.json").is_file():
            try:
                write_fast_plaid(self, folder)
            except InvalidInput:
                # Another process may have been faster.
                if not (folder / "metadata.json").is_file():
                    raise
        return folder


def check_device(device: str) -> None:
    """Refuse a device that fast-plaid cannot search on here.

    Raises:
        MissingExtra: fast-plaid is not installed.
        InvalidConfig: There is no such device.
    """
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise InvalidConfig(f"device must be 'cuda' or 'cuda:' and a number, got {device!r}.")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise InvalidConfig(
            f"device={device!r} was asked for, and PyTorch sees {torch.cuda.device_count()} CUDA devices."
        )
    if importlib.util.find_spec("fast_plaid") is None:
        raise MissingExtra("fast-plaid", "fast-plaid")
