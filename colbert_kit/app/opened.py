"""The indexes that are open: the page's own, and the few others that visitors asked for last. No Gradio, no torch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from colbert_kit.app.actor import resolve_actor
from colbert_kit.app.service import Service
from colbert_kit.errors import InvalidInput

__all__ = ["Opened"]

MOST = 3
"""Besides the page's own: each holds a model and maps an index."""


class Opened:
    """Services by the name of their index.

    Args:
        index: The page's own, as ``Service``.
    """

    def __init__(self, index: str | None = None) -> None:
        self.own = Service(index)
        self._name = index
        self._others: OrderedDict[str, Service] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, index: str = "") -> Service:
        """The service of an index, which begins to load if it is not open.

        Args:
            index: A folder, where one's own machine is asked, or a repository, ``me/index`` or ``me/index@commit``;
                the page's own where empty.

        Raises:
            InvalidInput: It is neither, or folders may not be opened here.
            RepoNotFound: Elsewhere than on one's own machine: there is no such public repository.
        """
        index = index.strip()
        if index in ("", self._name):
            return self.own
        # Not at the top: the process that answers first says that it wants no bars, which is read at the import.
        from colbert_kit import hub

        actor = resolve_actor()
        is_folder = Path(index).expanduser().is_dir()
        name = index.partition("@")[0]
        if is_folder or "/" not in name or not hub.is_repo_id(name):
            actor.require_machine("Opening a folder")
            if not is_folder:
                raise InvalidInput(f"there is no folder {index} here; a repository is named like 'me/my-index'.")
        with self._lock:
            service = self._others.pop(index, None)
            if service is None or service.status.stage == "failed":
                # Elsewhere a visitor reads what everybody may: the token of the machine is its owner's, and so may be
                # what lies in the cache, which the client falls back to where the Hub refuses.
                if not actor.may_use_machine:
                    hub.resolve_revision(name, repo_type="dataset", token=False)
                place = str(Path(index).expanduser()) if is_folder else index
                service = Service(place, anonymous=not actor.may_use_machine)
            self._others[index] = service
            while len(self._others) > MOST:
                self._others.popitem(last=False)
        service.start()
        return service
