"""A Space that searches an index: the page, this kit and the index, or the name of the index, in one commit."""

from __future__ import annotations

import json
import re
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

from colbert_kit import hub
from colbert_kit.errors import InvalidInput, RepoNotFound
from colbert_kit.runners.scripts import PACKAGE, source_tree
from colbert_kit.runners.shipping import build_wheel

__all__ = ["Deployed", "deploy", "write_space"]

SpaceKind = Literal["search", "studio"]
TAG = "colbert-kit"
OWNED = ("app.py", "requirements.txt", "space.json", "colbert_kit/*", "index/*")
"""Files of a Space that are ours: what a later deploy does not write any more, it deletes."""
MAX_INDEX_BYTES = 2**30
"""Of an index inside a Space, which is fetched at every build: 1 GiB, our choice."""


@dataclass(frozen=True)
class Deployed:
    """A Space that was written.

    Args:
        space_id: The Space.
        revision: Its commit.
        url: Its page.
        index: What it searches: ``"index/"``, or a repository and its commit.
    """

    space_id: str
    revision: str
    url: str
    index: str


def deploy(
    index: str | Path | None,
    space_id: str,
    *,
    kind: SpaceKind = "search",
    revision: str | None = None,
    model_id: str | None = None,
    private: bool = True,
    hardware: str | None = None,
    override: bool = False,
    token: str | None = None,
) -> Deployed:
    """Make a Space whose page searches an index, or bring one up to date; one commit.

    The kit travels as its source, since a Space sees nothing but ``requirements.txt`` while it installs. An index of
    the Hub is named by its commit; one in a folder is put into the Space, and is as private as that.

    Args:
        index: A folder, or a public dataset repository; SciFact's abstracts where None.
        space_id: ``"me/my-search"``; made where there is none.
        kind: ``"search"``: the page alone; ``"studio"``: visitors sign in, and train and run jobs in their own name.
        revision: Of a repository: a branch, tag or commit.
        model_id: Of an index in a folder: the repository of its model, where it was built with one in a folder.
        private: Make the Space private. One that is there keeps what it is, and a public one is only written with
            False.
        hardware: Ask for a machine, ``"t4-small"``, which costs money by the hour; the free one where None.
        override: Write into a Space that another program or a person has made.
        token: An access token; the stored one where None.

    Raises:
        InvalidInput: The index is private on the Hub, too large for a Space, or its model lies in a folder; the Space
            is public, or not one of ours.
        InvalidFolder: The folder holds no index.
        RepoNotFound: There is neither such a folder nor such a repository.
        NotAllowed: The token is missing, or may not write there.
        HubUnreachable: The Hub cannot be reached, or the connection was cut; call again.

    Example:
        >>> deploy("my-index", "me/my-search").url  # doctest: +SKIP
        'https://huggingface.co/spaces/me/my-search'
    """
    api = HfApi(token=token)
    if not override:
        _check_ours(api, space_id)
    with tempfile.TemporaryDirectory(prefix="colbert-kit-space-") as folder:
        files, what = space_files(
            Path(folder), index, kind=kind, title=_title(space_id), revision=revision, model_id=model_id, token=token
        )
        with warnings.catch_warnings():
            # The client warns of Parquet outside of a dataset repository; here it is meant.
            warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
            pushed = hub.push_folder(
                space_id,
                files,
                message=f"Search {what}",
                repo_type="space",
                private=private,
                token=token,
                owned=OWNED,
            )
    if hardware is not None:
        with hub.translated(space_id):
            api.request_space_hardware(space_id, cast("Any", hardware))  # the Hub knows what there is
    return Deployed(space_id, pushed.revision, pushed.url, what)


def space_files(
    work: Path,
    index: str | Path | None = None,
    *,
    kind: SpaceKind = "search",
    title: str | None = None,
    revision: str | None = None,
    model_id: str | None = None,
    token: str | None = None,
) -> tuple[dict[str, Path | bytes], str]:
    """The files of a Space that searches an index, and what it searches in words.

    Args:
        work: An empty folder, kept as long as the files are used.
        index: As ``deploy``.
        kind: As ``deploy``.
        title: The Space's; its kind's where None.
        revision: As ``deploy``.
        model_id: As ``deploy``.
        token: As ``deploy``.

    Raises:
        InvalidInput: As ``deploy``.
        InvalidFolder: As ``deploy``.
        RepoNotFound: As ``deploy``.
    """
    template = _template(kind)
    files: dict[str, Path | bytes] = {name: template / name for name in ("app.py", "requirements.txt")}
    metadata, body = hub.read_card((template / "README.md").read_text(encoding="utf-8"))
    metadata["title"] = title or metadata["title"]
    what = "SciFact's abstracts"
    if index is not None and Path(index).is_dir():
        files |= _index_files(Path(index), model_id, token)
        what = "index/"
    elif index is not None:
        commit = _public_commit(str(index), revision, token)
        files["space.json"] = (json.dumps({"index": str(index), "revision": commit}) + "\n").encode()
        metadata["datasets"] = [str(index)]
        what = f"{index} at {commit}"
    files["README.md"] = hub.make_card(metadata, body).encode()
    return files | _kit_files(work), what


