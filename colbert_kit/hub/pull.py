"""Download folders and single files into the Hub's cache, checked."""

from __future__ import annotations

import glob
import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from colbert_kit.errors import InvalidFolder, InvalidInput
from colbert_kit.hub.failures import translated

__all__ = [
    "blobs_of",
    "commit_of",
    "discard",
    "find_file",
    "is_repo_id",
    "page_of",
    "pull_files",
    "pull_folder",
    "pull_to",
    "resolve_revision",
    "split_revision",
]

REPO_ID = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
SHA256 = re.compile("[0-9a-f]{64}")
COMMIT = re.compile("[0-9a-f]{40}")


def is_repo_id(name: str) -> bool:
    """Whether ``name`` could be a repository: ``"me/my-index"`` or ``"bert-base-uncased"``."""
    return REPO_ID.fullmatch(name) is not None and ".." not in name


def split_revision(name: str) -> tuple[str, str | None]:
    """A repository and the revision that it is wanted at, or a folder of this machine and None.

    Example:
        >>> split_revision("me/index@0123abc"), split_revision("me/index")
        (('me/index', '0123abc'), ('me/index', None))
    """
    if Path(name).is_dir():
        return name, None
    repo_id, _, revision = name.partition("@")
    return repo_id, revision or None


def page_of(repo_id: str, repo_type: str = "model") -> str:
    """Where people look at a repository."""
    return f"{constants.ENDPOINT}/{'' if repo_type == 'model' else f'{repo_type}s/'}{repo_id}"


def resolve_revision(
    repo_id: str, revision: str | None = None, *, repo_type: str = "model", token: str | Literal[False] | None = None
) -> str:
    """The commit that a branch or tag is at now, 40 hex digits.

    Args:
        repo_id: The repository.
        revision: A branch, tag or commit; the main branch where None.
        repo_type: ``"model"`` or ``"dataset"``.
        token: An access token; the stored one where None, none where False.

    Raises:
        RepoNotFound: There is no such repository or revision.
        NotAllowed: The repository is private or gated.
        HubUnreachable: The Hub cannot be reached, or does not answer within ``HF_HUB_ETAG_TIMEOUT`` seconds (10).
    """
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    with translated(repo_id, revision):
        # The client itself would wait for ever.
        found = HfApi(token=token).repo_info(
            repo_id, repo_type=repo_type, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
    return str(found.sha)


def find_file(
    name: str,
    filename: str,
    *,
    repo_type: str = "model",
    revision: str | None = None,
    token: str | None = None,
) -> Path | None:
    """A file of a local folder or of a repository, or None where that has no such file.

    Args:
        name: A folder here, or a repository id.
        filename: The file's path in it.
        repo_type: ``"model"`` or ``"dataset"``.
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
            return Path(hf_hub_download(name, filename, repo_type=repo_type, revision=revision, token=token))
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


def pull_files(
    repo_id: str, sha256: Mapping[str, str], *, revision: str, repo_type: str = "model", token: str | None = None
) -> Path:
    """Download some files of one commit, and nothing else; each must have the sha256 that the caller knows.

    A download that was cut goes on where it was when this is called again. A file that is damaged leaves the cache,
    so that the next call fetches it anew.

    Args:
        repo_id: The repository.
        sha256: Of each file, 64 hex digits.
        revision: The commit.
        repo_type: ``"model"`` or ``"dataset"``.
        token: An access token; the stored one where None.

    Returns:
        As ``pull_folder``.

    Raises:
        InvalidFolder: The repository lacks a file, or it has another sha256.
        RepoNotFound: There is no such repository or revision.
        NotAllowed: The repository is private or gated.
        HubUnreachable: The Hub cannot be reached, and the cache does not hold the files.
    """
    names = [glob.escape(name) for name in sha256]
    folder = pull_folder(repo_id, repo_type=repo_type, revision=revision, token=token, allow_patterns=names)
    for name, expected in sha256.items():
        path = folder / name
        if not path.is_file():
            raise InvalidFolder(f"{repo_id} at {revision[:12]} has no file {name!r}, which it should. Tell its author.")
        _check(path, expected, f"{name} of {repo_id} at {revision[:12]}")
    return folder


def pull_to(
    repo_id: str,
    folder: str | Path,
    *,
    repo_type: str = "model",
    revision: str | None = None,
    token: str | None = None,
    allow_patterns: Sequence[str] | None = None,
) -> str:
    """Download a repository into a folder of one's own: all of it or nothing.

    Args:
        repo_id: The repository.
        folder: A new folder.
        repo_type: As ``pull_folder``.
        revision: As ``pull_folder``.
        token: As ``pull_folder``.
        allow_patterns: As ``pull_folder``.

    Returns:
        The commit.

    Raises:
        InvalidInput: The folder holds something.
        InvalidFolder: A large file has another sha256 than the Hub says.
        RepoNotFound: As ``pull_folder``.
        NotAllowed: As ``pull_folder``.
        HubUnreachable: As ``pull_folder``.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidInput(f"{target} holds something already; give a new folder.")
    pulled = pull_folder(repo_id, repo_type=repo_type, revision=revision, token=token, allow_patterns=allow_patterns)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
        for path in sorted(path for path in pulled.rglob("*") if path.is_file()):
            blob = path.resolve().name  # of a large file its sha256
            if SHA256.fullmatch(blob):
                _check(path, blob, f"{path.relative_to(pulled)} of {repo_id}")
            copy = Path(temporary) / "whole" / path.relative_to(pulled)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        if target.exists():
            target.rmdir()
        Path(temporary, "whole").rename(target)
    return commit_of(pulled)


def blobs_of(snapshot_folder: Path) -> Path:
    """Where the links of a downloaded folder end."""
    return snapshot_folder.parent.parent / "blobs"


def commit_of(snapshot_folder: Path) -> str:
    """The commit that a downloaded folder is of."""
    return snapshot_folder.name


def discard(path: Path) -> None:
    """Remove a downloaded file from the cache, so that it is fetched anew."""
    path.resolve().unlink()
    path.unlink(missing_ok=True)


def _check(path: Path, sha256: str, name: str) -> None:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
            return
    discard(path)
    raise InvalidFolder(
        f"{name} does not match its sha256 and was removed from the cache. Try again; if it says the same, the "
        "repository is damaged, and its author must push it anew."
    )
