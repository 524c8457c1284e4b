"""Users, organizations, and their tokens: who asks, and what they may do."""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.hubserver.messages import BAD_TOKEN, HubError, Request, Response, json_response, timestamp
from tests.hubserver.routes import Routes

__all__ = ["Account", "Accounts", "Caller", "Token", "new_id", "routes"]

Role = Literal["write", "read", "fineGrained"]

# What a fine-grained token may be given, by the Hub's names.
SCOPES = frozenset({"repo.content.read", "repo.write", "job.read", "job.write"})
READ_SCOPES = frozenset({"repo.content.read", "job.read"})
WRITING_ROLES = ("admin", "write", "contributor")

routes = Routes()


def new_id() -> str:
    """An identifier like the Hub's: 24 hex digits."""
    return secrets.token_hex(12)


@dataclass
class Account:
    """A user, or an organization with its members' roles."""

    name: str
    type: Literal["user", "org"] = "user"
    is_pro: bool = True
    # Whether there is credit for Jobs.
    can_pay: bool = True
    roles: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=new_id)

    def json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "id": self.id,
            "name": self.name,
            "fullname": self.name.title(),
            "email": f"{self.name}@example.com" if self.type == "user" else None,
            "canPay": self.can_pay,
            "isPro": self.is_pro,
            "avatarUrl": f"/avatars/{self.id}.svg",
        }


@dataclass(frozen=True)
class Token:
    """An access token. Its ``repr`` does not show its value."""

    value: str = field(repr=False)
    user: str
    role: Role = "write"
    scopes: frozenset[str] = SCOPES
    is_expired: bool = False
    name: str = "tests"
    created_at: str = field(default_factory=timestamp)


@dataclass(frozen=True)
class Caller:
    """A user, known by a token."""

    account: Account
    token: Token
    organizations: tuple[Account, ...]

    def is_member(self, namespace: str) -> bool:
        return namespace == self.account.name or any(one.name == namespace for one in self.organizations)

    def may_write(self, namespace: str) -> bool:
        """Whether the user's role in the namespace lets them write. The token may still not."""
        roles = {one.name: one.roles[self.account.name] for one in self.organizations}
        return namespace == self.account.name or roles.get(namespace) in WRITING_ROLES

    def has(self, scope: str) -> bool:
        implied = {"job.read": "job.write", "repo.content.read": "repo.write"}.get(scope)
        return scope in self.token.scopes or implied in self.token.scopes


class Accounts:
    """All accounts and tokens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}
        self._tokens: dict[str, Token] = {}

    def add_user(self, name: str, *, is_pro: bool = True, can_pay: bool = True) -> Account:
        return self._add(Account(name, "user", is_pro, can_pay))

    def add_organization(self, name: str, roles: dict[str, str], *, can_pay: bool = True) -> Account:
        """An organization; ``roles`` are its users' "admin", "write", "contributor" or "read"."""
        return self._add(Account(name, "org", can_pay=can_pay, roles=roles))

    def _add(self, account: Account) -> Account:
        with self._lock:
            self._accounts[account.name] = account
        return account

    def get(self, name: str) -> Account | None:
        return self._accounts.get(name)

    def add_token(
        self,
        user: str,
        *,
        role: Role = "write",
        scopes: Iterable[str] | None = None,
        is_expired: bool = False,
        value: str | None = None,
    ) -> str:
        """Give a user a token and return its value. A fine-grained one may do what ``scopes`` names."""
        alphabet = string.ascii_letters + string.digits
        value = value or "hf_" + "".join(secrets.choice(alphabet) for _ in range(34))
        allowed = {"write": SCOPES, "read": READ_SCOPES, "fineGrained": frozenset(scopes or ())}[role]
        if unknown := allowed - SCOPES:
            raise ValueError(f"scopes are {sorted(SCOPES)}, got {sorted(unknown)}")
        with self._lock:
            self._tokens[value] = Token(value, user, role, allowed, is_expired)
        return value

    def revoke(self, value: str) -> None:
        with self._lock:
            del self._tokens[value]

    def caller_of(self, request: Request) -> Caller | None:
        """Who asks. A token that is no good is refused even where none is needed, as on the Hub."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        token = self._tokens.get(header.removeprefix("Bearer "))
        if token is None:
            raise HubError(401, BAD_TOKEN)
        if token.is_expired:
            raise HubError(401, f'User Access Token "{token.name}" is expired')
        with self._lock:
            organizations = tuple(one for one in self._accounts.values() if token.user in one.roles)
        return Caller(self._accounts[token.user], token, organizations)


def required(caller: Caller | None) -> Caller:
    """The caller, who must be known."""
    if caller is None:
        raise HubError(401, "Invalid username or password.")
    return caller


@routes.on("GET", "/api/whoami-v2")
def whoami(_hub: Any, request: Request) -> Response:
    caller = required(request.caller)
    access_token: dict[str, Any] = {
        "displayName": caller.token.name,
        "role": caller.token.role,
        "createdAt": caller.token.created_at,
    }
    if caller.token.role == "fineGrained":
        entity = {"_id": caller.account.id, "type": "user", "name": caller.account.name}
        scoped = [{"entity": entity, "permissions": sorted(caller.token.scopes)}]
        access_token["fineGrained"] = {"canReadGatedRepos": True, "global": [], "scoped": scoped}
    organizations = [
        {**one.json(), "roleInOrg": one.roles[caller.account.name], "isEnterprise": False}
        for one in caller.organizations
    ]
    auth = {"type": "access_token", "accessToken": access_token}
    return json_response({**caller.account.json(), "emailVerified": True, "orgs": organizations, "auth": auth})
