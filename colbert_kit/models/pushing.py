"""A model as a repository that sentence-transformers, PyLate and this kit open."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentence_transformers import MultiVectorEncoder

from colbert_kit import hub
from colbert_kit.errors import ColbertKitError, InvalidConfig, InvalidInput
from colbert_kit.models.backends import backend_of
from colbert_kit.models.card import Facts, model_card
from colbert_kit.models.colbert import ColBERT
from colbert_kit.models.identity import fingerprint, record_of, remember_published
from colbert_kit.models.pylate_export import export_pylate
from colbert_kit.models.quiet import without_library_bars

if TYPE_CHECKING:
    from colbert_kit.evaluation import Report

__all__ = ["push_to_hub"]

OWNED = (
    "*.bin",
    "*.safetensors",
    "*.safetensors.index.json",
    "[0-9]_*/*",
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "added_tokens.json",
    "artifact.metadata",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer*",
    "vocab.*",
)
"""What a checkpoint is made of: such files of an earlier one would be loaded with those of this one."""


def push_to_hub(
    model: MultiVectorEncoder,
    repo_id: str,
    *,
    private: bool = True,
    token: str | None = None,
    base_model: str | None = None,
    datasets: Sequence[str] = (),
    license: str | None = None,
    language: str | Sequence[str] | None = None,
    report: Report | None = None,
) -> hub.Pushed:
    """Push a model to the Hub as a complete checkpoint with a card, in one commit.

    Sentence-transformers opens it, and PyLate does where it has such models. Before anything is sent the checkpoint is
    opened again and compared, so what others get is what this model computes.

    Args:
        model: The model.
        repo_id: ``"me/my-model"``; made where there is none.
        private: Make it private. A repository that is there keeps what it is, and a public one is only pushed to with
            False.
        token: An access token; the stored one where None.
        base_model: The repository of the model that it was made of; what it was loaded from where None.
        datasets: Repositories of what it was trained on.
        license: By the Hub's names: ``"apache-2.0"``.
        language: ``"en"``.
        report: What ``evaluation`` measured of this model.

    Returns:
        The commit, to be pinned with ``ColBERT(..., revision=...)``.

    Raises:
        InvalidConfig: Torch does not run the model, or it cannot be saved so that it is the same afterwards.
        InvalidInput: The report is of another model, the repository is public, or the Hub refuses the card.
        NotAllowed: The token is missing, or may not write there.
        HubConflict: Somebody else has changed the repository meanwhile.
        HubUnreachable: The Hub cannot be reached, or the connection was cut; call again.

    Example:
        >>> push_to_hub(model, "me/my-model", license="apache-2.0").revision  # doctest: +SKIP
        '5f6b0cbb6ec0b0d4ea4f9d5c1c93f1c5e8f0a1b2'
    """
    if (backend := backend_of(model)) != "torch":
        raise InvalidConfig(
            f"the model of backend={backend!r} cannot be pushed; push the one that it was exported from."
        )
    expected = fingerprint(model)
    if report is not None and report.model.get("fingerprint") != expected:
        raise InvalidInput("the report is of another model. Evaluate this one, or leave it out.")
    with tempfile.TemporaryDirectory(prefix="colbert-kit-push-") as temporary, without_library_bars():
        folder = Path(temporary) / "model"
        opens_in_pylate = _write(model, folder, expected)
        languages = [language] if isinstance(language, str) else list(language or ())
        facts = Facts(base_model, list(datasets), license, languages, report, opens_in_pylate)
        card = model_card(model, repo_id, facts, _written_card(model, expected, Path(temporary) / "card"))
        files: dict[str, Path | bytes] = {
            path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
        }
        files["README.md"] = card.encode()
        pushed = hub.push_folder(
            repo_id, files, message=f"Model {expected[:12]}", private=private, token=token, owned=OWNED
        )
    remember_published(model, pushed)
    return pushed


def _write(model: MultiVectorEncoder, folder: Path, expected: str) -> bool:
    """Write a checkpoint that is the same when it is opened; whether PyLate opens it too."""

    def plain(model: MultiVectorEncoder, folder: Path) -> None:
        model.save_pretrained(str(folder), create_model_card=False)

    layouts: list[Callable[[MultiVectorEncoder, Path], None]] = [export_pylate, plain]
    for write in layouts:
        with contextlib.suppress(InvalidConfig):  # PyLate has no such model
            write(model, folder)
            if fingerprint(ColBERT(folder, device="cpu")) == expected:
                return write is export_pylate
        shutil.rmtree(folder, ignore_errors=True)
    raise InvalidConfig(
        "the model is another one when it is saved and opened again, so others would not get this one. Weights that "
        "are shared or settings made after loading may be why; save it, open it, and look at what differs."
    )


def _written_card(model: MultiVectorEncoder, expected: str, folder: Path) -> str:
    """What sentence-transformers says of the model: of its training in this process, or what stood where it was."""
    data = model.model_card_data
    asks_the_hub, data.local_files_only = data.local_files_only, True
    try:
        # Otherwise it would look for a repository that is called like the folder of the base model.
        model.save_pretrained(str(folder), create_model_card=True)
    finally:
        data.local_files_only = asks_the_hub
    readme = folder / "README.md"
    if not readme.is_file():
        return ""
    if "generated_from_trainer" not in data.tags and not _is_as_loaded(model, expected):
        return ""  # its figures are another model's
    return readme.read_text(encoding="utf-8")


def _is_as_loaded(model: MultiVectorEncoder, expected: str) -> bool:
    record = record_of(model)
    try:
        return fingerprint(ColBERT(record.id, revision=record.revision, device="cpu")) == expected
    except ColbertKitError:
        return False
