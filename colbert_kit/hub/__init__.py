"""Folders to and from the Hugging Face Hub, and their cards. Nothing here knows what a model or an index is."""

from colbert_kit.hub.cards import as_code, make_card, read_card
from colbert_kit.hub.failures import translated
from colbert_kit.hub.pull import (
    blobs_of,
    commit_of,
    discard,
    find_file,
    is_repo_id,
    page_of,
    pull_files,
    pull_folder,
    pull_to,
    resolve_revision,
)
from colbert_kit.hub.push import Pushed, push_folder
from colbert_kit.hub.ranges import RemoteFiles

__all__ = [
    "Pushed",
    "RemoteFiles",
    "as_code",
    "blobs_of",
    "commit_of",
    "discard",
    "find_file",
    "is_repo_id",
    "make_card",
    "page_of",
    "pull_files",
    "pull_folder",
    "pull_to",
    "push_folder",
    "read_card",
    "resolve_revision",
    "translated",
]
