"""Where large files lie: another host, as on the Hub, which knows no tokens and trusts signed addresses alone."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import shutil
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

from tests.hubserver.messages import Request, Response, ranged_response
from tests.hubserver.routes import Routes

__all__ = ["Objects", "routes"]

# As long as the Hub's: https://huggingface.co/docs/hub/models-downloading
LIFETIME_SECONDS = 3600

routes = Routes()


class Objects:
    """Files named by their sha256, in a folder for each repository."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = secrets.token_bytes(16)

    def path(self, repository_id: str, oid: str) -> Path:
        return self._folder / repository_id / oid

    def has(self, repository_id: str, oid: str) -> bool:
        return self.path(repository_id, oid).is_file()

    def size(self, repository_id: str, oid: str) -> int:
        return self.path(repository_id, oid).stat().st_size

    def keep(self, repository_id: str, oid: str, stream: IO[bytes]) -> None:
        """Store what the stream holds, at once or not at all."""
        path = self.path(repository_id, oid)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{oid}.{secrets.token_hex(4)}")
        stream.seek(0)
        with temporary.open("wb") as file:
            shutil.copyfileobj(stream, file)
        temporary.replace(path)

    def signed(self, url: str, method: str, repository_id: str, oid: str) -> str:
        """The address under which a request may put or get one object, for an hour."""
        expires = int(time.time()) + LIFETIME_SECONDS
        query = {"expires": expires, "signature": self._signature(method, repository_id, oid, str(expires))}
        return f"{url}/objects/{repository_id}/{oid}?{urlencode(query)}"

    def is_signed(self, request: Request, repository_id: str, oid: str) -> bool:
        method = "GET" if request.method == "HEAD" else request.method
        (expires,), (signature,) = request.parameters("expires") or ["0"], request.parameters("signature") or [""]
        good = self._signature(method, repository_id, oid, expires)
        return hmac.compare_digest(good, signature) and int(expires) > time.time()

    def _signature(self, *parts: str) -> str:
        return hmac.new(self._key, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def refused(status: int, code: str, message: str) -> Response:
    """An error in S3's form."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(status, body.encode(), {"Content-Type": "application/xml"})


@routes.on("GET PUT", "/objects/{repository_id}/{oid}")
def transfer(hub: Any, request: Request, repository_id: str, oid: str) -> Response:
    """Give or take one object."""
    if "Authorization" in request.headers:
        # A client that sends its token to the storage host gives it away; S3 refuses two ways of signing.
        return refused(400, "InvalidArgument", "Only one auth mechanism allowed")
    if not hub.objects.is_signed(request, repository_id, oid):
        return refused(403, "AccessDenied", "Request has expired or is not signed")
    if request.method == "PUT":
        if request.body_sha256 != oid:
            return refused(400, "BadDigest", "The sha256 you specified did not match what we received")
        hub.objects.keep(repository_id, oid, request.stream)
        return Response(200, headers={"ETag": f'"{request.body_sha256[:32]}"'})
    if not hub.objects.has(repository_id, oid):
        return refused(404, "NoSuchKey", "The specified key does not exist")
    # The storage's own tag is not the file's sha256: only X-Linked-ETag, on the redirect, is.
    etag = hashlib.md5(oid.encode()).hexdigest()
    return ranged_response(request, hub.objects.path(repository_id, oid), {"ETag": f'"{etag}"'})
