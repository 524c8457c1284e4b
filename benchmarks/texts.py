"""What leaving SciFact's abstracts elsewhere costs: bytes that come down at first, and with each ten hits.

python -m benchmarks.texts
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import describe
from colbert_kit import data
from colbert_kit.documents import Documents, stage_documents, writing
from colbert_kit.folders import Commit, Snapshot

SEARCHES = 200
HITS = 10


def main() -> None:
    print(describe())
    documents = [{"id": one["id"], "text": one["text"], "year": 2000 + row % 20, "title": one["title"]}
                 for row, one in enumerate(data.read_demo_corpus())]  # fmt: skip
    print("texts of a block   documents   blocks   metadata   with titles   for ten hits: requests      bytes")
    for size in (16_384, 32_768, 65_536, 131_072):
        writing.BLOCK_BYTES = size
        plain = [{name: value for name, value in one.items() if name != "title"} for one in documents]
        sizes, requests, fetched = measure(plain)
        titles, _, _ = measure(documents)
        share = {room: 100 * sizes[room] / sizes["documents"] for room in ("blocks", "metadata")}
        print(
            f"{size:16,}  {sizes['documents']:10,}  {share['blocks']:6.2f} %  {share['metadata']:7.2f} %"
            f"  {100 * titles['metadata'] / titles['documents']:10.2f} %  {requests:23.1f}  {fetched:11,.0f}"
        )


def measure(documents: list[dict[str, object]]) -> tuple[dict[str, int], float, float]:
    """Bytes of each kind of file; requests and bytes of ten hits at random places."""
    asked: list[tuple[str, int, int]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Commit(folder) as commit:
            stage_documents(commit, documents)
        [name] = [path.relative_to(folder).as_posix() for path in folder.glob("documents/*")]
        content = (folder / name).read_bytes()

        def fetch(parts: Sequence[tuple[str, int, int]]) -> list[bytes]:
            asked.extend(parts)
            return [content[start:stop] for _, start, stop in parts]

        for seed in range(SEARCHES):
            elsewhere = Documents(Snapshot(folder, elsewhere=[name]), fetch)
            elsewhere.get_many(random.Random(seed).sample(range(len(documents)), HITS))
        sizes = {room: sum(path.stat().st_size for path in (folder / room).iterdir())
                 for room in ("documents", "blocks", "metadata")}  # fmt: skip
    return sizes, len(asked) / SEARCHES, sum(stop - start for _, start, stop in asked) / SEARCHES


if __name__ == "__main__":
    main()
