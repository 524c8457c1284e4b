"""What the Hub answers to jobs and uploads, in our words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from huggingface_hub.errors import HfHubHTTPError, JobNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx2 since version 2

from colbert_kit.errors import HubError, HubUnreachable, JobNotFound, NotAllowed
from colbert_kit.runners.redaction import redacted

__all__ = ["asking"]

NEEDED = "A fine-grained token needs the permissions for Jobs and for writing repositories of this namespace."


@contextlib.contextmanager
def asking(what: str, namespace: str) -> Iterator[None]:
    """Raise what goes wrong inside as one of our errors.

    Args:
        what: What was asked for: ``"launching a job"``.
        namespace: In whose name.

    Raises:
        JobNotFound: There is no such job.
        NotAllowed: The token is missing or expired, lacks a permission, or there is no credit.
        HubUnreachable: The Hub cannot be reached, or is too busy.
        HubError: It answered with another error.
    """
    try:
        yield
    except JobNotFoundError as error:
        raise JobNotFound(
            f"{namespace!r} has no such job; colbert-kit jobs list --namespace {namespace} names all."
        ) from error
    except HfHubHTTPError as error:
        raise _in_words(what, namespace, error) from error
    except (httpx.HTTPError, OfflineModeIsEnabled, ConnectionError) as error:
        raise HubUnreachable(
            f"{what} for {namespace!r}: the Hub cannot be reached ({type(error).__name__}). "
            "Check the connection, then try again."
        ) from error


def _in_words(what: str, namespace: str, error: HfHubHTTPError) -> HubError:
    status = error.response.status_code if error.response is not None else 0
    said = redacted(" ".join((error.server_message or str(error)).split()))
    if status == 401:
        return NotAllowed(
            f"{what} for {namespace!r}: the token is missing, wrong or expired; log in with: hf auth login"
        )
    if status == 402:
        return NotAllowed(
            f"{what} for {namespace!r}: {said} Credit is bought at https://huggingface.co/settings/billing"
        )
    if status == 403:
        return NotAllowed(f"{what} for {namespace!r} is not allowed: {said} {NEEDED}")
    if status == 429 or status >= 500:
        return HubUnreachable(f"{what} for {namespace!r}: the Hub is busy (HTTP {status}: {said}). Try again later.")
    return HubError(f"{what} for {namespace!r}: the Hub answers HTTP {status}: {said}")
