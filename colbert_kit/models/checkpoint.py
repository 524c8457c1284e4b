"""What lies at a name: a late-interaction checkpoint, or an encoder to build one from."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

from colbert_kit import hub
from colbert_kit.errors import ColbertKitError, InvalidConfig, InvalidFolder
from colbert_kit.models.prompts import prompt_of
from colbert_kit.models.recipe import check_lengths

__all__ = ["Contents", "apply_overrides", "look_at", "readable", "refuse_contradictions", "repaired"]

logger = logging.getLogger(__name__)

MARKER_KEYS = (
    "query_prefix",
    "document_prefix",
    "do_query_expansion",
    "attend_to_expansion_tokens",
    "skiplist_words",
)
"""Keys of ``config_sentence_transformers.json`` that PyLate has written since its first version."""


OLD_DENSE, DENSE = "pylate.models.Dense", "pylate.models.Dense.Dense"
"""PyLate up to 1.1 named the module of its projection, not the class; sentence-transformers knows the class only."""


@dataclass(frozen=True)
class Contents:
    """What a name holds.

    Args:
        is_late_interaction: Whether it is a checkpoint that already gives token embeddings.
        encoder_path: The sub-folder of the encoder in it, ``""`` mostly.
        is_pylate_v1: Whether its ``modules.json`` must be repaired before it can be loaded.
        commit: Of the repository; None for a folder.
        is_cross_encoder: Whether it scores a query and a document read together.
        is_dense: Whether it gives one vector a text.
    """

    is_late_interaction: bool
    encoder_path: str = ""
    is_pylate_v1: bool = False
    commit: str | None = None
    is_cross_encoder: bool = False
    is_dense: bool = False


def look_at(name: str, revision: str | None, token: str | None) -> Contents:
    """Read the few small files that tell what a name holds.

    Raises:
        InvalidFolder: The local folder holds no model.
        RepoNotFound: There is neither a folder nor a repository of this name.
        HubUnreachable: The Hub cannot be reached and the cache does not help.
        NotAllowed: The repository is private or gated.
    """
    commit: str | None = None

    def read(filename: str) -> Any:  # noqa: ANN401 - JSON
        nonlocal commit
        # From the first file on of one commit, whatever is pushed meanwhile.
        path = hub.find_file(name, filename, revision=commit or revision, token=token)
        if path is None:
            return None
        commit = None if Path(name).is_dir() else hub.commit_of(path.parent)
        return _read_json(path)

    config = read("config.json") or {}
    modules = read("modules.json")
    if not isinstance(config, dict) or not all(isinstance(module, dict) for module in modules or []):
        raise InvalidFolder(f"{name} holds no model: its config.json or modules.json is of another shape.")
    if not config and modules is None:
        raise InvalidFolder(f"{name} holds no model: it has neither config.json nor modules.json.")
    architectures = config.get("architectures") or []
    if any(one == "HF_ColBERT" or one.endswith("ForRetrieval") for one in architectures):
        return Contents(is_late_interaction=True, commit=commit)
    is_cross_encoder = any(one.endswith("ForSequenceClassification") for one in architectures)
    if modules is None:
        return Contents(is_late_interaction=False, commit=commit, is_cross_encoder=is_cross_encoder)
    settings = read("config_sentence_transformers.json") or {}
    is_pylate = any(str(module.get("type", "")).startswith("pylate.") for module in modules)
    is_named = settings.get("model_type") in ("ColBERT", "MultiVectorEncoder")
    if is_pylate or is_named or any(key in settings for key in MARKER_KEYS):
        is_old = any(module.get("type") == OLD_DENSE for module in modules)
        return Contents(is_late_interaction=True, is_pylate_v1=is_old, commit=commit)
    is_cross_encoder = is_cross_encoder or settings.get("model_type") == "CrossEncoder"
    return Contents(
        is_late_interaction=False,
        encoder_path=modules[0].get("path", "") if modules else "",
        commit=commit,
        is_cross_encoder=is_cross_encoder,
        is_dense=not is_cross_encoder and any("Pooling" in str(module.get("type", "")) for module in modules),
    )


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Raise what the libraries raise on a folder with damaged or missing files as one line of ours.

    Raises:
        InvalidFolder: The folder cannot be loaded.
    """
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        if isinstance(error, ColbertKitError) or not Path(name).is_dir():
            raise
        reason = str(error).strip().partition("\n")[0]
        raise InvalidFolder(f"{name} cannot be loaded as a model: {reason}") from error


