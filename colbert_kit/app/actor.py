"""Who acts: whose token is used, and what may be touched, decided in one place.

A visitor of a Space acts with the token of their own sign-in or with none: the Space's own token is never a fallback
(``tests/app/test_actor.py`` holds the table).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from colbert_kit.errors import InvalidInput

__all__ = ["Actor", "find_place", "resolve_actor"]

Place = Literal["space", "local", "server"]

LOOPBACK = frozenset({"", "127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Actor:
    """Who acts, and what they may do.

    Args:
        place: ``"space"``: a Hugging Face Space; ``"local"``: one person's own machine; ``"server"``: a machine that
            answers others too.
        token: The Hub token to act with; None acts as nobody. Never shown.
        user: The signed-in user's name; None where nobody signed in or it is not known yet.
        namespaces: Where the user may create: their own name and their organizations'.
    """

    place: Place
    token: str | None = field(default=None, repr=False)
    user: str | None = None
    namespaces: tuple[str, ...] = ()

    @property
    def may_use_machine(self) -> bool:
        """Whether folders of this machine may be opened and written, and jobs run on it."""
        return self.place == "local"

    @property
    def may_use_hub(self) -> bool:
        """Whether something may be pushed or launched on the Hub."""
        return self.token is not None

    def require_machine(self, what: str) -> None:
        """Refuse what only the machine's owner may do.

        Raises:
            InvalidInput: Someone else acts.
        """
        if not self.may_use_machine:
            raise InvalidInput(
                f"{what} needs your own machine: install colbert_kit there and start `python app.py`. Here, "
                "indexes and models of the Hub can be used."
            )

    def require_token(self, what: str) -> str:
        """The token to act with.

        Raises:
            InvalidInput: There is none.
        """
        if self.token is None:
            how = "sign in above" if self.place == "space" else "run hf auth login in a terminal, then reload the page"
            if self.place == "server":
                how = "start the page on your own machine: a server that answers others acts for nobody"
            raise InvalidInput(f"{what} needs your Hugging Face account: {how}.")
        return self.token


def find_place(environment: Mapping[str, str] | None = None, host: str | None = None) -> Place:
    """Where the page runs.

    Args:
        environment: ``os.environ`` where None.
        host: The address that the page is bound to; Gradio's ``GRADIO_SERVER_NAME`` where None.
    """
    environment = os.environ if environment is None else environment
    if environment.get("SPACE_ID") or environment.get("SYSTEM") == "spaces":
        return "space"
    host = environment.get("GRADIO_SERVER_NAME", "") if host is None else host
    shared = environment.get("GRADIO_SHARE", "").lower() in {"1", "true"}
    return "local" if host in LOOPBACK and not shared else "server"


def resolve_actor(
    oauth_token: Any = None,  # noqa: ANN401 - gradio's OAuthToken, or None
    profile: Any = None,  # noqa: ANN401 - gradio's OAuthProfile, or None
    *,
    environment: Mapping[str, str] | None = None,
    host: str | None = None,
    stored_token: str | None = None,
) -> Actor:
    """Who acts in an event.

    Args:
        oauth_token: What Gradio gives a handler for its parameter of type ``gr.OAuthToken | None``.
        profile: Likewise ``gr.OAuthProfile | None``.
        environment: ``os.environ`` where None.
        host: As ``find_place``.
        stored_token: The token of the machine's owner, ``huggingface_hub.get_token()``; used on their own machine
            alone.

    Example:
        >>> resolve_actor(environment={"SPACE_ID": "me/search"}, stored_token="hf_of_the_space").token is None
        True
    """
    place = find_place(environment, host)
    if place == "local":
        return Actor(place, stored_token)
    if place == "server" or oauth_token is None:
        return Actor(place)
    said: Mapping[str, Any] = profile if isinstance(profile, Mapping) else {}
    user = said.get("preferred_username")
    # Of the organizations, those that the visitor has let the app see.
    writable = [one for one in said.get("orgs") or () if one.get("roleInOrg") != "read"]
    names = [one.get("preferred_username") or one.get("name") for one in writable]
    return Actor(place, oauth_token.token, user, tuple(name for name in (user, *names) if name))
