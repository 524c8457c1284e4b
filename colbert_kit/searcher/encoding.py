"""Which model an index wants, and how its documents were encoded: the manifest's model section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.models.inference import DType, dtype_of

__all__ = ["SHIPPED", "check_pool_factor", "load_recorded", "matching_model", "model_section", "pool_factor_of"]

SHIPPED = (models.DEMO_MODEL_ID, models.DEMO_ENCODER_ID)
"""Names of models that come with the kit, and are in no repository."""


def model_section(model: MultiVectorEncoder, dtype: DType, pool_factor: int) -> dict[str, Any]:
    """What the manifest says of the model: name, revision, fingerprint, dtype, and how it treats texts.

    Raises:
        InvalidInput: ``pool_factor`` is not 1 or more.
        InvalidConfig: ``dtype`` is out of range.
    """
    check_pool_factor(pool_factor)
    encoder = model[0]
    return {
        **asdict(models.record_of(model)),
        "dtype": dtype_of(model, dtype),
        "query": {
            "prompt": models.compose_prompt(model, "", "query"),
            "length": encoder.query_length,
            "expansion": encoder.query_expansion,
        },
        "document": {
            "prompt": models.compose_prompt(model, "", "document"),
            "length": encoder.document_length,
            "pool_factor": pool_factor,
        },
    }


def check_pool_factor(pool_factor: object) -> None:
    """Raise where this is no number of token embeddings to keep one of.

    Raises:
        InvalidInput: It is not a whole number of 1 or more.
    """
    if not isinstance(pool_factor, int) or pool_factor < 1:
        raise InvalidInput(
            f"pool_factor must be a whole number of 1 or more (1 keeps every token), got {pool_factor!r}."
        )


def pool_factor_of(section: Mapping[str, Any], folder: Path) -> int:
    """How many similar token embeddings a document's are pooled to one of.

    Raises:
        InvalidFolder: The manifest's model section is damaged.
    """
    document = section.get("document")
    # Folders written before pooling do not name it.
    factor = document.get("pool_factor", 1) if isinstance(document, Mapping) else None
    if not isinstance(factor, int) or factor < 1:
        raise damaged(folder)
    return factor


def damaged(folder: Path) -> InvalidFolder:
    """The error for a manifest whose model section cannot be."""
    return InvalidFolder(f"{folder}: the manifest's model section is damaged. Build or download the index again.")


def matching_model(
    section: Mapping[str, Any],
    model: MultiVectorEncoder | None,
    device: str | None,
    folder: Path,
    token: str | None = None,
) -> MultiVectorEncoder:
    """The model that an index was built with: the given one if it is the same, else loaded by its record.

    Args:
        section: The manifest's section on the model.
        model: The one that was given.
        device: Where to load it.
        folder: The index, for messages.
        token: An access token, where the model is on the Hub; the stored one where None.

    Raises:
        InvalidFolder: The model computes something else than the one that built the index.
        RepoNotFound: The recorded model is neither here nor on the Hub.
        HubUnreachable: It is on the Hub, which cannot be reached.
    """
    name, revision, expected = section.get("id"), section.get("revision"), section.get("fingerprint")
    if not isinstance(name, str) or not isinstance(expected, str):
        raise damaged(folder)
    if model is None:
        model = load_recorded(section, name, revision, device=device, token=token)
    if (found := models.fingerprint(model)) != expected:
        raise InvalidFolder(
            f"{folder} was built with the model {name!r} of fingerprint {expected[:12]}, got one of {found[:12]}. "
            "Open it with that model, or rebuild it with this one."
        )
    return model


def load_recorded(
    section: Mapping[str, Any], name: str, revision: str | None, *, device: str | None, token: str | None
) -> MultiVectorEncoder:
    """The model of that name, as it is; one that ships reads as much of a document as the manifest's section says.

    Raises:
        RepoNotFound: It is neither here nor on the Hub.
        HubUnreachable: It is on the Hub, which cannot be reached.
    """
    if name in SHIPPED:
        load = models.load_demo if name == models.DEMO_MODEL_ID else models.load_demo_encoder
        document = section.get("document")
        length = document.get("length") if isinstance(document, Mapping) else None
        # What is damaged shows in the fingerprint, whose error says what to do.
        if isinstance(length, int) and 2 <= length <= 512:
            return load(device, document_length=length)
        return load(device)
    return models.ColBERT(name, revision=revision, device=device, embedding_size=None, token=token)
