"""How files come in: the question which are large, the large ones' way to the storage, and the commit."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from tests.hubserver import attributes, cards
from tests.hubserver.accounts import required
from tests.hubserver.messages import HubError, Request, Response, json_response
from tests.hubserver.repositories import Commit, Entry, Repository
from tests.hubserver.routes import Routes

__all__ = ["routes"]

LFS = {"Content-Type": "application/vnd.git-lfs+json"}

routes = Routes()


@routes.on("POST", "/api/{kind}/{repo}/preupload/{revision}")
def preupload(hub: Any, request: Request, kind: str, repo: str, revision: str) -> Response:
    """Say of each file whether it is large, and which bytes are there already."""
    repository = hub.repositories.find(request.caller, kind, repo, "repo.write")
    commit, text = repository.resolve(revision), repository.attributes(revision)
    found = []
    for file in request.json()["files"]:
        is_large = attributes.is_large(text, file["path"], file["size"], base64.b64decode(file["sample"]))
        item = {"path": file["path"], "uploadMode": "lfs" if is_large else "regular", "shouldIgnore": False}
        if (entry := commit.files.get(file["path"])) is not None:
            item["oid"] = entry.sha256 or entry.oid
        found.append(item)
    return json_response({"files": found, "commitOid": commit.oid})


@routes.on("POST", "/{prefix}{repo}\\.git/info/lfs/objects/batch")
def batch(hub: Any, request: Request, prefix: str, repo: str) -> Response:
    """Tell where to put each object; one that is there needs nothing."""
    repository = hub.repositories.find(request.caller, prefix.rstrip("/") or "models", repo, "repo.write")
    found = []
    for wanted in request.json()["objects"]:
        item: dict[str, Any] = {"oid": wanted["oid"], "size": wanted["size"], "authenticated": True}
        if not hub.objects.has(repository.number, wanted["oid"]):
            href = hub.objects.signed(hub.storage_url, "PUT", repository.number, wanted["oid"])
            verify = f"{hub.url}{request.path.removesuffix('batch')}verify"
            item["actions"] = {"upload": {"href": href, "header": {}}, "verify": {"href": verify, "header": {}}}
        found.append(item)
    return json_response({"transfer": "basic", "objects": found}, headers=LFS)


@routes.on("POST", "/{prefix}{repo}\\.git/info/lfs/objects/verify")
def verify(hub: Any, request: Request, prefix: str, repo: str) -> Response:
    repository = hub.repositories.find(request.caller, prefix.rstrip("/") or "models", repo, "repo.write")
    wanted = request.json()
    require_object(repository, wanted["oid"], wanted["size"], "the object that was uploaded")
    return json_response({}, headers=LFS)


def require_object(repository: Repository, sha256: str, size: int | None, path: str) -> int:
    """The object's size; an error when it is not there, or of another size."""
    if not repository.objects.has(repository.number, sha256):
        message = f"Your push was rejected because an LFS pointer pointed to a file that does not exist: {path}"
        raise HubError(400, message)
    stored = repository.objects.size(repository.number, sha256)
    if size not in (None, stored):
        raise HubError(400, f"The size of {path} is {stored}, not {size}")
    return stored


@routes.on("POST", "/api/{kind}/{repo}/commit/{revision}")
def commit(hub: Any, request: Request, kind: str, repo: str, revision: str) -> Response:
    """Apply a commit's operations, sent one per line, all or none."""
    repository = hub.repositories.find(request.caller, kind, repo, "repo.write")
    if request.flag("create_pr"):
        raise HubError(501, "hubserver has no pull requests")
    operations = [(line["key"], line["value"]) for line in map(json.loads, request.body().splitlines())]
    header: dict[str, str] = next((value for key, value in operations if key == "header"), {})
    with repository.lock:
        head = repository.resolve(revision)
        if revision not in repository.branches:
            raise HubError(400, f"{revision!r} is not a branch")
        if header.get("parentCommit") not in (None, head.oid):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        changes = changes_of(repository, head, operations)
        check_card(repository, changes)
        author = required(request.caller).account.name
        made = repository.commit(
            changes, header.get("summary", ""), branch=revision, message=header.get("description", ""), author=author
        )
    url = f"{hub.url}/{repository.path}/commit/{made.oid}"
    return json_response({"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""})


def changes_of(repository: Repository, head: Commit, operations: list[tuple[str, Any]]) -> dict[str, Entry | None]:
    """The files to write, and with None the ones to delete."""
    changes: dict[str, Entry | None] = {}
    for key, value in operations:
        path = value.get("path", "")
        if key != "header" and (path.startswith("/") or {"", ".", "..", ".git"} & {*path.rstrip("/").split("/")}):
            raise HubError(400, f'"path" with value "{path}" is not valid')
        if key == "file":
            changes[path] = repository.store_regular(path, content_of(value))
        elif key == "lfsFile":
            size = require_object(repository, value["oid"], value.get("size"), path)
            changes[path] = Entry.large(path, value["oid"], size)
        elif key in ("deletedFile", "deletedFolder"):
            folder = f"{path.rstrip('/')}/"
            gone = [name for name in head.files if name == path or (key == "deletedFolder" and name.startswith(folder))]
            if not gone:
                raise HubError(404, f"A {key[7:].lower()} with this name doesn't exist: {path}", "EntryNotFound")
            changes |= dict.fromkeys(gone)
        elif key != "header":
            raise HubError(400, f'"key" with value "{key}" is not valid')
    return changes


def content_of(value: dict[str, str]) -> bytes:
    if value.get("encoding") != "base64":
        return value["content"].encode()
    try:
        content = base64.b64decode(value["content"], validate=True)
    except binascii.Error:
        raise HubError(400, f"The content of {value['path']} is not base64") from None
    if len(content) > attributes.LARGEST_REGULAR_BYTES:
        message = f"Your push was rejected because it contains files larger than 10 MiB: {value['path']}"
        raise HubError(400, message)
    return content


def check_card(repository: Repository, changes: dict[str, Entry | None]) -> None:
    """A README whose front matter is not valid is refused, as by validate-yaml."""
    readme = changes.get("README.md")
    if readme is None or readme.sha256:
        return
    errors, _ = cards.check(repository.blobs[readme.oid].decode(errors="replace"), repository.kind)
    if errors:
        raise HubError(400, "Invalid metadata in README.md", errors=[{"message": error} for error in errors])


@routes.on("POST", "/api/validate-yaml")
def validate_yaml(_hub: Any, request: Request) -> Response:
    body = request.json()
    errors, warnings = cards.check(body["content"], f"{body.get('repoType') or 'model'}s")
    found = {
        name: [{"message": one} for one in messages] for name, messages in [("errors", errors), ("warnings", warnings)]
    }
    return json_response(found, 400 if errors else 200)


@routes.on("GET", "/api/{kind}/{repo}/xet-(?:read|write)-token/{revision}")
def no_xet(_hub: Any, _request: Request, **_: str) -> Response:
    raise HubError(501, "hubserver has no Xet storage: set HF_HUB_DISABLE_XET=1 before huggingface_hub is imported")
