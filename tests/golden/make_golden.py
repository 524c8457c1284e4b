"""Write `pylate_1_6_0.npz`: what PyLate 1.6.0 makes of the checkpoints and texts in ``tests/checkpoints.py``.

PyLate pins an older sentence-transformers, so this runs in an environment of its own, from the repository's root::

    python -m venv .venv-pylate
    .venv-pylate/bin/pip install pylate==1.6.0
    HF_HUB_OFFLINE=1 .venv-pylate/bin/python -m tests.golden.make_golden

For each name in `CHECKPOINTS` the file holds, in the order of `QUERIES` and `DOCUMENTS` (n texts each):

- ``{name}/query_embeddings`` and ``{name}/document_embeddings``: ``(tokens of all texts, DIM)``, float32, unit norm;
- ``{name}/query_lengths`` and ``{name}/document_lengths``: ``(n,)``, int64, their sums are the rows above;
- ``{name}/weights_sha256``: `weights_sha256` of the folder, so that other weights are told from another encoding.

``versions`` names the libraries that made it. Each side is encoded as one batch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("pylate_1_6_0.npz")
PYLATE = "1.6.0"
LIBRARIES = ("pylate", "sentence-transformers", "transformers", "tokenizers", "torch", "numpy")


def main() -> None:
    """Write every checkpoint to a temporary folder, encode the texts with PyLate, write the golden file."""
    # Imported here: pytest collects this file for doctests, where PyLate is absent and the root may not be a path.
    from tests.checkpoints import CHECKPOINTS

    if version("pylate") != PYLATE:
        raise SystemExit(f"the golden file is PyLate {PYLATE}'s, but {version('pylate')} is installed")
    arrays = {"versions": np.array([f"{library}=={version(library)}" for library in LIBRARIES])}
    for name, write in CHECKPOINTS.items():
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            encoded = encode_checkpoint(Path(folder))
        arrays |= {f"{name}/{key}": array for key, array in encoded.items()}
    np.savez_compressed(GOLDEN, **arrays)


def encode_checkpoint(folder: Path) -> dict[str, np.ndarray]:
    """Encode both sides with PyLate on the CPU in float32, each as one batch, packed."""
    import torch
    from pylate import models

    from tests.checkpoints import DOCUMENTS, QUERIES, weights_sha256

    model = models.ColBERT(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    queries = model.encode(list(QUERIES), is_query=True, batch_size=len(QUERIES))
    documents = model.encode(list(DOCUMENTS), is_query=False, batch_size=len(DOCUMENTS))
    return {
        **_packed("query", queries),
        **_packed("document", documents),
        "weights_sha256": np.array(weights_sha256(folder)),
    }


def _packed(side: str, embeddings: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    lengths = np.array([len(token_embeddings) for token_embeddings in embeddings], dtype=np.int64)
    return {f"{side}_embeddings": np.concatenate(embeddings), f"{side}_lengths": lengths}


if __name__ == "__main__":
    main()
