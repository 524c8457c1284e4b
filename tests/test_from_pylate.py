"""Every snippet of ``docs/from-pylate.md`` runs, in order, as one script."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from colbert_kit import models
from tests.checkpoints import write_bert, write_pylate_v3

GUIDE = Path(__file__).parents[1] / "docs" / "from-pylate.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)

STAND_INS: dict[str, Callable[[Path], None]] = {
    "lightonai/GTE-ModernColBERT-v1": write_pylate_v3,
    "bert-base-uncased": write_bert,
}


def run_guide(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run all snippets in one namespace, in an empty folder, with tiny models in place of the Hub's."""
    load = models.ColBERT

    def stand_in(model_name_or_path: str, **rest: object) -> object:
        if (write := STAND_INS.get(model_name_or_path)) is not None:
            model_name_or_path = str(folder / model_name_or_path.replace("/", "--"))
            write(Path(model_name_or_path))
        return load(model_name_or_path, **rest)

    monkeypatch.chdir(folder)
    monkeypatch.setattr(models, "ColBERT", stand_in)
    text = GUIDE.read_text(encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "guide"}
    for match in BLOCK.finditer(text):
        # Blank lines in front, so that a traceback gives the line of the guide.
        lines = text[: match.start(1)].count("\n")
        exec(compile("\n" * lines + match[1], str(GUIDE), "exec"), namespace)
    return namespace


def test_every_snippet_runs_and_gives_what_the_guide_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    names = run_guide(tmp_path, monkeypatch)

    assert names["new_model"].get_embedding_dimension() == 64
    assert names["model"][0].document_length == 48  # overridden, saved and loaded again
    assert names["padded"].shape == (2, 6, 16)
    assert names["features"]["input_ids"].shape == (1, 24)
    assert names["prompt"] == "[Q] Represent this question: "
    assert len(names["pooled"][0]) < 9
    assert [len(inner) for inner in names["candidates_embeddings"]] == [2, 1]
    assert [[hit["id"] for hit in ranking] for ranking in names["rankings"]] == [["2"]]
    assert [sorted(hit["id"] for hit in ranking) for ranking in names["reranked"]] == [[1, 2], [3]]
    assert (tmp_path / "my-colbert" / "modules.json").is_file()
    assert "pylate.models.Dense.Dense" in (tmp_path / "for-pylate" / "modules.json").read_text()


def test_guide_has_snippets_and_speaks_of_every_call():
    text = GUIDE.read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) == text.count("```python") >= 10
    for word in (
        "is_query=", "convert_to_numpy", "convert_to_tensor", "padding", "pool_factor", "protected_tokens",
        "do_query_expansion", "tokenize", "precision", "encode_multi_process", "compose_prompt", "indexes.PLAID",
        "retrieve.ColBERT", "rank.rerank", "Voyager", "XTR", "export_pylate", "not yet",
    ):  # fmt: skip
        assert word in text, word


def test_guide_names_nothing_that_is_missing():
    import colbert_kit

    for room, name in re.findall(r"`(models|indexes|retrieve|rank)\.(\w+)", GUIDE.read_text(encoding="utf-8")):
        if (room, name) in {("indexes", "PLAID"), ("indexes", "Voyager"), ("retrieve", "XTR"), ("rank", "score_xtr")}:
            continue
        assert hasattr(getattr(colbert_kit, room), name), f"{room}.{name}"