def write_space(
    folder: str | Path,
    index: str | Path | None = None,
    *,
    kind: SpaceKind = "search",
    revision: str | None = None,
    model_id: str | None = None,
) -> str:
    """Write a Space's files into a new folder: to look at, to try, to push with git.

    Args:
        folder: A new or empty folder.
        index: As ``deploy``.
        kind: As ``deploy``.
        revision: As ``deploy``.
        model_id: As ``deploy``.

    Returns:
        What it searches, in words.

    Raises:
        InvalidInput: The folder holds something; or as ``deploy``.
        InvalidFolder: As ``deploy``.
        RepoNotFound: As ``deploy``.
    """
    # The wheel is built in another working folder.
    folder = Path(folder).absolute()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InvalidInput(f"{folder} is there and not empty. Name a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".space-", dir=folder.parent) as work:
        wheel, whole = Path(work) / "wheel", Path(work) / "space"
        wheel.mkdir()
        files, what = space_files(wheel, index, kind=kind, revision=revision, model_id=model_id)
        for name, source in files.items():
            path = whole / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
        # All of it, or nothing.
        whole.rename(folder)
    return what


def _index_files(folder: Path, model_id: str | None, token: str | None) -> Mapping[str, Path | bytes]:
    # Not at the top: who launches jobs need not wait for torch.
    from colbert_kit.searcher import Searcher

    searcher = Searcher.open(folder, verify=True)
    if searcher.num_bytes > MAX_INDEX_BYTES:
        raise InvalidInput(
            f"an index in a Space may have {MAX_INDEX_BYTES / 2**30:.0f} GiB, {folder} has "
            f"{searcher.num_bytes / 2**30:.1f}. Push it (colbert-kit push {folder} me/my-index --public) and deploy "
            "the repository."
        )
    shipped = searcher.files_to_share(model_id=model_id, token=token)
    return {f"index/{name}": source for name, source in shipped.items()}


def _public_commit(repo_id: str, revision: str | None, token: str | None) -> str:
    with hub.translated(repo_id, revision):
        found = HfApi(token=token).dataset_info(repo_id, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    if found.private:
        raise InvalidInput(
            f"{repo_id} is private, and a Space could read it only with a token of yours, which would let it do all "
            f"that you may. Put the index into the Space instead: colbert-kit pull {repo_id} FOLDER, then colbert-kit "
            "deploy FOLDER."
        )
    return str(found.sha)


def _kit_files(work: Path) -> dict[str, Path | bytes]:
    """This kit's package, as its wheel has it: without what a checkout has beside it."""
    with zipfile.ZipFile(build_wheel(work)) as wheel:
        return {
            name: wheel.read(name)
            for name in wheel.namelist()
            # Another machine's C library might not load what was compiled on this one.
            if name.startswith("colbert_kit/") and not name.endswith((".so", "/"))
        }


def _check_ours(api: HfApi, space_id: str) -> None:
    try:
        with hub.translated(space_id):
            path = api.hf_hub_download(space_id, "README.md", repo_type="space")
    except (RepositoryNotFoundError, EntryNotFoundError, RepoNotFound):
        return
    metadata, _ = hub.read_card(Path(path).read_text(encoding="utf-8"))
    if TAG not in (metadata.get("tags") or ()):
        raise InvalidInput(
            f"the Space {space_id} is there, and colbert-kit has not made it. Choose another name, or say override "
            "(--override) if its page may be replaced."
        )


def _title(space_id: str) -> str:
    return re.sub(r"[-_.]+", " ", space_id.rpartition("/")[2]).strip().capitalize() or "Search"


def _template(kind: SpaceKind) -> Path:
    tree = source_tree()
    return (tree if tree is not None else PACKAGE) / "spaces" / kind
