"""How files go out: redirected to where they lie, as on the Hub."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.hubserver.messages import HubError, Request, Response, ranged_response
from tests.hubserver.repositories import Commit, Entry, Repository
from tests.hubserver.repository_routes import require_terms
from tests.hubserver.routes import Routes

__all__ = ["routes"]

routes = Routes()


def located(
    hub: Any, request: Request, kind: str, repo: str, revision: str, path: str
) -> tuple[Repository, Commit, Entry]:
    """The file that a path means, for one who may have it."""
    repository = hub.repositories.find(request.caller, kind, repo)
    require_terms(request.caller, repository)
    commit = repository.resolve(revision)
    if path not in commit.files:
        # The client remembers by the commit that there is no such file.
        raise HubError(404, "Entry not found", "EntryNotFound", headers={"X-Repo-Commit": commit.oid})
    return repository, commit, commit.files[path]


@routes.on("GET", "/{kind}/{repo}/resolve/{revision}/{path}")
@routes.on("GET", "/{repo}/resolve/{revision}/{path}")
def resolve(hub: Any, request: Request, repo: str, revision: str, path: str, kind: str = "models") -> Response:
    """A large file is at the storage, under a signed address; the others are on this host, by commit."""
    repository, commit, entry = located(hub, request, kind, repo, revision, path)
    etag = entry.sha256 or entry.oid
    headers = {
        "X-Repo-Commit": commit.oid,
        "X-Linked-Size": str(entry.size),
        "X-Linked-ETag": f'"{etag}"',
        "Accept-Ranges": "bytes",
    }
    if entry.sha256:
        headers["Location"] = hub.objects.signed(hub.storage_url, "GET", repository.number, entry.sha256)
        return Response(302, headers=headers)
    tag = quote(f'"{etag}"')
    headers["Location"] = f"/api/resolve-cache/{kind}/{repository.id}/{commit.oid}/{quote(path)}?etag={tag}"
    return Response(307, headers=headers)


@routes.on("GET", "/api/resolve-cache/{kind}/{repo}/{revision}/{path}")
def resolve_cached(hub: Any, request: Request, kind: str, repo: str, revision: str, path: str) -> Response:
    """A file that is not large, from the same host and under the same rules."""
    repository, commit, entry = located(hub, request, kind, repo, revision, path)
    headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{entry.oid}"'}
    return ranged_response(request, repository.blobs[entry.oid], headers)
