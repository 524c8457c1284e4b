"""Fetches a job's script and kit, and runs them only if their sha256 is the one that the launch named.

The job gets this file itself, as the argument of ``python -c``, so nothing that is fetched is trusted before it is
checked. It is the standard library alone: nothing else is there yet.
"""

import hashlib
import http.client
import io
import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

ATTEMPTS = 5


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and gives the token to no other host."""

    def redirect_request(self, req: urllib.request.Request, *answer: Any) -> urllib.request.Request | None:  # noqa: ANN401
        """Drop what is for the first host only."""
        new = super().redirect_request(req, *answer)
        if new is not None and new.host != req.host:
            new.remove_header("Authorization")
        return new


def fetch(url: str, sha256: str) -> bytes:
    """The content of an address, if it is the one that was named."""
    content = download(url)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        sys.exit(f"colbert-kit: {url} must have sha256 {sha256}, got {found}; it is not used.")
    return content


def download(url: str) -> bytes:
    """The content of an address; a Hub that is busy is asked again."""
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    is_hub = urllib.parse.urlsplit(url).netloc == urllib.parse.urlsplit(hub).netloc
    token = os.environ.get("HF_TOKEN") if is_hub else None
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.build_opener(Redirects).open(request, timeout=60) as response:
                return bytes(response.read())
        except (OSError, http.client.HTTPException) as error:
            code = error.code if isinstance(error, urllib.error.HTTPError) else 500
            if attempt == ATTEMPTS or (code < 500 and code != 429):
                sys.exit(f"colbert-kit: {url} cannot be fetched: {error}")
        time.sleep(2 ** (attempt - 1))
    raise AssertionError


def main() -> None:
    """Run ``{"script": {"url", "sha256"}, "kit": the same or null}`` with the arguments that follow it."""
    plan, *arguments = sys.argv[1:]
    wanted = json.loads(plan)
    folder = Path(tempfile.mkdtemp(prefix="colbert-kit-job-"))
    script = folder / urllib.parse.unquote(urllib.parse.urlsplit(wanted["script"]["url"]).path.rpartition("/")[2])
    script.write_bytes(fetch(**wanted["script"]))
    if wanted["kit"]:
        # Not installed, so that what uv has resolved stays as it is; in the environment, for processes of the script's.
        zipfile.ZipFile(io.BytesIO(fetch(**wanted["kit"]))).extractall(folder / "kit")
        paths = [str(folder / "kit"), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    os.execv(sys.executable, [sys.executable, str(script), *arguments])


if __name__ == "__main__":
    main()
