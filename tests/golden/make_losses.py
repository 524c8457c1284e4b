"""Write `pylate_losses.npz`: losses and gradients of PyLate 1.6.0 for the checkpoint of ``write_pylate_v3``.

PyLate pins an older sentence-transformers, so this runs in an environment of its own, from the repository's root::

    HF_HUB_OFFLINE=1 .venv-pylate/bin/python -m tests.golden.make_losses

(the environment of ``make_golden.py``). For each case of `CASES` the file holds ``{case}/loss`` and, by the names in
`WEIGHTS`, ``{case}/{weight}``: the gradient, float32. ``weights_sha256`` tells other weights from another computation.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("pylate_losses.npz")
PYLATE = "1.6.0"
TEXTS = ("the old song", "a night train", "rain on the mountain", "music by the river", "bread and coffee", "the city")
NEGATIVES = ("negative", "negative_1", "negative_2")
WEIGHTS = {
    "projection": lambda model: model[1].linear.weight,
    "attention": lambda model: model[0].auto_model.encoder.layer[0].attention.self.query.weight,
    "words": lambda model: model[0].auto_model.embeddings.word_embeddings.weight,
}
CASES = {
    "contrastive/1": ("Contrastive", 1, {"temperature": 0.02}),
    "contrastive/3": ("Contrastive", 3, {"temperature": 0.02}),
    "cached/1": ("CachedContrastive", 1, {"temperature": 0.02, "mini_batch_size": 1}),
    "cached/4": ("CachedContrastive", 3, {"temperature": 0.02, "mini_batch_size": 4}),
    "distillation/normalized": ("Distillation", 3, {"normalize_scores": True}),
    "distillation/plain": ("Distillation", 3, {"normalize_scores": False}),
}


def rows(negatives: int, with_scores: bool) -> list[dict[str, object]]:
    """Four rows of texts of the checkpoint's own words."""
    made = []
    for number in range(4):
        row: dict[str, object] = {"query": TEXTS[number], "positive": f"{TEXTS[number]} and {TEXTS[(number + 1) % 6]}"}
        for place, name in enumerate(NEGATIVES[:negatives]):
            row[name] = f"{TEXTS[(number + 2 + place) % 6]} {TEXTS[(number + place) % 6]}"
        if with_scores:
            texts = [row.pop(name) for name in ("positive", *NEGATIVES[:negatives])]
            row |= {"documents": texts, "scores": [5.0 - number, 1.0, 0.5 * number, 2.0]}
        made.append(row)
    return made


def main() -> None:
    """Write the checkpoint, run every case, write the golden file."""
    from pylate import losses, models, utils

    from tests.checkpoints import weights_sha256, write_pylate_v3

    if version("pylate") != PYLATE:
        raise SystemExit(f"the golden file is PyLate {PYLATE}'s, but {version('pylate')} is installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pylate_v3(folder)
        arrays = {"weights_sha256": np.array(weights_sha256(folder))}
        for case, (kind, negatives, options) in CASES.items():
            model = models.ColBERT(str(folder), device="cpu").eval()
            collator = utils.ColBERTCollator(model.tokenize, valid_label_columns=["scores"])
            batch = collator(rows(negatives, kind == "Distillation"))
            columns = ["query", "positive", *NEGATIVES[:negatives]]
            if kind == "Distillation":
                columns = ["query", "documents"]  # all documents of all queries in one
            loss = getattr(losses, kind)(model=model, **options)
            value = loss([column_of(batch, column, columns) for column in columns], batch.get("label"))
            value.backward()
            arrays[f"{case}/loss"] = value.detach().numpy()
            arrays |= {f"{case}/{weight}": of(model).grad.numpy() for weight, of in WEIGHTS.items()}
    np.savez_compressed(GOLDEN, **arrays)


def column_of(batch: dict[str, object], column: str, columns: list[str]) -> dict[str, object]:
    """Features of one column, as the trainer hands them to a loss."""
    longer = [f"{other}_" for other in columns if other.startswith(f"{column}_")]
    return {
        name[len(column) + 1 :]: value
        for name, value in batch.items()
        if name.startswith(f"{column}_") and not name.startswith(tuple(longer))
    }


if __name__ == "__main__":
    main()
