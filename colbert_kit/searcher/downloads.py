"""Indexes that come from the Hub: of one commit, checked, and never written to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from colbert_kit import hub
from colbert_kit.documents import Fetch
from colbert_kit.errors import InvalidFolder
from colbert_kit.folders import MANIFEST_NAME, Manifest, Snapshot, open_newest
from colbert_kit.searcher.hits import Generation
from colbert_kit.searcher.staging import creating

__all__ = ["Download", "download_index", "open_generation", "pull_index"]

DOCUMENTS = "documents/"


@dataclass(frozen=True)
class Download:
    """What opening a downloaded folder takes.

    Args:
        links_into: Where its links end.
        elsewhere: Files that stayed on the Hub.
        fetch: Reads parts of those.
    """

    links_into: Path
    elsewhere: frozenset[str] = frozenset()
    fetch: Fetch | None = field(default=None, repr=False)


def open_generation(folder: Path, download: Download | None = None, *, verify: bool = False) -> Generation:
    """The newest generation of a folder.

    Raises:
        InvalidFolder: It is missing or damaged, or of a newer format version.
    """
    if download is None:
        return open_newest(folder, Generation, verify=verify)
    return open_newest(
        folder,
        lambda snapshot: Generation(snapshot, download.fetch),
        verify=verify,
        links_into=download.links_into,
        elsewhere=download.elsewhere,
    )


def download_index(
    repo_id: str, *, revision: str | None, token: str | None, documents: bool = True
) -> tuple[Path, Download]:
    """Download what the manifest of an index names, and nothing else, into the Hub's cache.

    Args:
        repo_id: The dataset repository.
        revision: A branch, tag or commit.
        token: An access token; the stored one where None.
        documents: Also the texts; without them they are read from the Hub when hits are shown.

    Returns:
        The folder, and what opening it takes; every file has been compared with its sha256.

    Raises:
        InvalidFolder: The repository is no index, or is damaged.
        RepoNotFound: There is no such repository or revision.
        HubUnreachable: The Hub cannot be reached and the cache does not help.
    """
    path = hub.find_file(repo_id, MANIFEST_NAME, repo_type="dataset", revision=revision, token=token)
    if path is None:
        raise InvalidFolder(f"the data set {repo_id!r} is no index: it has no {MANIFEST_NAME}. Check the name.")
    try:
        manifest = Manifest.read(path.parent, verify=True)
    except InvalidFolder:
        hub.discard(path)  # so that it is fetched anew
        raise
    commit = hub.commit_of(path.parent)
    elsewhere = frozenset(name for name in manifest.files if not documents and name.startswith(DOCUMENTS))
    wanted = {name: entry.sha256 for name, entry in manifest.files.items() if name not in elsewhere}
    folder = hub.pull_files(repo_id, wanted, revision=commit, repo_type="dataset", token=token)
    files = hub.RemoteFiles(repo_id, commit, repo_type="dataset", token=token)
    return folder, Download(hub.blobs_of(folder), elsewhere, None if documents else files.read)


def pull_index(
    repo_id: str,
    folder: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Bring an index from the Hub into a folder of one's own, which can be changed; its model is not fetched.

    Args:
        repo_id: The dataset repository.
        folder: The folder; must not hold an index already.
        revision: A branch, tag or commit.
        token: An access token; the stored one where None.

    Returns:
        The commit.

    Raises:
        InvalidFolder: The repository is no index, or is damaged.
        InvalidInput: The folder holds an index.
        RepoNotFound: There is no such repository or revision.
        HubUnreachable: The Hub cannot be reached and the cache does not help.

    Example:
        >>> pull_index("me/my-index", "my-index")  # doctest: +SKIP
        >>> Searcher.open("my-index").add(documents)  # doctest: +SKIP
    """
    pulled, download = download_index(repo_id, revision=revision, token=token)
    with creating(Path(folder), override=False) as commit:
        commit.copy(Snapshot.open(pulled, links_into=download.links_into))
    return hub.commit_of(pulled)
