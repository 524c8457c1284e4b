"""Where a job's result goes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from colbert_kit import hub

__all__ = ["open_target", "repository_of"]


def open_target(repo_id: str, repo_type: Literal["model", "dataset"], *, public: bool = False) -> None:
    """Make a repository unless it is there: before an hour's work, not after it, is when to learn that one may not.

    Args:
        repo_id: Its name, ``"me/my-index"``.
        repo_type: What it is.
        public: Whether all may see it, where it is made. One that is public already must be named so.

    Raises:
        InvalidInput: The repository is public, and was not named so.
        NotAllowed: There is no token, or it does not allow that.
        HubUnreachable: The Hub cannot be reached.
    """
    hub.make_repository(repo_id, repo_type=repo_type, private=not public)


def repository_of(name: str) -> str | None:
    """The name, if it is that of a repository of the Hub; to a card, what is on this machine means nothing.

    Args:
        name: Of a model or of data, as a job is given it.

    Example:
        >>> repository_of("me/pairs"), repository_of("pairs.jsonl"), repository_of("/data/pairs")
        ('me/pairs', None, None)
    """
    # The models that come with the kit are called like repositories.
    is_one = "/" in name and hub.is_repo_id(name) and not name.startswith("colbert_kit/") and not Path(name).exists()
    return name if is_one else None
