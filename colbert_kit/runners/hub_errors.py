"""What the Hub says about jobs alone, in our words; the rest is ``hub.translated``'s."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from huggingface_hub.errors import HfHubHTTPError, JobNotFoundError

from colbert_kit.errors import HubConflict, JobNotFound, NotAllowed
from colbert_kit.hub import redacted, translated

__all__ = ["asking"]

ADVICE = {
    402: "Credit is bought at https://huggingface.co/settings/billing",
    403: "A fine-grained token needs the permissions for Jobs and for writing repositories of this namespace.",
}


@contextlib.contextmanager
def asking(what: str, namespace: str) -> Iterator[None]:
    """Raise what goes wrong inside as one of our errors.

    Args:
        what: What was asked for: ``"launching a job"``.
        namespace: In whose name.

    Raises:
        JobNotFound: There is no such job.
        NotAllowed: The token is missing or expired, lacks a permission, or there is no credit.
        HubConflict: Something that is there already stands against it.
        HubUnreachable: The Hub cannot be reached, or is too busy.
        HubError: It answered with another error.
    """
    with translated(f"{what} for {namespace}"):
        try:
            yield
        except JobNotFoundError as error:
            raise JobNotFound(
                f"{namespace!r} has no such job; colbert-kit jobs list --namespace {namespace} names all."
            ) from error
        except HfHubHTTPError as error:
            status = error.response.status_code
            said = redacted(" ".join(str(error.server_message or error).split()))
            if status in (409, 412):
                raise HubConflict(
                    f"{what} for {namespace!r} is refused, as something stands against it: {said.rstrip('.')}. Look at "
                    f"colbert-kit jobs list --namespace {namespace}, then try again."
                ) from error
            if (advice := ADVICE.get(status)) is None:
                raise
            raise NotAllowed(f"{what} for {namespace!r} is not allowed: {said} {advice}") from error
