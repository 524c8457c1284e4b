"""A model from the Hub in a folder of one's own."""

from __future__ import annotations

from pathlib import Path

from colbert_kit import hub
from colbert_kit.errors import InvalidFolder

__all__ = ["pull_model"]

PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.md", "artifact.metadata")
"""None of these can carry code."""


def pull_model(repo_id: str, folder: str | Path, *, revision: str | None = None, token: str | None = None) -> str:
    """Download a model into a folder of one's own; large files are compared with their sha256.

    Args:
        repo_id: The repository.
        folder: A new folder.
        revision: A branch, tag or commit.
        token: An access token; the stored one where None.

    Returns:
        The commit.

    Raises:
        InvalidFolder: The repository has no weights in safetensors, or a file is damaged.
        InvalidInput: The folder holds something.
        RepoNotFound: There is no such repository or revision.
        HubUnreachable: The Hub cannot be reached and the cache does not help.

    Example:
        >>> pull_model("lightonai/GTE-ModernColBERT-v1", "my-model")  # doctest: +SKIP
    """
    pulled = hub.pull_folder(repo_id, revision=revision, token=token, allow_patterns=PATTERNS)
    if not any(pulled.rglob("*.safetensors")):
        raise InvalidFolder(f"{repo_id} has no weights in safetensors; other kinds can carry code and are not pulled.")
    commit = hub.commit_of(pulled)
    return hub.pull_to(repo_id, folder, revision=commit, token=token, allow_patterns=PATTERNS)
