"""Access tokens never stay in what is shown or kept: they become ``hf_***``."""

from __future__ import annotations

import re

__all__ = ["TOKEN_PATTERN", "holds_token", "redacted"]

TOKEN_PATTERN = r"hf_(?:(?:oauth|jwt)_[\w.~-]{16,}|[A-Za-z0-9]{20,})"
"""The Hub's access tokens are ``hf_`` and 34 letters; those of a sign-in begin with ``hf_oauth_`` or ``hf_jwt_``."""

_TOKEN = re.compile(TOKEN_PATTERN)


def redacted(text: str) -> str:
    """The text, with ``hf_***`` where a token of the Hub's stood.

    Example:
        >>> redacted("token=hf_" + 34 * "a")
        'token=hf_***'
    """
    return _TOKEN.sub("hf_***", text)


def holds_token(text: str) -> bool:
    """Whether a token of the Hub's stands in a text."""
    return _TOKEN.search(text) is not None
