"""What is in a repository: its tree, its branches and tags, its history."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from tests.hubserver.messages import HubError, Request, Response, json_response, page_of
from tests.hubserver.repositories import Entry, Repository
from tests.hubserver.routes import Routes

__all__ = ["routes"]

routes = Routes()


def folders_of(files: Mapping[str, Entry]) -> dict[str, dict[str, Any]]:
    """Every folder, named by a hash of all that is below it."""
    below: dict[str, list[str]] = {}
    for path, entry in sorted(files.items()):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            below.setdefault("/".join(parts[:depth]), []).append(f"{path} {entry.oid}")
    return {
        path: {"type": "directory", "oid": hashlib.sha1("\n".join(lines).encode()).hexdigest(), "size": 0, "path": path}
        for path, lines in below.items()
    }


@routes.on("GET", "/api/{kind}/{repo}/tree/{revision}")
@routes.on("GET", "/api/{kind}/{repo}/tree/{revision}/{path}")
def tree(hub: Any, request: Request, kind: str, repo: str, revision: str, path: str = "") -> Response:
    """The files and folders of a folder, or of all below it, in pages."""
    repository = hub.repositories.find(request.caller, kind, repo)
    commit = repository.resolve(revision)
    prefix = f"{path.strip('/')}/" if path else ""
    listed = folders_of(commit.files) | {name: entry.json() for name, entry in commit.files.items()}
    found = [
        item
        for name, item in sorted(listed.items())
        if name.startswith(prefix) and (request.flag("recursive") or "/" not in name[len(prefix) :])
    ]
    if path and not found:
        raise HubError(404, f"{path} does not exist on {revision!r}", "EntryNotFound")
    if request.flag("expand"):
        last = {"id": commit.oid, "title": commit.title, "date": commit.date}
        found = [{**item, "lastCommit": last} for item in found]
    return page_of(found, request, hub.url, hub.page_size)


@routes.on("POST", "/api/{kind}/{repo}/paths-info/{revision}")
def paths_info(hub: Any, request: Request, kind: str, repo: str, revision: str) -> Response:
    """The files and folders with these paths; what is not there is left out."""
    files = hub.repositories.find(request.caller, kind, repo).resolve(revision).files
    listed = folders_of(files) | {path: entry.json() for path, entry in files.items()}
    return json_response([listed[path] for path in request.form().get("paths", []) if path in listed])


@routes.on("GET", "/api/{kind}/{repo}/refs")
def refs(hub: Any, request: Request, kind: str, repo: str) -> Response:
    repository = hub.repositories.find(request.caller, kind, repo)

    def listed(names: Mapping[str, str], folder: str) -> list[dict[str, str]]:
        return [{"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": oid} for name, oid in names.items()]

    found = {"branches": listed(repository.branches, "heads"), "tags": listed(repository.tags, "tags"), "converts": []}
    return json_response({**found, "pullRequests": []} if request.parameters("include_prs") else found)


@routes.on("GET", "/api/{kind}/{repo}/commits/{revision}")
def commits(hub: Any, request: Request, kind: str, repo: str, revision: str) -> Response:
    """The history, newest first, in pages."""
    repository = hub.repositories.find(request.caller, kind, repo)
    found = [
        {
            "id": commit.oid,
            "title": commit.title,
            "message": commit.message,
            "authors": [{"user": commit.author, "avatar": "/avatar.svg"}],
            "date": commit.date,
        }
        for commit in repository.log(revision)
    ]
    return page_of(found, request, hub.url, hub.page_size)


def name_commit(repository: Repository, names: dict[str, str], name: str, revision: str, message: str) -> Response:
    with repository.lock:
        commit = repository.resolve(revision)
        if name in names:
            raise HubError(409, message)
        names[name] = commit.oid
    return Response(200)


def forget(repository: Repository, names: dict[str, str], name: str) -> Response:
    with repository.lock:
        if name not in names:
            raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
        del names[name]
    return Response(200)


@routes.on("POST", "/api/{kind}/{repo}/branch/{name}")
def create_branch(hub: Any, request: Request, kind: str, repo: str, name: str) -> Response:
    repository = hub.repositories.find(request.caller, kind, repo, "repo.write")
    revision = request.json().get("startingPoint") or "main"
    return name_commit(repository, repository.branches, name, revision, f"Reference already exists: refs/heads/{name}")


@routes.on("DELETE", "/api/{kind}/{repo}/branch/{name}")
def delete_branch(hub: Any, request: Request, kind: str, repo: str, name: str) -> Response:
    repository = hub.repositories.find(request.caller, kind, repo, "repo.write")
    if name == "main":
        raise HubError(403, "Cannot delete refs/heads/main")
    return forget(repository, repository.branches, name)


@routes.on("POST", "/api/{kind}/{repo}/tag/{revision}")
def create_tag(hub: Any, request: Request, kind: str, repo: str, revision: str) -> Response:
    repository = hub.repositories.find(request.caller, kind, repo, "repo.write")
    name = request.json()["tag"]
    return name_commit(repository, repository.tags, name, revision, f"Tag reference exists already: {name}")


@routes.on("DELETE", "/api/{kind}/{repo}/tag/{name}")
def delete_tag(hub: Any, request: Request, kind: str, repo: str, name: str) -> Response:
    repository = hub.repositories.find(request.caller, kind, repo, "repo.write")
    return forget(repository, repository.tags, name)
