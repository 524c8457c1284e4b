"""Fixtures: a running Hub, tokens of each kind, and clients that speak to it, in this process or in another.

``hub`` is empty; with ``tokens`` it has the users alice and bob, and the organization acme, where alice may write and
bob may read. In this process take ``api``, a client that is alice, or ``hub_here`` for code that makes its own client.
A subprocess gets ``hub_environment``. For a Hub that several tests share, the functions here do the same for a fixture
of one's own.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.hubserver import HubServer

if TYPE_CHECKING:
    import huggingface_hub

__all__ = [
    "Tokens",
    "add_accounts",
    "api",
    "environment_of",
    "hub",
    "hub_environment",
    "hub_here",
    "point_here",
    "tokens",
]

FOREIGN = ("HF_", "HUGGING", "TRANSFORMERS_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class Tokens(NamedTuple):
    """Values of access tokens. All but the last are alice's."""

    write: str
    # May read what alice may, and change nothing.
    read: str
    # May write repositories; lacks the scopes for Jobs.
    without_jobs: str
    # May run Jobs; lacks the scopes for repositories.
    jobs_only: str
    expired: str
    # Was never given out.
    unknown: str
    stranger: str


def add_accounts(hub: HubServer) -> Tokens:
    """Put alice, bob and acme on a Hub, and give out their tokens."""
    hub.accounts.add_user("alice")
    hub.accounts.add_user("bob")
    hub.accounts.add_organization("acme", {"alice": "write", "bob": "read"})
    add = hub.accounts.add_token
    return Tokens(
        write=add("alice"),
        read=add("alice", role="read"),
        without_jobs=add("alice", role="fineGrained", scopes=["repo.content.read", "repo.write"]),
        jobs_only=add("alice", role="fineGrained", scopes=["job.read", "job.write"]),
        expired=add("alice", is_expired=True),
        unknown="hf_" + "u" * 34,
        stranger=add("bob"),
    )


def environment_of(hub: HubServer, token: str, home: Path) -> dict[str, str]:
    """The environment of a process that is logged in to a Hub, with its caches in ``home``."""
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
    return {
        **inherited,
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": token,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_EXPERIMENTAL_WARNING": "1",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def point_here(hub: HubServer, token: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set this process's ``huggingface_hub`` as if it had been imported in the environment of ``environment_of``.

    Code that copied a constant at its own import keeps the copy; of those, ``datasets`` is set too, if it is loaded,
    and the client that ``transformers`` has made.
    """
    from huggingface_hub import close_session, constants, hf_api

    # Also where the tests run with HF_HUB_OFFLINE=1, which is read once, at import.
    settings = {
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_DISABLE_EXPERIMENTAL_WARNING": True,
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(home / "hub"),
        "HUGGINGFACE_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
    }
    for name, value in settings.items():
        monkeypatch.setattr(constants, name, value)
    # The functions of the module are this object's methods.
    monkeypatch.setattr(hf_api.api, "endpoint", hub.url)
    if "datasets" in sys.modules:
        config = sys.modules["datasets"].config
        monkeypatch.setattr(config, "HF_ENDPOINT", hub.url)
        monkeypatch.setattr(config, "HUB_DATASETS_URL", hub.url + "/datasets/{repo_id}/resolve/{revision}/{path}")
        monkeypatch.setattr(config, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(config, "HF_DATASETS_CACHE", home / "datasets")
    if "transformers.utils.hub" in sys.modules:
        # Its one client is made at first use, of the Hub of whichever test came first.
        monkeypatch.setattr(sys.modules["transformers.utils.hub"], "_hf_api", None)
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    # The client's own, on the way that large files take; undone by pytest after the test.
    warnings.filterwarnings("ignore", message="Use 'content=", category=DeprecationWarning)
    close_session()


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A Hub of this test's own. A bug of the server met on the way fails the test."""
    with HubServer() as server:
        yield server
    assert not server.errors, "\n".join(server.errors)


@pytest.fixture
def tokens(hub: HubServer) -> Tokens:
    return add_accounts(hub)


@pytest.fixture
def hub_environment(hub: HubServer, tokens: Tokens, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that is logged in as alice, with an empty cache."""
    return environment_of(hub, tokens.write, tmp_path / "huggingface")


@pytest.fixture
def hub_here(hub: HubServer, tokens: Tokens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The Hub, which this process is logged in to as alice, with an empty cache."""
    from huggingface_hub import HfFileSystem, close_session

    point_here(hub, tokens.write, tmp_path / "huggingface", monkeypatch)
    yield hub
    close_session()
    HfFileSystem.clear_instance_cache()


@pytest.fixture
def api(hub_here: HubServer, tokens: Tokens) -> huggingface_hub.HfApi:
    """The real client, logged in as alice."""
    import huggingface_hub

    return huggingface_hub.HfApi(endpoint=hub_here.url, token=tokens.write)
