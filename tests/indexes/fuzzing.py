"""Damages folders and asks them; ``python -m tests.indexes.fuzzing FIRST LAST FOLDER [MODEL_FOLDER]``.

A case's number decides what is damaged and how. Each case says one JSON line before it is tried and one after it, so
that whoever reads them knows which case has ended or stopped the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["damage", "main"]

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**70, 1.5, float("nan"), float("inf"), "", "x", "\0", "../x", "/etc",
    "\ud800", [], [0], [None], ["x"], [[]], {}, {"x": 1}, "segments/0001", "segments/0002", "float16", "uint8",
)  # fmt: skip


def damage(folder: Path, chosen: random.Random) -> str:
    """Damage a folder in one or two ways and say how."""
    said = []
    for _ in range(chosen.choice((1, 1, 1, 2))):
        kinds = (_mutate, _mutate, _flip, _flip, _flip, _overwrite, _truncate, _extend, _remove, _swap, _link)
        said.append(chosen.choice(kinds)(folder, chosen))
    return ", ".join(said)


def _named(folder: Path, chosen: random.Random) -> Path:
    return chosen.choice(sorted(path for path in folder.rglob("*.*") if path.is_file() and path.name != ".lock"))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def _mutate(folder: Path, chosen: random.Random) -> str:
    path = folder / "manifest.json"
    try:
        content = json.loads(path.read_text(errors="surrogatepass"))
    except (ValueError, FileNotFoundError):  # an earlier damage took it
        return "nothing"
    places = list(_places(content))
    if not places:
        return "nothing"
    holder, key = chosen.choice(places)
    if chosen.random() < 0.2:
        del holder[key]
        change = "deleted"
    elif chosen.random() < 0.3:
        # A value from elsewhere in the manifest: right of its kind, and wrong.
        other, name = chosen.choice(places)
        with contextlib.suppress(LookupError):
            holder[key] = json.loads(json.dumps(other[name]))
        change = f"made that of {name}"
    else:
        holder[key] = chosen.choice(ODD_VALUES)
        change = f"made {holder[key]!r}"
    path.write_text(json.dumps(content))
    return f"manifest: {key} {change}"


def _bytes(change: Callable[[bytearray, random.Random], None]) -> Callable[[Path, random.Random], str]:
    def changed(folder: Path, chosen: random.Random) -> str:
        path = _named(folder, chosen)
        raw = bytearray(path.read_bytes())
        change(raw, chosen)
        path.unlink()
        path.write_bytes(raw)
        return f"{change.__name__} in {path.relative_to(folder)}"

    return changed


def flip(raw: bytearray, chosen: random.Random) -> None:
    # Half of them behind an array's header, where the manifest does not show them.
    for _ in range(chosen.choice((1, 1, 4, 40)) if raw else 0):
        start = min(128, len(raw) - 1) if chosen.random() < 0.7 else 0
        raw[chosen.randrange(start, len(raw))] ^= 1 << chosen.randrange(8)


def overwrite(raw: bytearray, chosen: random.Random) -> None:
    start = chosen.randrange(len(raw)) if raw else 0
    length = chosen.randint(1, 64)
    raw[start : start + length] = bytes([chosen.choice((0, 255, 127, 128))]) * len(raw[start : start + length])


def truncate(raw: bytearray, chosen: random.Random) -> None:
    del raw[chosen.randrange(len(raw) + 1) :]


def extend(raw: bytearray, chosen: random.Random) -> None:
    raw += chosen.randbytes(chosen.randint(1, 200))


_flip, _overwrite, _truncate, _extend = map(_bytes, (flip, overwrite, truncate, extend))


def _remove(folder: Path, chosen: random.Random) -> str:
    path = _named(folder, chosen)
    path.unlink()
    return f"{path.relative_to(folder)} removed"


def _swap(folder: Path, chosen: random.Random) -> str:
    first, second = _named(folder, chosen), _named(folder, chosen)
    content, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(content)
    return f"{first.relative_to(folder)} and {second.relative_to(folder)} swapped"


def _link(folder: Path, chosen: random.Random) -> str:
    path = _named(folder, chosen)
    outside = folder.parent / f"outside-{chosen.randrange(10**9)}"
    path.rename(outside)
    path.symlink_to(outside if chosen.random() < 0.8 else path)
    return f"{path.relative_to(folder)} linked to outside"


def _index_asker(folder: Path) -> Callable[[Path, bool], list[tuple[list[str], Any]]]:
    from colbert_kit.folders import open_newest
    from colbert_kit.indexes import IndexReader, SearchConfig
    from colbert_kit.scores import PackedEmbeddings

    generator = np.random.default_rng(0)
    dim = 16
    queries = PackedEmbeddings.pack([generator.standard_normal((4, dim)).astype(np.float32) for _ in range(2)])
    narrow = SearchConfig(nprobe=3, num_approximated=8, num_rescored=4)

    def ask(damaged: Path, verify: bool) -> list[tuple[list[str], Any]]:
        reader = open_newest(damaged, IndexReader, verify=verify)
        answers = []
        for config in (None, narrow):
            for ranking in reader.search(queries, 5, None, config):
                answers.append(([reader.rows.ids[row] for row, _ in ranking], [score for _, score in ranking]))
        return answers

    return ask


def _searcher_asker(model_folder: str) -> Callable[[Path, bool], list[tuple[list[str], Any]]]:
    from colbert_kit import Searcher, models

    model = models.ColBERT(model_folder, device="cpu")

    def ask(damaged: Path, verify: bool) -> list[tuple[list[str], Any]]:
        searcher = Searcher.open(damaged, model, dtype="float32", verify=verify)
        answers = []
        for options in ({}, {"filters": [("year", ">", 2003)]}):
            hits = searcher.search("the song of the mountain", 5, **options)
            answers.append(([hit.id for hit in hits], [(hit.score, hit.text, hit.metadata) for hit in hits]))
        return answers

    return ask


def main(first: int, last: int, folder: Path, model_folder: str | None) -> None:
    """Try the cases ``first`` to ``last``."""
    import torch

    from colbert_kit.errors import InvalidFolder, InvalidInput

    torch.set_num_threads(1)
    # Scores that damage has made infinite or no number.
    warnings.simplefilter("ignore")
    ask = _index_asker(folder) if model_folder is None else _searcher_asker(model_folder)
    right = ask(folder, True)
    known = {json.loads(line) for line in (folder.parent / "ids").read_text().splitlines()}
    for case in range(first, last):
        _say(begun=case)
        with tempfile.TemporaryDirectory() as place:
            damaged = Path(place) / "folder"
            shutil.copytree(folder, damaged)
            how = damage(damaged, random.Random(case))
            for verify in (False, True):
                try:
                    answers = ask(damaged, verify)
                except (InvalidFolder, InvalidInput) as error:
                    outcome = type(error).__name__
                    # A filter may name a column that the damage has renamed; an index alone takes no such input.
                    wrong = outcome == "InvalidInput" and (verify or model_folder is None)
                except BaseException as error:  # noqa: BLE001 - any other is what is looked for
                    outcome, wrong = repr(error), True
                else:
                    outcome = "answer"
                    strangers = {one for ids, _ in answers for one in ids} - known
                    wrong = answers != right if verify else bool(strangers) and "ids.npy" not in how
                _say(case=case, verify=verify, how=how, outcome=outcome, wrong=wrong)


def _say(**answer: object) -> None:
    os.write(1, (json.dumps(answer) + "\n").encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), *(sys.argv[4:] or [None]))
