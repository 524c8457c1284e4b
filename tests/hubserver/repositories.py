"""Repositories: commits with their files, branches and tags. What a request may see of them is decided here too."""

from __future__ import annotations

import hashlib
import io
import itertools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.hubserver import attributes
from tests.hubserver.accounts import Caller, new_id, required
from tests.hubserver.messages import HubError, timestamp
from tests.hubserver.objects import Objects

__all__ = ["Commit", "Entry", "Repositories", "Repository", "blob_oid"]

counter = itertools.count()


def blob_oid(content: bytes) -> str:
    """The name that git gives to a file's bytes."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()


def pointer_of(sha256: str, size: int) -> bytes:
    """What git keeps in the place of a large file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


@dataclass(frozen=True)
class Entry:
    """A file of a commit. ``oid`` names the git blob, ``sha256`` the object where the file is a large one."""

    path: str
    oid: str
    size: int
    sha256: str | None = None

    @classmethod
    def large(cls, path: str, sha256: str, size: int) -> Entry:
        return cls(path, blob_oid(pointer_of(sha256, size)), size, sha256)

    @property
    def pointer_bytes(self) -> int:
        return len(pointer_of(self.sha256 or "", self.size))

    def json(self) -> dict[str, Any]:
        found = {"type": "file", "oid": self.oid, "size": self.size, "path": self.path}
        if self.sha256:
            found["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": self.pointer_bytes}
        return found


@dataclass(frozen=True)
class Commit:
    oid: str
    title: str
    message: str
    author: str
    date: str
    parent: str | None
    files: Mapping[str, Entry]


@dataclass
class Repository:
    """One repository. ``objects`` hold its large files, ``blobs`` the others."""

    kind: str
    id: str
    objects: Objects
    visibility: str = "public"
    gated: str | bool = False
    number: str = field(default_factory=new_id)
    created_at: str = field(default_factory=timestamp)
    blobs: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    # A Space's state, a `spaces.Space`.
    space: Any = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def namespace(self) -> str:
        return self.id.split("/")[0]

    @property
    def is_private(self) -> bool:
        return self.visibility == "private"

    @property
    def path(self) -> str:
        """Its path on the Hub's site: ``alice/model``, ``datasets/alice/index``."""
        return self.id if self.kind == "models" else f"{self.kind}/{self.id}"

    def resolve(self, revision: str = "main") -> Commit:
        """The commit that a branch, a tag or a hash means."""
        name = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        oid = self.branches.get(name) or self.tags.get(name) or revision
        if oid not in self.commits:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def log(self, revision: str = "main") -> Iterator[Commit]:
        """The commits from this one back to the first."""
        commit: Commit | None = self.resolve(revision)
        while commit is not None:
            yield commit
            commit = self.commits[commit.parent] if commit.parent else None

    def read(self, path: str, revision: str = "main") -> bytes:
        """A file's bytes."""
        entry = self.resolve(revision).files[path]
        if entry.sha256 is None:
            return self.blobs[entry.oid]
        return self.objects.path(self.number, entry.sha256).read_bytes()

    def commit(
        self,
        files: Mapping[str, bytes | Entry | None],
        title: str = "Commit by a test",
        *,
        branch: str = "main",
        message: str = "",
        author: str = "",
    ) -> Commit:
        """Put a commit on a branch: bytes are stored as the attributes say, None deletes. No path is refused."""
        with self.lock:
            parent = self.resolve(branch) if self.commits else None
            tree = dict(parent.files) if parent else {}
            for path, content in files.items():
                if content is None:
                    del tree[path]
                else:
                    tree[path] = content if isinstance(content, Entry) else self.store(path, content)
            head = parent.oid if parent else None
            name = hashlib.sha1(repr((self.number, head, next(counter), sorted(tree.items()))).encode()).hexdigest()
            commit = Commit(name, title, message, author or self.namespace, timestamp(), head, tree)
            self.commits[name] = commit
            self.branches[branch] = name
            return commit

    def store(self, path: str, content: bytes) -> Entry:
        """Keep a file's bytes, without committing it."""
        if attributes.is_large(self.attributes(), path, len(content), content[:512]):
            sha256 = hashlib.sha256(content).hexdigest()
            self.objects.keep(self.number, sha256, io.BytesIO(content))
            return Entry.large(path, sha256, len(content))
        return self.store_regular(path, content)

    def store_regular(self, path: str, content: bytes) -> Entry:
        entry = Entry(path, blob_oid(content), len(content))
        self.blobs[entry.oid] = content
        return entry

    def attributes(self, revision: str = "main") -> str:
        """The text of its ``.gitattributes``, or nothing."""
        entry = self.resolve(revision).files.get(".gitattributes") if self.commits else None
        return self.blobs[entry.oid].decode() if entry and entry.oid in self.blobs else ""

    def tamper(self, path: str, content: bytes) -> None:
        """Serve other bytes for a file from now on, while listings and headers still name the right ones."""
        entry = self.resolve().files[path]
        if entry.sha256 is None:
            self.blobs[entry.oid] = content
        else:
            self.objects.keep(self.number, entry.sha256, io.BytesIO(content))


class Repositories:
    """All repositories, by kind ("models", "datasets", "spaces") and id."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._repositories: dict[tuple[str, str], Repository] = {}

    def __getitem__(self, key: tuple[str, str]) -> Repository:
        return self._repositories[key]

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._repositories

    def all(self, kind: str) -> list[Repository]:
        with self._lock:
            return [one for one in self._repositories.values() if one.kind == kind]

    def create(
        self,
        kind: str,
        repo_id: str,
        visibility: str = "public",
        *,
        files: Mapping[str, bytes] | None = None,
        space: Any = None,
    ) -> Repository:
        """A repository with the first commit that the Hub makes, and more files in it; 409 where there is one."""
        repository = Repository(kind, repo_id, self._objects, visibility, space=space)
        repository.commit({".gitattributes": attributes.DEFAULT.encode(), **(files or {})}, "initial commit")
        with self._lock:
            if (kind, repo_id) in self._repositories:
                raise HubError(409, f"You already created this {kind[:-1]} repo: {repo_id}")
            self._repositories[kind, repo_id] = repository
        return repository

    def delete(self, kind: str, repo_id: str) -> None:
        with self._lock:
            del self._repositories[kind, repo_id]

    def find(self, caller: Caller | None, kind: str, repo_id: str, scope: str = "repo.content.read") -> Repository:
        """The repository, when the caller may see it, and write it where that is the scope."""
        repository = self._repositories.get((kind, repo_id))
        if repository is None or not can_see(caller, repository):
            if caller is None:
                raise HubError(401, "Invalid username or password.")
            raise HubError(404, "Repository not found", "RepoNotFound")
        if scope == "repo.write":
            require_write(required(caller), repository)
        return repository


def can_see(caller: Caller | None, repository: Repository) -> bool:
    if not repository.is_private:
        return True
    return caller is not None and caller.is_member(repository.namespace) and caller.has("repo.content.read")


def require_write(caller: Caller, repository: Repository) -> None:
    if not caller.has("repo.write"):
        raise HubError(403, "you must use a write token to upload to a repository.")
    if not caller.may_write(repository.namespace):
        raise HubError(403, "pass `create_pr=1` as a query parameter to create a Pull Request")
