"""Spaces: what is known of one beside its files. Nothing of it runs here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.hubserver import cards
from tests.hubserver.hardware import HARDWARE
from tests.hubserver.messages import HubError, Request, Response, json_response, timestamp
from tests.hubserver.repositories import Repository
from tests.hubserver.routes import Routes

__all__ = ["Space", "routes", "space_of"]

SDKS = ("gradio", "docker", "static")
APP_FILES = {"gradio": "app.py", "streamlit": "app.py", "docker": "Dockerfile", "static": "index.html"}

routes = Routes()


@dataclass
class Space:
    """Secrets and variables by key, hardware, and whether it was paused."""

    sdk: str
    hardware: str = "cpu-basic"
    sleep_seconds: int | None = 172800
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    volumes: list[dict[str, Any]] | None = None
    is_paused: bool = False
    restarts: int = 0

    @classmethod
    def requested(cls, body: dict[str, Any]) -> Space:
        """A Space as the body of a request to create one describes it."""
        if body.get("sdk") not in SDKS:
            raise HubError(400, f'"sdk" must be one of [{", ".join(SDKS)}]')
        space = cls(body["sdk"], volumes=body.get("volumes"))
        space.request_hardware(body.get("hardware") or "cpu-basic", body.get("sleepTimeSeconds"))
        for name in ("secrets", "variables"):
            for item in body.get(name) or []:
                space.set(name, item)
        return space

    def request_hardware(self, flavor: str, sleep_seconds: int | None) -> None:
        if flavor not in HARDWARE and flavor != "zero-a10g":
            raise HubError(400, f'"flavor" must be one of [{", ".join(HARDWARE)}]')
        self.hardware = flavor
        self.sleep_seconds = 172800 if flavor == "cpu-basic" else sleep_seconds

    def set(self, name: str, item: dict[str, str]) -> None:
        for key in ("key", "value"):
            if not isinstance(item.get(key), str):
                raise HubError(400, f'"{key}" must be a string')
        getattr(self, name)[item["key"]] = {
            "key": item["key"],
            "value": item["value"],
            "description": item.get("description"),
            "updatedAt": timestamp(),
        }

    def first_readme(self, repo_id: str) -> bytes:
        """What the Hub writes into a new Space."""
        title = repo_id.rsplit("/", 1)[-1].replace("-", " ").title()
        matter = f"title: {title}\nemoji: 📚\ncolorFrom: blue\ncolorTo: green\nsdk: {self.sdk}\npinned: false"
        return f"---\n{matter}\n---\n\nCheck out the configuration reference in the Hub's documentation\n".encode()

    def runtime(self, repository: Repository) -> dict[str, Any]:
        """The stage that its files and its last order would bring it to, when nothing fails."""
        files = repository.resolve().files
        card = cards.metadata_of(repository.read("README.md")) if "README.md" in files else {}
        sdk = card.get("sdk")
        if sdk not in APP_FILES:
            stage = "CONFIG_ERROR"
        elif card.get("app_file", APP_FILES[sdk]) not in files:
            stage = "NO_APP_FILE"
        else:
            stage = "PAUSED" if self.is_paused else "RUNNING"
        return {
            "stage": stage,
            "hardware": {"current": self.hardware if stage == "RUNNING" else None, "requested": self.hardware},
            "gcTimeout": self.sleep_seconds,
            "storage": None,
            "volumes": self.volumes,
            "replicas": {"requested": 1},
        }

    def describe(self, repository: Repository) -> dict[str, Any]:
        """The fields of a repository's description that Spaces alone have."""
        card = cards.metadata_of(repository.read("README.md")) if "README.md" in repository.resolve().files else {}
        subdomain = repository.id.replace("/", "-").replace(".", "-").replace("_", "-").lower()
        return {
            "sdk": card.get("sdk", self.sdk),
            "subdomain": subdomain,
            "host": f"https://{subdomain}.hf.space",
            "models": card.get("models", []),
            "datasets": card.get("datasets", []),
            "runtime": self.runtime(repository),
        }


def space_of(repository: Repository) -> Space:
    """The state of a Space; one that a test has put here without gets it now."""
    if repository.space is None:
        repository.space = Space("gradio")
    space: Space = repository.space
    return space


def found(hub: Any, request: Request, repo: str, scope: str = "repo.write") -> tuple[Repository, Space]:
    repository = hub.repositories.find(request.caller, "spaces", repo, scope)
    return repository, space_of(repository)


@routes.on("GET", "/api/spaces/{repo}/runtime")
def runtime(hub: Any, request: Request, repo: str) -> Response:
    repository, space = found(hub, request, repo, "repo.content.read")
    return json_response(space.runtime(repository))


@routes.on("GET POST DELETE", "/api/spaces/{repo}/(?P<name>secrets|variables)")
def settings(hub: Any, request: Request, repo: str, name: str) -> Response:
    """List, set or remove secrets, whose values are never told, or variables, whose values are."""
    _, space = found(hub, request, repo)
    held: dict[str, dict[str, str]] = getattr(space, name)
    if request.method == "POST":
        space.set(name, request.json())
    elif request.method == "DELETE" and held.pop(request.json()["key"], None) is None:
        raise HubError(404, f"No such key in {name}")
    shown = ("description", "updatedAt") if name == "secrets" else ("key", "value", "description", "updatedAt")
    return json_response({key: {field: item[field] for field in shown} for key, item in held.items()})


@routes.on("POST", "/api/spaces/{repo}/(?P<order>hardware|sleeptime|pause|restart)")
def order(hub: Any, request: Request, repo: str, order: str) -> Response:
    repository, space = found(hub, request, repo)
    if order == "hardware":
        body = request.json()
        space.request_hardware(body.get("flavor"), body.get("sleepTimeSeconds"))
    elif order == "sleeptime":
        space.sleep_seconds = request.json()["seconds"]
    else:
        space.is_paused = order == "pause"
        space.restarts += order == "restart"
    return json_response(space.runtime(repository))


@routes.on("PUT DELETE", "/api/spaces/{repo}/volumes")
def volumes(hub: Any, request: Request, repo: str) -> Response:
    repository, space = found(hub, request, repo)
    space.volumes = request.json()["volumes"] if request.method == "PUT" else None
    return json_response(space.runtime(repository))
