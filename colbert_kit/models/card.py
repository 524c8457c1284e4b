"""The card of a model: how each library opens it, what it does to texts, what was measured, how it was trained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

from colbert_kit import hub
from colbert_kit.models.identity import fingerprint, record_of
from colbert_kit.models.prompts import prompt_of

if TYPE_CHECKING:
    from colbert_kit.evaluation import Report

__all__ = ["Facts", "model_card"]

TAGS = ("sentence-transformers", "multi-vector", "colbert", "ColBERT", "late-interaction", "retrieval", "colbert-kit")
FROM_TRAINER = ("generated_from_trainer", "dataset_size:", "loss:")
"""Tags of sentence-transformers' own card that say how a model was trained."""


@dataclass(frozen=True)
class Facts:
    """What a model does not know of itself; see ``push_to_hub``."""

    base_model: str | None
    datasets: Sequence[str]
    license: str | None
    languages: Sequence[str]
    report: Report | None
    opens_in_pylate: bool


def model_card(model: MultiVectorEncoder, repo_id: str, facts: Facts, written: str) -> str:
    """The ``README.md`` of a model on the Hub.

    Args:
        model: The model.
        repo_id: The repository.
        facts: What its author says of it.
        written: The card that sentence-transformers writes of it, of which the training's part is kept.
    """
    theirs, body = hub.read_card(written)
    base_model = facts.base_model or _base_model(model, repo_id, theirs)
    name = repo_id.partition("/")[2]
    results = _results(name, facts, theirs)
    metadata = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "feature-extraction",
        "license": facts.license,
        "language": list(facts.languages),
        "base_model": base_model,
        "datasets": list(dict.fromkeys([*facts.datasets, *_listed(theirs, "datasets")])),
        "tags": [
            *TAGS,
            *(["PyLate"] if facts.opens_in_pylate else []),
            *(tag for tag in _listed(theirs, "tags") if tag.startswith(FROM_TRAINER)),
        ],
        "model-index": results,
    }
    lines = [f"# {name}", "", _about(model, base_model), "", *_usage(repo_id, facts.opens_in_pylate)]
    lines += ["## What it does to texts", "", *_treatment(model), ""]
    if facts.report is not None:
        lines += ["## What was measured", "", *facts.report.card_lines(), ""]
    return hub.make_card(metadata, "\n".join([*lines, *_training(body)]))


def _listed(metadata: dict[str, Any], name: str) -> list[str]:
    found = metadata.get(name) or []
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, str)]


def _base_model(model: MultiVectorEncoder, repo_id: str, theirs: dict[str, Any]) -> str | None:
    """What it was trained from, as far as others could get that too."""
    names = [*_listed(theirs, "base_model"), record_of(model).id]
    known = [one for one in names if hub.is_repo_id(one) and not Path(one).exists() and one != repo_id]
    return next((one for one in known if "/" in one and not one.startswith("colbert_kit/")), None)


def _results(name: str, facts: Facts, theirs: dict[str, Any]) -> list[dict[str, Any]]:
    """What was measured of this model; if nothing was, on what training held out."""
    entries = facts.report.card_entries() if facts.report is not None else theirs.get("model-index") or []
    # A report is called by its model, which may have lain in a folder of somebody's machine.
    return [{**entry, "name": name} for entry in entries[:1] if isinstance(entry, dict)]


def _about(model: MultiVectorEncoder, base_model: str | None) -> str:
    made_of = f", made of [{base_model}]({hub.page_of(base_model)})" if base_model else ""
    return (
        f"A late-interaction (ColBERT) model{made_of}: a text becomes an embedding of "
        f"{model.get_embedding_dimension()} dimensions for each of its tokens, and a query is compared with a document "
        "by MaxSim."
    )


def _usage(repo_id: str, opens_in_pylate: bool) -> list[str]:
    pylate = [
        "With [PyLate](https://github.com/lightonai/pylate):",
        "",
        "```python",
        "from pylate import models",
        "",
        f'model = models.ColBERT("{repo_id}")',
        'query_embeddings = model.encode(["which planet is red?"], is_query=True)',
        "```",
        "",
    ]
    return [
        "## How to use it",
        "",
        "With [sentence-transformers](https://www.sbert.net) 6.2 or newer:",
        "",
        "```python",
        "from sentence_transformers import MultiVectorEncoder",
        "",
        f'model = MultiVectorEncoder("{repo_id}")',
        'query_embeddings = model.encode_query(["which planet is red?"])',
        'document_embeddings = model.encode_document(["Mars looks red.", "Venus is like the Earth."])',
        "print(model.similarity(query_embeddings, document_embeddings))",
        "```",
        "",
        *(pylate if opens_in_pylate else ["PyLate has no model of these modules, and does not open it.", ""]),
        "With colbert_kit, as an index on disk:",
        "",
        "```python",
        "from colbert_kit import Searcher, models",
        "",
        f'searcher = Searcher.build("my-index", models.ColBERT("{repo_id}"), documents)',
        'print(searcher.search("which planet is red?", k=5))',
        "```",
        "",
    ]


def _treatment(model: MultiVectorEncoder) -> list[str]:
    encoder: Any = model[0]
    expansion = encoder.query_expansion
    query = f"cut at {encoder.query_length} tokens" if encoder.query_length else "not cut"
    if expansion:
        query = f"{expansion['length']} tokens, filled up with masks, which are scored"
    document = f"cut at {encoder.document_length} tokens" if encoder.document_length else "not cut"
    skipped = [word for module in model if isinstance(module, MultiVectorMask) for word in module.skiplist_words]
    return [
        f"- Queries: marker {hub.as_code(prompt_of(model, 'query') or 'none')}, {query}.",
        f"- Documents: marker {hub.as_code(prompt_of(model, 'document') or 'none')}, {document}, "
        f"{len(skipped) or 'no'} words not scored.",
        f"- Fingerprint: {hub.as_code(fingerprint(model)[:12])}, by which an index knows its model.",
    ]


def _training(body: str) -> list[str]:
    """The part of sentence-transformers' card on training, without texts of the training set and without paths."""
    found = re.search(r"^## Training Details\n(.*?)(?=^## |\Z)", body, re.MULTILINE | re.DOTALL)
    if found is None or "### Training Dataset" not in found[1]:
        return []
    text = re.sub(r"#### All Hyperparameters\n<details>.*?</details>\n", "", found[1], flags=re.DOTALL)
    text = re.sub(r"^\* Samples:\n(?:  \|.*\n)+", "", text, flags=re.MULTILINE)
    kept = [line for line in text.strip().splitlines() if not re.search(r": `?/\w", line)]
    return ["## How it was trained", "", *kept, ""]
