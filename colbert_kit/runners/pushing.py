"""Where a job's result goes: a folder into a repository of the Hub."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import HfApi

from colbert_kit.runners.hub_errors import asking

__all__ = ["Pushed", "Target", "open_target"]

RepoType = Literal["model", "dataset"]


@dataclass(frozen=True)
class Pushed:
    """What was pushed.

    Args:
        repo_id: The repository.
        revision: The commit that has it.
        url: The page of that commit.
    """

    repo_id: str
    revision: str
    url: str

    def values(self) -> dict[str, str]:
        """For the result of a job."""
        return asdict(self)


class Target:
    """A repository that can be written to.

    Args:
        repo_id: Its name.
        repo_type: What it is.
    """

    def __init__(self, repo_id: str, repo_type: RepoType) -> None:
        self.repo_id, self.repo_type = repo_id, repo_type

    def push(self, folder: Path) -> Pushed:
        """Put a folder's files into the repository, those that are there already not again.

        Raises:
            NotAllowed: The token does not allow it any more.
            HubUnreachable: The Hub cannot be reached.
        """
        api = HfApi()
        with asking(f"pushing to {self.repo_id}", self.repo_id.partition("/")[0]):
            commit = api.upload_folder(repo_id=self.repo_id, repo_type=self.repo_type, folder_path=folder)
        prefix = "datasets/" if self.repo_type == "dataset" else ""
        return Pushed(self.repo_id, commit.oid, f"{api.endpoint}/{prefix}{self.repo_id}/tree/{commit.oid}")


def open_target(repo_id: str, repo_type: RepoType, *, public: bool = False) -> Target:
    """Make a repository unless it is there: before an hour's work, not after it, is when to learn that one may not.

    Args:
        repo_id: Its name, ``"me/my-index"``.
        repo_type: What it is.
        public: Whether all may see it, where it is made.

    Raises:
        NotAllowed: There is no token, or it does not allow that.
        HubUnreachable: The Hub cannot be reached.
    """
    with asking(f"making {repo_id}", repo_id.partition("/")[0]):
        HfApi(token=os.environ.get("HF_TOKEN")).create_repo(
            repo_id, repo_type=repo_type, private=not public, exist_ok=True
        )
    return Target(repo_id, repo_type)
