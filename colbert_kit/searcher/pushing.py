"""An index as a dataset repository: what its manifest names, a model that others can get, and a card."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder

from colbert_kit import hub, models
from colbert_kit.errors import InvalidInput
from colbert_kit.folders import MANIFEST_NAME, NUMBERED_FOLDERS
from colbert_kit.searcher.card import Facts, index_card
from colbert_kit.searcher.downloads import open_generation
from colbert_kit.searcher.encoding import SHIPPED, load_recorded
from colbert_kit.searcher.hits import Generation

__all__ = ["files_to_share", "preview_card", "push_generation"]

logger = logging.getLogger(__name__)

OWNED = (MANIFEST_NAME, *(f"{folder}/*" for folder in NUMBERED_FOLDERS))
"""Files of a repository that are the index's; what else its author keeps there stays."""


def push_generation(
    generation: Generation,
    model: MultiVectorEncoder,
    repo_id: str,
    facts: Facts,
    *,
    model_id: str | None,
    private: bool,
    token: str | None,
) -> hub.Pushed:
    """Push one generation of an index; see ``Searcher.push_to_hub``.

    Args:
        generation: The generation.
        model: The model of the index.
        repo_id: The repository.
        facts: What the card says besides what the index knows.
        model_id: Where the model is, if the index does not say so.
        private: Make the repository private.
        token: An access token.

    Raises:
        InvalidInput: Others could not get the model, or the report is of another one.
        InvalidFolder: A file of the index is damaged.
        HubError: As ``hub.push_folder``.
    """
    snapshot = generation.index.snapshot
    if facts.report is not None and facts.report.model.get("fingerprint") != generation.model["fingerprint"]:
        raise InvalidInput("the report is of another model than this index's. Evaluate this one, or leave it out.")
    if removed := len(generation.documents) - len(generation.index):
        logger.warning(
            "%d removed documents are still in the files that are pushed; compact() leaves them out.", removed
        )
    files, section = files_to_share(generation, model, model_id, token)
    files["README.md"] = index_card(generation, section, repo_id, facts).encode()
    message = f"Generation {snapshot.generation}, {len(generation.index)} documents"
    return hub.push_folder(
        repo_id,
        files,
        message=message,
        repo_type="dataset",
        private=private,
        token=token,
        owned=OWNED,
        sha256={name: entry.sha256 for name, entry in snapshot.manifest.files.items()},
    )


def files_to_share(
    generation: Generation, model: MultiVectorEncoder, model_id: str | None, token: str | None
) -> tuple[dict[str, Path | bytes], Mapping[str, Any]]:
    """What others need to open a generation, and what its manifest then says of the model.

    Raises:
        InvalidInput: Others could not get the model.
    """
    snapshot = generation.index.snapshot
    name, revision = _published(generation.model, model, model_id, token)
    sections = {**snapshot.manifest.sections, "model": {**generation.model, "id": name, "revision": revision}}
    # What earlier generations left here is not there.
    manifest = dataclasses.replace(snapshot.manifest, sections=sections, retired={})
    files: dict[str, Path | bytes] = {name: snapshot.file(name) for name in manifest.files}
    return files | {MANIFEST_NAME: manifest.to_json().encode()}, sections["model"]


def preview_card(
    folder: str | Path,
    repo_id: str,
    *,
    model_id: str | None = None,
    license: str | None = None,
    language: Sequence[str] = (),
    corpus: str | None = None,
) -> str:
    """The card that ``Searcher.push_to_hub`` would write, without loading the model or asking the Hub.

    Args:
        folder: The index.
        repo_id: As ``push_to_hub``.
        model_id: As ``push_to_hub``.
        license: As ``push_to_hub``.
        language: As ``push_to_hub``.
        corpus: As ``push_to_hub``.

    Raises:
        InvalidFolder: The folder is missing or damaged.
        InvalidInput: The model lies in a folder.

    Example:
        >>> print(preview_card("my-index", "me/my-index", license="cc-by-4.0"))  # doctest: +SKIP
    """
    generation = open_generation(Path(folder))
    name = model_id or generation.model["id"]
    _check_others_can_get(name)
    section = {**generation.model, "id": name}
    return index_card(generation, section, repo_id, Facts(license, language, corpus))


def _published(
    section: Mapping[str, Any], model: MultiVectorEncoder, model_id: str | None, token: str | None
) -> tuple[str, str | None]:
    """Name and commit by which others get the very model of an index."""
    expected = section["fingerprint"]
    pushed = models.published_as(model) if model_id is None else None
    if pushed is not None and models.fingerprint(model) == expected:
        return pushed.repo_id, pushed.revision
    name, revision = (section["id"], section["revision"]) if model_id is None else (model_id, None)
    _check_others_can_get(name)
    if name not in SHIPPED:
        revision = revision or hub.resolve_revision(name, token=token)
    found = models.fingerprint(load_recorded(section, name, revision, device="cpu", token=token))
    if found != expected:
        raise InvalidInput(
            f"{name!r}, as others would get it, is another model (fingerprint {found[:12]}) than this index was built "
            f"with ({expected[:12]}). Push that one: models.push_to_hub(searcher.model, 'me/my-model')."
        )
    return name, revision


def _check_others_can_get(name: str) -> None:
    if name not in SHIPPED and (Path(name).is_dir() or not hub.is_repo_id(name)):
        raise InvalidInput(
            f"the model of this index lies in the folder {Path(name).name!r}, where others cannot get it. Push it "
            "first: models.push_to_hub(searcher.model, 'me/my-model'), then push the index; if it is on the Hub "
            "already, say where: model_id='me/my-model' (--model-id)."
        )
