"""Download folders and single files, with the Hub's failures in our words."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from colbert_kit.errors import HubError, HubUnreachable, NotAllowed, RepoNotFound

__all__ = ["blobs_of", "find_file", "is_repo_id", "pull_folder", "translated"]

REPO_ID = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")


def is_repo_id(name: str) -> bool:
    """Whether ``name`` could be a repository: ``"me/my-index"`` or ``"bert-base-uncased"``."""
    return REPO_ID.fullmatch(name) is not None and ".." not in name


def find_file(name: str, filename: str, *, revision: str | None = None, token: str | None = None) -> Path | None:
    """A file of a local folder or of a model repository, or None where that has no such file.

    Args:
        name: A folder here, or a repository id.
        filename: The file's path in it.
        revision: A branch, tag or commit of the repository.
        token: An access token; the stored one where None.

    Raises:
        RepoNotFound: Neither a folder nor a repository of this name, or no such revision.
        NotAllowed: The repository is private or gated.
        HubUnreachable: The Hub cannot be reached, and the file is not in the cache.
    """
    if Path(name).is_dir():
        path = Path(name) / filename
        return path if path.is_file() else None
    with translated(name, revision):
        try:
            return Path(hf_hub_download(name, filename, revision=revision, token=token))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            return None


def pull_folder(
    repo_id: str,
    *,
    repo_type: str = "model",
    revision: str | None = None,
    token: str | None = None,
    allow_patterns: Sequence[str] | None = None,
) -> Path:
    """Download a repository, or what is new of it, into the Hub's cache.

    Args:
        repo_id: The repository.
        repo_type: ``"model"`` or ``"dataset"``.
        revision: A branch, tag or commit.
        token: An access token; the stored one where None.
        allow_patterns: Globs of the files to have; all where None.

    Returns:
        The folder, named by the commit; its files are links into the cache (``blobs_of``).

    Raises:
        RepoNotFound: There is no such repository or revision.
        NotAllowed: The repository is private or gated.
        HubUnreachable: The Hub cannot be reached, and the cache does not hold the repository.
    """
    with translated(repo_id, revision):
        patterns = list(allow_patterns) if allow_patterns is not None else None
        folder = snapshot_download(
            repo_id, repo_type=repo_type, revision=revision, token=token, allow_patterns=patterns
        )
    return Path(folder)


def blobs_of(snapshot_folder: Path) -> Path:
    """Where the links of a downloaded folder end."""
    return snapshot_folder.parent.parent / "blobs"


@contextlib.contextmanager
def translated(name: str, revision: str | None = None) -> Iterator[None]:
    """Raise what goes wrong inside as one of our Hub errors.

    Raises:
        RepoNotFound: There is no such repository, revision or file.
        NotAllowed: The repository is private or gated.
        HubUnreachable: The Hub cannot be reached.
        HubError: It answered with another error.
    """
    at = f" at revision {revision!r}" if revision else ""
    try:
        yield
    except HFValidationError:
        raise RepoNotFound(f"{name!r} is neither a folder here nor a repository name. Check the spelling.") from None
    except GatedRepoError as error:
        raise NotAllowed(f"{name!r} is gated: accept its terms on the Hub, then log in with: hf auth login") from error
    except (RevisionNotFoundError, RepositoryNotFoundError) as error:
        raise RepoNotFound(
            f"there is no folder {name!r} here, and the Hub has no such repository{at}, or it is private. "
            "Check the spelling, or log in with: hf auth login"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError) as error:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the Hub cannot be reached"
        raise HubUnreachable(
            f"there is no folder {name!r} here, it is not in the local cache{at}, and {why}. "
            "Check the name or the connection, then try again."
        ) from error
    except HfHubHTTPError as error:
        raise HubError(f"the Hub refused {name!r}{at}: {error}") from error
