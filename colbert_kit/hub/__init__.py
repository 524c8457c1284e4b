"""Folders to and from the Hugging Face Hub, and their cards. Nothing here knows what a model or an index is."""

from colbert_kit.hub.accounts import find_namespaces
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
    split_revision,
)
from colbert_kit.hub.push import Pushed, make_repository, push_folder
from colbert_kit.hub.ranges import RemoteFiles
from colbert_kit.hub.redaction import TOKEN_PATTERN, holds_token, redacted

__all__ = [
    "TOKEN_PATTERN",
    "Pushed",
    "RemoteFiles",
    "as_code",
    "blobs_of",
    "commit_of",
    "discard",
    "find_file",
    "find_namespaces",
    "holds_token",
    "is_repo_id",
    "make_card",
    "make_repository",
    "page_of",
    "pull_files",
    "pull_folder",
    "pull_to",
    "push_folder",
    "read_card",
    "redacted",
    "resolve_revision",
    "split_revision",
    "translated",
]
