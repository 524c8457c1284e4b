"""Parts of files that stay on the Hub."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_backoff  # type: ignore[attr-defined]

from colbert_kit.errors import HubError
from colbert_kit.hub.failures import translated

__all__ = ["RemoteFiles"]

MAX_CONNECTIONS = 16
EXPIRED = (401, 403)
"""Large files lie under addresses that are good for an hour."""


class RemoteFiles:
    """The files of one commit, of which byte ranges are read; several at once, by one request each.

    Args:
        repo_id: The repository.
        revision: The commit.
        repo_type: ``"model"`` or ``"dataset"``.
        token: An access token; the stored one where None.
    """

    def __init__(self, repo_id: str, revision: str, *, repo_type: str = "model", token: str | None = None) -> None:
        self.repo_id = repo_id
        self.revision = revision
        self._repo_type = repo_type
        self._token = token
        self._lock = threading.Lock()
        self._addresses: dict[str, str] = {}

    def read(self, parts: Sequence[tuple[str, int, int]]) -> list[bytes]:
        """Read parts of files.

        Args:
            parts: A file's name, the first byte and the one after the last, of each part.

        Raises:
            RepoNotFound: There is no such repository, commit or file.
            NotAllowed: The repository is private or gated.
            HubUnreachable: The Hub cannot be reached.
            HubError: It sent something else.
        """
        with translated(self.repo_id, self.revision):
            for name in {name for name, _, _ in parts}:
                self._address(name)  # once, and not by each of the threads
            with ThreadPoolExecutor(MAX_CONNECTIONS) as pool:
                return list(pool.map(lambda part: self._read(*part), parts))

    def _read(self, name: str, start: int, stop: int) -> bytes:
        response = self._request(name, start, stop)
        if response.status_code in EXPIRED:
            with self._lock:
                self._addresses.pop(name, None)
            response = self._request(name, start, stop)
        hf_raise_for_status(response)
        # A server that knows no ranges sends all of it.
        content: bytes = response.content if response.status_code == 206 else response.content[start:stop]
        if len(content) != stop - start:
            raise HubError(
                f"{name} of {self.repo_id}: asked for {stop - start} bytes, the Hub sent {len(content)}. Try again."
            )
        return content

    def _request(self, name: str, start: int, stop: int) -> Any:  # noqa: ANN401 - httpx's or httpx2's
        address = self._address(name)
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        if urlsplit(address).netloc == urlsplit(self._url(name)).netloc:
            headers |= build_hf_headers(token=self._token)
        return http_backoff("GET", address, headers=headers)

    def _address(self, name: str) -> str:
        """Where the file lies: asked once, as the Hub counts such questions."""
        with self._lock:
            known = self._addresses.get(name)
        if known is None:
            known = get_hf_file_metadata(self._url(name), token=self._token).location
            with self._lock:
                self._addresses[name] = known
        return known

    def _url(self, name: str) -> str:
        return hf_hub_url(self.repo_id, name, repo_type=self._repo_type, revision=self.revision)
