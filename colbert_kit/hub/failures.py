"""The Hub's failures in our words: what was asked, what it said, what to do. Never an access token."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx2 since version 2

from colbert_kit.errors import ColbertKitError, HubConflict, HubError, HubUnreachable, NotAllowed, RepoNotFound
from colbert_kit.hub.redaction import redacted

__all__ = ["translated"]

LOG_IN = "log in with: hf auth login"


@contextlib.contextmanager
def translated(name: str, revision: str | None = None) -> Iterator[None]:
    """Raise what goes wrong inside as one of our Hub errors.

    Args:
        name: What is asked for: a repository, what may be one, or something else of the Hub's.
        revision: Of it, for the message.

    Raises:
        RepoNotFound: There is no such repository, revision or file.
        NotAllowed: The repository is private or gated, or the access token may not do this.
        HubConflict: Somebody else has changed the repository meanwhile.
        HubUnreachable: The Hub cannot be reached, failed or is too busy, or the connection was cut.
        HubError: It answered with another error.
    """
    at = f" at revision {revision!r}" if revision else ""
    try:
        yield
    except ColbertKitError:
        raise
    except HFValidationError:
        raise RepoNotFound(f"{name!r} is neither a folder here nor a repository name. Check the spelling.") from None
    except (OSError, RuntimeError, httpx.HTTPError) as error:
        found = _in_our_words(error, repr(name), at)
        if found is None:
            raise
        raise found from error


def _in_our_words(error: BaseException, name: str, at: str) -> ColbertKitError | None:
    """What an error of the client's means; it wraps some of its own in others."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, HfHubHTTPError):
        return _answered(error, name, at)
    if isinstance(error, LocalEntryNotFoundError) and isinstance(cause, HfHubHTTPError):
        return _answered(cause, name, at)
    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the Hub cannot be reached"
    if isinstance(error, OfflineModeIsEnabled | httpx.ConnectError):
        return HubUnreachable(f"{name}{at} takes the Hub, and {why}. Check the connection, then try again.")
    if isinstance(error, LocalEntryNotFoundError | ConnectionError):
        return HubUnreachable(
            f"there is no folder {name} here, it is not in the local cache{at}, and {why}. "
            "Check the name or the connection, then try again."
        )
    if isinstance(error, httpx.TimeoutException):
        return HubUnreachable(
            f"the Hub did not answer in time when asked for {name}{at}. "
            "Try again: what has arrived whole is not sent a second time."
        )
    if isinstance(error, httpx.HTTPError):
        return HubUnreachable(
            f"the connection to the Hub broke while {name}{at} was on its way ({type(error).__name__}). "
            "Try again: what has arrived whole is not sent a second time."
        )
    if isinstance(error, RuntimeError):  # the client's word for a file whose upload failed
        return None if cause is None else _in_our_words(cause, name, at)
    if str(error).startswith("Consistency check failed"):
        return HubError(f"a file of {name}{at} did not arrive whole: {_line(str(error))} Try again.")
    return None


def _answered(error: HfHubHTTPError, name: str, at: str) -> ColbertKitError:
    status, said = error.response.status_code, _said(error)
    if isinstance(error, GatedRepoError):
        return NotAllowed(f"{name} is gated: accept its terms on the Hub, then {LOG_IN}")
    if status == 401 and ("expired" in said or "Invalid credentials" in said):
        return NotAllowed(f"the Hub does not accept the access token ({said}). Make a new one, and {LOG_IN}")
    if isinstance(error, RevisionNotFoundError | RepositoryNotFoundError):
        return RepoNotFound(
            f"there is no folder {name} here, and the Hub has no such repository{at}, or it is private. "
            f"Check the spelling, or {LOG_IN}"
        )
    if status == 401:
        return NotAllowed(f"the Hub wants to know who asks for {name} ({said}). Log in with: hf auth login")
    return _by_status(status, f"{name}{at}", said, _seconds(error))


def _by_status(status: int, name: str, said: str, seconds: str) -> ColbertKitError:
    if status == 402:
        return HubError(f"the Hub wants to be paid for {name}: {said}")
    if status == 403:
        return NotAllowed(
            f"the access token may not do this with {name}: {said}. Take a token with write access, or a "
            "repository of your own."
        )
    if status in (409, 412):
        return HubConflict(
            f"somebody has changed {name} meanwhile ({said}); nothing was written. Look at what they did, "
            "then try again."
        )
    if status == 429:
        return HubUnreachable(
            f"the Hub had too many requests, the last one for {name}. Try again in {seconds} seconds."
        )
    if status >= 500:
        return HubUnreachable(f"the Hub failed at {name} ({status}: {said}). Try again later.")
    return HubError(f"the Hub refused {name} ({status}): {said}")


def _said(error: HfHubHTTPError) -> str:
    """The server's own words, on one line."""
    return _line(error.server_message or error.response.reason_phrase or "no reason given").rstrip(".")


def _line(text: str) -> str:
    return redacted(" ".join(text.split()))[:300]


def _seconds(error: HfHubHTTPError) -> str:
    """How long to wait: as told, else to the end of the window that was used up."""
    headers = error.response.headers
    window = re.search(r"\bt=(\d+)", headers.get("RateLimit", ""))
    return headers.get("Retry-After") or (window[1] if window else "some")
