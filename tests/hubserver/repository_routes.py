"""Create, describe, list, change and delete repositories."""

from __future__ import annotations

import re
from typing import Any

from tests.hubserver import cards, spaces
from tests.hubserver.accounts import Caller, required
from tests.hubserver.messages import HubError, Request, Response, json_response
from tests.hubserver.repositories import Commit, Entry, Repository, can_see
from tests.hubserver.routes import Routes

__all__ = ["routes"]

KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}
NAME = re.compile(r"[\w.-]{1,96}")

routes = Routes()


def named(request: Request) -> tuple[Caller, str, str, dict[str, Any]]:
    """Caller, kind and id that a body with ``name``, ``organization`` and ``type`` means, and the body."""
    body = request.json()
    caller = required(request.caller)
    kind = KINDS.get(body.get("type") or "model")
    if kind is None:
        raise HubError(400, f'"type" must be one of [{", ".join(KINDS)}]')
    if not NAME.fullmatch(str(body.get("name"))) or str(body["name"]).endswith(".git"):
        raise HubError(400, f'"name" with value "{body.get("name")}" is not valid')
    return caller, kind, f"{body.get('organization') or caller.account.name}/{body['name']}", body


@routes.on("POST", "/api/repos/create")
def create(hub: Any, request: Request) -> Response:
    caller, kind, repo_id, body = named(request)
    namespace = repo_id.split("/")[0]
    if not caller.has("repo.write") or not caller.may_write(namespace):
        message = f'You don\'t have the rights to create a {kind[:-1]} under the namespace "{namespace}"'
        raise HubError(403, message)
    visibility = body.get("visibility") or ("private" if body.get("private") else "public")
    if visibility not in ("public", "private", *(["protected"] if kind == "spaces" else [])):
        raise HubError(400, '"visibility" must be one of [public, private]')
    space = spaces.Space.requested(body) if kind == "spaces" else None
    url = f"{hub.url}/{repo_id}" if kind == "models" else f"{hub.url}/{kind}/{repo_id}"
    files = {"README.md": space.first_readme(repo_id)} if space else {}
    try:
        repository = hub.repositories.create(kind, repo_id, visibility, files=files, space=space)
    except HubError as error:
        # The client reads the address from the refusal too.
        error.fields["url"] = url
        raise
    return json_response({"url": url, "name": repo_id, "id": repository.number})


@routes.on("DELETE", "/api/repos/delete")
def delete(hub: Any, request: Request) -> Response:
    caller, kind, repo_id, _ = named(request)
    hub.repositories.find(caller, kind, repo_id, "repo.write")
    hub.repositories.delete(kind, repo_id)
    return Response(200, b"OK", {"Content-Type": "text/plain"})


@routes.on("PUT", "/api/{kind}/{repo}/settings")
def change_settings(hub: Any, request: Request, kind: str, repo: str) -> Response:
    repository = hub.repositories.find(request.caller, kind, repo, "repo.write")
    body = request.json()
    repository.visibility = body.get("visibility", repository.visibility)
    repository.gated = body.get("gated", repository.gated)
    return json_response({"private": repository.is_private, "gated": repository.gated})


@routes.on("GET", "/api/{kind}/{repo}/auth-check")
@routes.on("GET", "/api/{kind}/{repo}/auth-check/(?P<write>write)")
def check_access(hub: Any, request: Request, kind: str, repo: str, write: str | None = None) -> Response:
    repository = hub.repositories.find(request.caller, kind, repo, "repo.write" if write else "repo.content.read")
    require_terms(request.caller, repository)
    return json_response({"ok": True})


def require_terms(caller: Caller | None, repository: Repository) -> None:
    """A gated repository's files are for its own people; nobody else has accepted the terms here."""
    if not repository.gated or (caller is not None and caller.is_member(repository.namespace)):
        return
    access = f"Access to {repository.kind[:-1]} {repository.id} is restricted"
    if caller is None:
        message = f"{access}. You must have access to it and be authenticated to access it. Please log in."
        raise HubError(401, message, "GatedRepo")
    raise HubError(
        403, f"{access} and you are not in the authorized list. Visit its page to ask for access.", "GatedRepo"
    )


@routes.on("GET", "/api/{kind}")
def search(hub: Any, request: Request, kind: str) -> Response:
    """The repositories that the caller may see, newest first, by author, text and tags."""
    author, text = (request.parameters(name)[-1:] or [""] for name in ("author", "search"))
    wanted = {tag for value in request.parameters("filter") for tag in value.split(",")}
    found = []
    for repository in reversed(hub.repositories.all(kind)):
        if not can_see(request.caller, repository):
            continue
        description = describe(hub, repository, repository.resolve())
        if author[0] in ("", repository.namespace) and text[0] in repository.id and wanted <= {*description["tags"]}:
            found.append(description)
    limit = int((request.parameters("limit") or ["1000"])[-1])
    return json_response(found[:limit])


@routes.on("GET", "/api/{kind}/{repo}/revision/{revision}")
@routes.on("GET", "/api/{kind}/{repo}")
def info(hub: Any, request: Request, kind: str, repo: str, revision: str = "main") -> Response:
    repository = hub.repositories.find(request.caller, kind, repo)
    commit = repository.resolve(revision)
    description = describe(hub, repository, commit, with_blobs=request.flag("blobs"))
    if expand := request.parameters("expand"):
        description = {key: value for key, value in description.items() if key in (*expand, "_id", "id")}
    return json_response(description)


def describe(hub: Any, repository: Repository, commit: Commit, *, with_blobs: bool = False) -> dict[str, Any]:
    """What the Hub says of a repository at a commit."""
    card = cards.metadata_of(repository.read("README.md", commit.oid)) if "README.md" in commit.files else {}
    found: dict[str, Any] = {
        "_id": repository.number,
        "id": repository.id,
        "author": repository.namespace,
        "sha": commit.oid,
        "lastModified": commit.date,
        "createdAt": repository.created_at,
        "private": repository.is_private,
        "gated": repository.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": cards.tags_of(card),
        "cardData": card,
        "usedStorage": sum(entry.size for entry in commit.files.values()),
        "siblings": [sibling(entry, with_blobs) for _, entry in sorted(commit.files.items())],
    }
    if repository.kind == "models":
        found |= {key: card[key] for key in ("library_name", "pipeline_tag") if key in card}
        found["modelId"] = repository.id
    if repository.kind == "spaces":
        found |= spaces.space_of(repository).describe(repository)
    return found


def sibling(entry: Entry, with_blobs: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"rfilename": entry.path}
    if with_blobs:
        found |= {"size": entry.size, "blobId": entry.oid}
        if entry.sha256:
            found["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_bytes}
    return found
