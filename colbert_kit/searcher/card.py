"""The card of an index: what is in it, whose model, how to use it, what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from colbert_kit import hub
from colbert_kit.searcher.encoding import SHIPPED
from colbert_kit.searcher.hits import Generation

if TYPE_CHECKING:
    from colbert_kit.evaluation import Report

__all__ = ["Facts", "index_card"]

TAGS = ("late-interaction", "multi-vector", "colbert", "plaid", "search-index", "colbert-kit")
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))

DOCUMENTS = {
    "config_name": "documents",
    "data_files": [{"split": "train", "path": "documents/*.parquet"}],
    "default": True,
}
"""What the Hub's viewer shows, and ``datasets.load_dataset`` loads."""


@dataclass(frozen=True)
class Facts:
    """What an index does not know of itself; see ``Searcher.push_to_hub``."""

    license: str | None = None
    languages: Sequence[str] = ()
    corpus: str | None = None
    report: Report | None = None


def index_card(generation: Generation, model: Mapping[str, Any], repo_id: str, facts: Facts) -> str:
    """The ``README.md`` of an index on the Hub.

    Args:
        generation: What is pushed.
        model: The manifest's model section, as others get it.
        repo_id: The repository.
        facts: What the author says of it.
    """
    is_repository = facts.corpus is not None and "/" in facts.corpus and hub.is_repo_id(facts.corpus)
    is_demo = model["id"] in SHIPPED
    metadata = {
        "pretty_name": repo_id.partition("/")[2],
        "license": facts.license,
        "language": list(facts.languages),
        "task_categories": ["text-retrieval"],
        "size_categories": [_size(len(generation.index))],
        "source_datasets": [facts.corpus] if is_repository else [],
        "tags": [*TAGS, *([] if is_demo else [f"encoder:{model['id']}"])],
        "configs": [DOCUMENTS],
    }
    lines = [
        f"# {repo_id.partition('/')[2]}",
        "",
        _about(generation, model, facts, is_repository),
        "",
        *_usage(repo_id),
    ]
    lines += ["## What is in it", "", *_contents(generation, model, facts), ""]
    if facts.report is not None:
        lines += ["## What was measured", "", *facts.report.card_lines()]
    return hub.make_card(metadata, "\n".join(lines))


def _about(generation: Generation, model: Mapping[str, Any], facts: Facts, is_repository: bool) -> str:
    corpus = ""
    if facts.corpus is not None:
        known = (
            f"[{facts.corpus}]({hub.page_of(facts.corpus, 'dataset')})" if is_repository else hub.as_code(facts.corpus)
        )
        corpus = f" of {known}"
    encoder = (
        "a model that comes with the kit" if model["id"] in SHIPPED else f"[{model['id']}]({hub.page_of(model['id'])})"
    )
    return (
        f"A late-interaction search index of {len(generation.index):,} documents{corpus}, built with {encoder}: token "
        "embeddings, texts and metadata in one folder. Nothing in it is unpickled."
    )


def _usage(repo_id: str) -> list[str]:
    return [
        "## How to use it",
        "",
        "```python",
        "from colbert_kit import Searcher",
        "",
        f'searcher = Searcher.from_pretrained("{repo_id}")  # pin a commit with revision="..."',
        'print(searcher.search("your question", k=5))',
        "```",
        "",
        "The download is compared with its sha256 and mapped from the cache; the model is fetched at the commit below. "
        '`documents=False` leaves the texts here and reads those of the hits. `searcher.copy_to("mine")` makes a copy '
        "to add to.",
        "",
    ]


def _contents(generation: Generation, model: Mapping[str, Any], facts: Facts) -> list[str]:
    index, files = generation.index, generation.index.snapshot.manifest.files
    texts = sum(entry.size for name, entry in files.items() if name.startswith("documents/"))
    columns = [hub.as_code(name) for name in generation.documents.metadata_columns if name != "id"]
    removed = len(generation.documents) - len(index)
    stored = (
        f"compressed to {index.section.nbits} bits a dimension"
        if index.codec is not None
        else "float16, not compressed"
    )
    pooled = "" if generation.pool_factor == 1 else f", about one for {generation.pool_factor} similar tokens"
    settings = {
        "Documents": f"{len(index):,}" + (f" (and {removed:,} removed ones)" if removed else ""),
        "Metadata": ", ".join(columns) or "none",
        "Token embeddings": f"{index.dim} dimensions, {stored}{pooled}",
        "Size": f"{_megabytes(sum(entry.size for entry in files.values()))}, of it texts {_megabytes(texts)}",
        "Model": f"{hub.as_code(model['id'])} at {hub.as_code(model['revision'] or 'the version of the kit')}, "
        f"fingerprint {hub.as_code(str(model['fingerprint'])[:12])}",
        "Queries": _treatment(model["query"]),
        "Texts": _treatment(model["document"]),
        "License of the documents": hub.as_code(facts.license) if facts.license else "not stated",
        "Generation": str(generation.number),
    }
    return [f"- {name}: {value}" for name, value in settings.items()]


def _treatment(section: Mapping[str, Any]) -> str:
    marker = f", marker {hub.as_code(section['prompt'])}" if section.get("prompt") else ""
    length = section.get("length") or (section.get("expansion") or {}).get("length")
    return f"{length or 'any number of'} tokens{marker}"


def _size(count: int) -> str:
    return next((name for limit, name in SIZES if count < limit), "10M<n<100M")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