@contextmanager
def repaired(name: str, revision: str | None, token: str | None) -> Iterator[Path]:
    """A passing view of a PyLate v1 checkpoint that sentence-transformers can load; the original stays as it is."""
    folder = Path(name) if Path(name).is_dir() else hub.pull_folder(name, revision=revision, token=token)
    with tempfile.TemporaryDirectory(prefix="colbert_kit-") as view:
        for path in folder.iterdir():
            if path.name != "modules.json":
                (Path(view) / path.name).symlink_to(path.resolve())
        modules = _read_json(folder / "modules.json")
        for module in modules:
            if module.get("type") == OLD_DENSE:
                module["type"] = DENSE
        (Path(view) / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
        yield Path(view)


def refuse_contradictions(
    model: MultiVectorEncoder,
    name: str,
    *,
    embedding_size: int | None,
    query_prefix: str | None,
    document_prefix: str | None,
) -> None:
    """Refuse arguments that would change what a checkpoint was trained with.

    Raises:
        InvalidConfig: One differs; the message names it.
    """
    facts = {
        "embedding_size": (embedding_size, model.get_embedding_dimension()),
        "query_prefix": (query_prefix, prompt_of(model, "query")),
        "document_prefix": (document_prefix, prompt_of(model, "document")),
    }
    for argument, (asked, trained) in facts.items():
        if asked is not None and asked != trained:
            raise InvalidConfig(
                f"{name} was trained with {argument}={trained!r}, got {argument}={asked!r}. Leave the argument out, "
                "or build a new model from the encoder it was made of."
            )


def apply_overrides(
    model: MultiVectorEncoder,
    *,
    query_length: int | None,
    document_length: int | None,
    query_expansion: bool | None,
    attend_to_expansion_tokens: bool | None,
    skiplist_words: Sequence[str] | None,
) -> None:
    """Change lengths, expansion and skiplist of a loaded checkpoint; saving it keeps the changes.

    Raises:
        InvalidConfig: A setting cannot work with this checkpoint.
    """
    changes = {
        "query_length": query_length,
        "document_length": document_length,
        "query_expansion": query_expansion,
        "attend_to_expansion_tokens": attend_to_expansion_tokens,
        "skiplist_words": skiplist_words,
    }
    changes = {argument: value for argument, value in changes.items() if value is not None}
    if not changes:
        return
    encoder: Any = model[0]
    before = _recipe(model)
    check_lengths(encoder, query_length=query_length, document_length=document_length)
    expansion = dict(encoder.query_expansion) if encoder.query_expansion else None
    length = query_length or (expansion["length"] if expansion else encoder.query_length) or 32
    if query_expansion is True and expansion is None:
        expansion = {"strategy": "fixed", "attend": False, "length": length}
    if query_expansion is False:
        expansion = None
    if attend_to_expansion_tokens and expansion is None:
        raise InvalidConfig("attend_to_expansion_tokens=True needs query expansion; set query_expansion=True as well.")
    if expansion is not None:
        expansion |= {
            "length": length,
            "attend": bool(_first(attend_to_expansion_tokens, expansion["attend"])),
        }
    encoder.query_expansion = None
    encoder.query_length = None if expansion and expansion["strategy"] == "fixed" else length
    encoder.query_expansion = expansion
    if document_length is not None:
        encoder.document_length = document_length
    if skiplist_words is not None:
        _set_skiplist(model, skiplist_words)
    if _recipe(model) != before:
        settings = ", ".join(f"{argument}={value!r}" for argument, value in changes.items())
        logger.warning("Settings that differ from the checkpoint's: %s.", settings)


def _recipe(model: MultiVectorEncoder) -> tuple[object, ...]:
    """What the overrides may change."""
    encoder: Any = model[0]
    words = [module.skiplist_words for module in model if isinstance(module, MultiVectorMask)]
    return encoder.query_length, encoder.document_length, encoder.query_expansion, words


def _set_skiplist(model: MultiVectorEncoder, words: Sequence[str]) -> None:
    masks = [module for module in model if isinstance(module, MultiVectorMask)]
    if not masks:
        raise InvalidConfig("skiplist_words cannot be set: the checkpoint scores every token it gives.")
    masks[0].skiplist_words = list(words)
    masks[0].resolve_with_tokenizer(model.tokenizer)


def _first(asked: bool | None, otherwise: bool) -> bool:
    return otherwise if asked is None else asked


def _read_json(path: Path) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidFolder(f"{path.name} of the model cannot be read as JSON: {error}") from error
