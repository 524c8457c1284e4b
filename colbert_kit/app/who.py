"""Who acts in an event of the page, and in whose names they may act. No Gradio, no torch."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from colbert_kit import hub, runners
from colbert_kit.app.actor import Actor, resolve_actor

__all__ = ["acting", "namespaces_of", "owner_of"]

_known: dict[str, tuple[str, ...]] = {}
_lock = threading.Lock()
MOST_KNOWN = 1000


def acting(oauth_token: Any = None, profile: Any = None) -> Actor:  # noqa: ANN401 - gradio's
    """As ``resolve_actor``, on this machine with the token that its owner is logged in with."""
    return resolve_actor(oauth_token, profile, stored_token=runners.login_token())


def namespaces_of(actor: Actor) -> tuple[str, ...]:
    """Where the one who acts may launch and create; the Hub is asked once a token.

    Raises:
        InvalidInput: Nobody has signed in.
        NotAllowed: The Hub does not know the token.
        HubUnreachable: The Hub cannot be reached.
    """
    token = actor.require_token("A job at Hugging Face")
    if len(actor.namespaces) > 1:
        return actor.namespaces
    key = owner_of(actor)
    with _lock:
        known = _known.get(key)
    if known is None:
        known = hub.find_namespaces(token)
        with _lock:
            if len(_known) >= MOST_KNOWN:
                _known.clear()
            _known[key] = known
    return known


def owner_of(actor: Actor) -> str:
    """A name for the one who acts that gives nothing away: what is kept for one of them is never shown to another."""
    return hashlib.sha256((actor.token or "").encode()).hexdigest() if actor.token else "nobody"
