"""Make repositories, and upload files as one commit: all of them are there, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import BadRequestError, RepositoryNotFoundError

from colbert_kit.errors import ColbertKitError, HubConflict, InvalidFolder, InvalidInput
from colbert_kit.hub.failures import translated
from colbert_kit.hub.pull import is_repo_id, page_of

__all__ = ["Pushed", "make_repository", "push_folder"]


@dataclass(frozen=True)
class Pushed:
    """What a push came to.

    Args:
        repo_id: The repository.
        revision: The commit, 40 hex digits: what to pin.
        url: The repository's page.
    """

    repo_id: str
    revision: str
    url: str


def make_repository(repo_id: str, *, repo_type: str = "model", private: bool = True, token: str | None = None) -> None:
    """Make a repository unless it is there, and see that one may push to it: before an hour's work, not after it.

    Args:
        repo_id: As ``push_folder``.
        repo_type: As ``push_folder``.
        private: As ``push_folder``.
        token: As ``push_folder``.

    Raises:
        InvalidInput: The name cannot be, or the repository is public.
        NotAllowed: The token is missing, or may not write there.
        HubUnreachable: The Hub cannot be reached.
        HubError: It answered with another error.
    """
    _check_name(repo_id)
    api = HfApi(token=token)
    with translated(repo_id):
        _repository(api, repo_id, repo_type, private)
        api.auth_check(repo_id, repo_type=repo_type, write=True)


def push_folder(
    repo_id: str,
    files: Mapping[str, Path | bytes],
    *,
    message: str,
    repo_type: str = "model",
    private: bool = True,
    token: str | None = None,
    owned: Sequence[str] = (),
    sha256: Mapping[str, str] | None = None,
    parent: str | None = None,
) -> Pushed:
    """Make the repository hold these files, in one commit; it is made where there is none.

    What is there already is not sent again, be it in the repository or left by a push that was cut. Nobody sees
    anything of a push before all of it is there.

    Args:
        repo_id: ``"me/name"``.
        files: What each file of the repository is to hold: a file here, or the bytes.
        message: The commit's title.
        repo_type: ``"model"``, ``"dataset"`` or ``"space"``, which runs Gradio.
        private: Make it private. A repository that is there keeps what it is; one that is public must be named so.
        token: An access token; the stored one where None.
        owned: Patterns of the files that are the caller's: of those, what is not among ``files`` is deleted.
        sha256: Of files, as far as it is known: those that are there already are not even read.
        parent: The commit that the files were made for, where they keep something of it.

    Raises:
        InvalidInput: The name cannot be, a file is not there, the card is refused, or the repository is public.
        InvalidFolder: A file has another sha256; nothing is pushed.
        NotAllowed: The token is missing, or may not write there.
        HubConflict: Somebody else has changed the repository meanwhile.
        HubUnreachable: The Hub cannot be reached, or the connection was cut.
        HubError: It answered with another error.
    """
    _check_name(repo_id)
    if missing := [name for name, source in files.items() if isinstance(source, Path) and not source.is_file()]:
        raise InvalidInput(f"{', '.join(missing[:5])}: no such file here. Nothing was pushed.")
    api = HfApi(token=token)
    with translated(repo_id):
        found = _repository(api, repo_id, repo_type, private)
        if parent is not None and parent != found.sha:
            raise HubConflict(f"somebody has changed {repo_id!r} meanwhile; nothing was written. Try again.")
        there = {file.rfilename: file.lfs.sha256 if file.lfs else None for file in found.siblings or ()}
        new = {name: source for name, source in files.items() if (sha256 or {}).get(name) != (there.get(name) or "")}
        operations: list[Any] = [_addition(name, source, (sha256 or {}).get(name)) for name, source in new.items()]
        gone = sorted(name for name in there if name not in files and any(fnmatchcase(name, one) for one in owned))
        operations += [CommitOperationDelete(name, is_folder=False) for name in gone]
        commit = _commit(api, repo_id, repo_type, str(found.sha), operations, message)
    return Pushed(repo_id, commit, page_of(repo_id, repo_type))


def _check_name(repo_id: str) -> None:
    if not is_repo_id(repo_id) or "/" not in repo_id:
        raise InvalidInput(f"a repository is named by its owner and its name, like 'me/my-index'; got {repo_id!r}.")


def _addition(name: str, source: Path | bytes, sha256: str | None) -> CommitOperationAdd:
    addition = CommitOperationAdd(name, source)
    if sha256 is not None and addition.upload_info.sha256.hex() != sha256:
        raise InvalidFolder(f"{name} does not match its sha256. Build or download it again; nothing was pushed.")
    return addition


def _repository(api: HfApi, repo_id: str, repo_type: str, private: bool) -> Any:  # noqa: ANN401 - one of three infos
    try:
        found = api.repo_info(repo_id, repo_type=repo_type, files_metadata=True)
    except RepositoryNotFoundError:
        # exist_ok: another process may be first, and one who may not see the repository is told so by what follows.
        sdk = "gradio" if repo_type == "space" else None
        api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True, space_sdk=sdk)
        found = api.repo_info(repo_id, repo_type=repo_type, files_metadata=True)
    if private and not found.private:
        raise InvalidInput(
            f"{repo_id!r} is public, and so would be what you push. Push with private=False (--public) if that is "
            "what you want, or make the repository private in its settings first."
        )
    return found


def _commit(api: HfApi, repo_id: str, repo_type: str, parent: str, operations: Sequence[Any], message: str) -> str:
    if not operations:
        return parent
    try:
        made = api.create_commit(repo_id, operations, commit_message=message, repo_type=repo_type, parent_commit=parent)
    except (BadRequestError, ValueError) as error:
        if isinstance(error, ColbertKitError) or "Invalid metadata in README.md" not in str(error):
            raise
        wrong = " ".join(str(error).partition("Invalid metadata in README.md")[2].lstrip(".").split())
        raise InvalidInput(f"the Hub refuses the card of {repo_id!r}: {wrong}. Nothing was pushed.") from error
    return str(made.oid)
