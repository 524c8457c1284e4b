"""Whose an access token is."""

from __future__ import annotations

from huggingface_hub import HfApi

from colbert_kit.hub.failures import translated

__all__ = ["find_namespaces"]


def find_namespaces(token: str) -> tuple[str, ...]:
    """Where the owner of a token may make repositories: their own name, then their organizations'.

    Args:
        token: An access token.

    Raises:
        NotAllowed: The Hub does not know the token, or it has expired.
        HubUnreachable: The Hub cannot be reached.

    Example:
        >>> find_namespaces("hf_...")  # doctest: +SKIP
        ('me', 'acme')
    """
    with translated("who you are"):
        found = HfApi(token=token).whoami(token)
    organizations = [one["name"] for one in found.get("orgs", []) if one.get("roleInOrg") != "read"]
    return (str(found["name"]), *map(str, organizations))
