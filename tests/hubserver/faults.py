"""Failures on demand: the next requests that match are refused, slowed down, or cut off."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.hubserver.messages import HubError

__all__ = ["Fault", "Faults"]

# What the Hub says with each status, where that is known.
MESSAGES = {
    401: "Invalid username or password.",
    402: "Pre-paid credit balance is insufficient - add more credits to your account to use Jobs.",
    403: "This authentication method does not have sufficient permissions",
    404: "Repository not found",
    409: "Conflict",
    412: "A commit has happened since. Please refresh and try again.",
    429: "We had to rate limit you.",
    500: "Internal Error - We're working hard to fix this as soon as possible!",
}


@dataclass(kw_only=True)
class Fault:
    """What happens to ``times`` requests that match, after ``skip`` that pass; None means until cleared."""

    method: str
    path: str
    times: int | None = 1
    skip: int = 0
    error: HubError | None = None
    cut_response_after: int | None = None
    cut_upload_after: int | None = None
    bytes_per_second: float | None = None
    upload_bytes_per_second: float | None = None
    delay_seconds: float = 0.0

    def takes(self, method: str, path: str) -> bool:
        """Whether it happens to this request, which is thereby counted."""
        if self.times == 0 or not fnmatchcase(method, self.method) or not fnmatchcase(path, self.path):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """The faults that wait. Methods and paths are patterns: ``"P*"``, ``"/api/*/commit/*"``; large files lie under
    ``/objects/*``. Of several that match, the one set first happens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            return next((fault for fault in self._faults if fault.takes(method, path)), None)

    def waiting(self) -> list[Fault]:
        """The faults that have not happened as often as they were to."""
        with self._lock:
            return [fault for fault in self._faults if fault.times]

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def refuse(
        self,
        method: str,
        path: str,
        status: int,
        *,
        times: int | None = 1,
        skip: int = 0,
        message: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer with an error. A 404 without a code says that the repository is not found."""
        headers = dict(headers or {})
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        if status == 429:
            headers |= {
                "RateLimit": f'"api";r=0;t={retry_after or 0}',
                "RateLimit-Policy": '"fixed window";"api";q=1000;w=300',
            }
        code = code or ("RepoNotFound" if status == 404 else None)
        error = HubError(status, message or MESSAGES.get(status, "Service Unavailable"), code, headers=headers)
        self.add(Fault(method=method, path=path, times=times, skip=skip, error=error))

    def cut_response(self, method: str, path: str, *, after_bytes: int, times: int | None = 1, skip: int = 0) -> None:
        """Do what was asked, and hang up after so many bytes of the body; after 0, without any answer."""
        self.add(Fault(method=method, path=path, times=times, skip=skip, cut_response_after=after_bytes))

    def cut_upload(self, method: str, path: str, *, after_bytes: int, times: int | None = 1, skip: int = 0) -> None:
        """Hang up when so many bytes of the request's body have come in, and do nothing."""
        self.add(Fault(method=method, path=path, times=times, skip=skip, cut_upload_after=after_bytes))

    def slow(self, method: str, path: str, *, bytes_per_second: float, times: int | None = 1) -> None:
        """Send the body of the answer at this speed."""
        self.add(Fault(method=method, path=path, times=times, bytes_per_second=bytes_per_second))

    def slow_upload(self, method: str, path: str, *, bytes_per_second: float, times: int | None = 1) -> None:
        """Take the body of the request at this speed."""
        self.add(Fault(method=method, path=path, times=times, upload_bytes_per_second=bytes_per_second))

    def delay(self, method: str, path: str, *, seconds: float, times: int | None = 1) -> None:
        """Wait before answering."""
        self.add(Fault(method=method, path=path, times=times, delay_seconds=seconds))
