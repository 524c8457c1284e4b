"""The error tree. Every leaf is also the builtin exception a caller would expect.

All of them are the user's to fix, so the command line and the app show the message as one line, without a
traceback. Anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

__all__ = [
    "ColbertKitError",
    "FolderBusy",
    "HubConflict",
    "HubError",
    "HubUnreachable",
    "InvalidConfig",
    "InvalidData",
    "InvalidFolder",
    "InvalidInput",
    "JobNotFound",
    "MissingExtra",
    "NotAllowed",
    "RepoNotFound",
]


class ColbertKitError(Exception):
    """Anything colbert_kit raises on purpose: the message says what to do."""


class InvalidConfig(ColbertKitError, ValueError):
    """A setting has a value that cannot work; the message names the setting."""


class InvalidInput(ColbertKitError, ValueError):
    """An argument of a call cannot be used: a shape, an empty query, an unknown or duplicate id."""


class InvalidData(ColbertKitError, ValueError):
    """A row of a file or data set cannot be read; the message names the path and line, or the repository and row."""


class InvalidFolder(ColbertKitError, ValueError):
    """An index or model folder cannot be read: missing, damaged, or of a newer format version."""


class FolderBusy(ColbertKitError, RuntimeError):
    """Another process is writing to the folder."""


class MissingExtra(ColbertKitError, ImportError):
    """An optional library is not installed; the message is the line that installs it."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f'{library} is not installed. Install it with: pip install "colbert_kit[{extra}]"')
        self._made_of = (library, extra)

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return MissingExtra, self._made_of


class JobNotFound(ColbertKitError, LookupError):
    """A runner knows no job of this id."""


class HubError(ColbertKitError):
    """The Hugging Face Hub answered, but not with what was asked for."""


class RepoNotFound(HubError, LookupError):
    """Neither a folder here nor a repository on the Hub has this name (or revision, or file)."""


class NotAllowed(HubError, PermissionError):
    """The token is missing, expired, or has no access to the repository."""


class HubConflict(HubError, RuntimeError):
    """Somebody else has changed the repository meanwhile; nothing of this push was written."""


class HubUnreachable(HubError, ConnectionError):
    """The Hub could not be reached, failed or was too busy, or was not asked because the process is offline."""
