"""Every snippet of ``docs/training.md`` runs, with small sets and a tiny model in place of the Hub's."""

import functools
import json
import re
from pathlib import Path

import datasets
import pytest
import sentence_transformers
import torch
from datasets import Dataset, DatasetDict

from colbert_kit import models
from colbert_kit.training import TrainingConfig
from tests.checkpoints import write_bert
from tests.training.runs import ROWS

GUIDE = Path(__file__).parents[2] / "docs" / "training.md"
TRIPLETS = [
    {"query": f"song {number}", "positive": f"the old song {number}", "negative": "a night train"}
    for number in range(200)
]
LENGTHS = {"query_length": 16, "document_length": 24}
SETS = {
    "triplet": Dataset.from_list(TRIPLETS),
    "queries": DatasetDict({"train": Dataset.from_list([{"query_id": 1, "text": "song"}])}),
    "documents": DatasetDict({"train": Dataset.from_list([{"document_id": n, "text": f"rain {n}"} for n in range(4)])}),
    "train": Dataset.from_list([{"query_id": 1, "document_ids": [0, 1, 2, 3], "scores": [0.1, 0.2, 0.9, 0.5]}] * 16),
}


def written(path):
    """The guide's config as a file."""
    path.write_text(re.search(r"^```yaml\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)[1])
    return path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_snippet_runs(tmp_path, monkeypatch):
    write_bert(tmp_path / "bert")
    load, arguments = models.ColBERT, sentence_transformers.SentenceTransformerTrainingArguments
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "ColBERT", lambda *_, **__: load(str(tmp_path / "bert"), device="cpu", **LENGTHS))
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    corpus = [{"id": number, "text": one["positive"]} for number, one in enumerate(ROWS)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    monkeypatch.setattr(
        sentence_transformers,
        "CrossEncoder",
        lambda _: (
            lambda queries, documents: [
                len(set(pair[0]) & set(pair[1])) for pair in zip(queries, documents, strict=True)
            ]
        ),
    )
    monkeypatch.setattr(
        torch, "compile", functools.partial(torch.compile, backend="eager")
    )  # no waiting for a compiler
    monkeypatch.setattr(datasets, "load_dataset", lambda _, name, split=None: SETS[name])
    monkeypatch.setattr(
        sentence_transformers,
        "SentenceTransformerTrainingArguments",
        lambda **options: arguments(**options, use_cpu=True, max_steps=2, report_to="none", logging_steps=1),
    )
    assert TrainingConfig.from_file(written(tmp_path / "config.yaml")).learning_rate == 3e-6
    names = {"__name__": "guide"}
    for block in re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE):
        exec(block, names)

    assert [one["loss"] > 0 for one in names["trainer"].state.log_history if "loss" in one] == [True, True]
    folder = tmp_path / "output" / "contrastive-bert-base-uncased"
    assert load(str(folder), device="cpu").get_embedding_dimension() == 128
