"""Open indexes, a few at a time. Who may open what is decided here, where indexes are opened."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbert_kit.app.actor import Actor, resolve_actor
from colbert_kit.app.service import Service
from colbert_kit.app.shelf import Shelf
from colbert_kit.errors import ColbertKitError, InvalidFolder, InvalidInput

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

    from colbert_kit import Searcher

__all__ = ["Opened"]

MOST_OPEN = 4
"""Indexes open beside the one that the page was started with. Their files are mapped, so what counts is their models:
0.1 to 0.6 GB each, unless they are the same."""

MAX_VISITOR_BYTES = 2 * 2**30
"""Of an index that somebody else than the machine's owner has opened: a Space has 50 GB of disk."""

# huggingface_hub's word for nobody; None would be whoever is logged in here, in a Space its owner.
NOBODY: Any = False


class Opened:
    """The service of each index that was asked for; the one used longest ago goes first.

    Args:
        index: The page's own, as ``Service``. It stays.
        get_actor: Who opens the others.
    """

    def __init__(self, index: str | None = None, get_actor: Callable[[], Actor] = resolve_actor) -> None:
        self.own = Service(index)
        self._get_actor = get_actor
        self._services: OrderedDict[str, Service] = OrderedDict()
        self._lock = threading.Lock()
        # One after the other: a visitor who names ten indexes does not fill the machine.
        self._opening = threading.Lock()

    def get(self, index: str = "") -> Service:
        """The service of an index, which begins to load if it is new; the page's own for an empty name.

        Raises:
            InvalidInput: The name is none, or of a folder that the visitor may not open.
        """
        name = index.strip()
        if not name or name == self.own.index:
            return self.own
        name = self._check(name)
        with self._lock:
            service = self._services.pop(name, None)
            if service is None or service.status.stage == "failed":
                service = Service(name, self._open)
                service.start()
            self._services[name] = service
            while len(self._services) > MOST_OPEN:
                self._services.popitem(last=False)
            return service

    def refresh(self, index: str = "") -> Service:
        """As ``get``, with what was added to the index since.

        Raises:
            InvalidInput: As ``get``.
        """
        service = self.get(index)
        if service.loaded is not None and service.status.stage == "ready":
            try:
                service.refresh()
            except ColbertKitError:
                if service is self.own:
                    raise
                # Built anew, with another model maybe.
                with self._lock:
                    self._services.pop(str(service.index), None)
                return self.get(index)
        return service

    def _check(self, name: str) -> str:
        from colbert_kit import hub

        actor = self._get_actor()
        try:
            folder = Path(name).expanduser()
            is_folder = folder.is_dir()
        except (OSError, ValueError, RuntimeError):
            is_folder = False
        if actor.may_use_machine and is_folder:
            return str(folder.resolve())
        if actor.may_use_machine and name in (shelf := Shelf()).names():
            return str(shelf.find(name))
        if hub.is_repo_id(hub.split_revision(name)[0]) and not is_folder:
            return name
        if actor.may_use_machine:
            raise InvalidInput(
                "there is no such folder, no index of yours has this name, and a Hub repository is written "
                "owner/name or owner/name@commit; check the index."
            )
        actor.require_machine("Opening a folder")
        return name

    def _open(self, name: str) -> Searcher:
        from colbert_kit import Searcher, hub

        with self._opening:
            name, revision = hub.split_revision(name)
            if self._get_actor().may_use_machine:
                known = self._find_model(_read_model(name, revision))
                return Searcher.from_pretrained(name, known, revision=revision)
            return self._open_for_visitor(name, revision)

    def _open_for_visitor(self, name: str, revision: str | None) -> Searcher:
        """An index of the Hub, if all may read it."""
        from colbert_kit import Searcher, folders, hub, models

        # This asks the Hub and no cache, in which a private repository of somebody may lie.
        commit = hub.resolve_revision(name, revision, repo_type="dataset", token=NOBODY)
        path = hub.find_file(name, folders.MANIFEST_NAME, repo_type="dataset", revision=commit, token=NOBODY)
        if path is None:
            raise InvalidFolder(
                f"the data set {name!r} is no index: it has no {folders.MANIFEST_NAME}. Check the name."
            )
        manifest = folders.Manifest.read(path.parent, verify=True)
        if sum(entry.size for entry in manifest.files.values()) > MAX_VISITOR_BYTES:
            raise InvalidInput(f"{name!r} is larger than 2 GB; search it on your own machine.")
        record = manifest.sections["model"]
        model = str(record.get("id"))
        known = self._find_model(record)
        if known is None and model not in (models.DEMO_MODEL_ID, models.DEMO_ENCODER_ID):
            if not hub.is_repo_id(model) or Path(model).exists():
                raise InvalidInput(f"the model of {name!r} is in no repository; search it where the model is.")
            hub.resolve_revision(model, record.get("revision"), token=NOBODY)
        return Searcher.from_pretrained(name, known, revision=commit, token=NOBODY)

    def _find_model(self, record: dict[str, Any]) -> MultiVectorEncoder | None:
        """A model that is here that computes the same."""
        with self._lock:
            services = [self.own, *self._services.values()]
        for service in services:
            if service.loaded is not None and service.model_fingerprint == record.get("fingerprint"):
                return service.loaded.model
        return None


def _read_model(name: str, revision: str | None) -> dict[str, Any]:
    """What the manifest of an index says of its model; nothing where it cannot be read, which opening it will tell."""
    from colbert_kit import folders, hub

    path = hub.find_file(name, folders.MANIFEST_NAME, repo_type="dataset", revision=revision)
    if path is None:
        return {}
    try:
        return dict(folders.Manifest.read(path.parent).sections.get("model", {}))
    except ColbertKitError:
        return {}
