"""From ``python app.py`` to the first hit, as a newcomer meets it: empty cache, then once more.

    python -m benchmarks.start [--whole] [--space FOLDER]

Prints the seconds until the page answers, until the first search gives a hit, until the demo is indexed whole (with
``--whole``), and the same for a second start. ``--space`` starts a Space's folder in place of this checkout, as the Hub
would. Exits with 1 where no hit comes within three minutes, or the button is missing in a Space with sign-in.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
QUERY = "does aspirin lower the risk of colorectal cancer?"
SIGN_IN = "Sign in with Hugging Face"
LIMIT_SECONDS = 180
WHOLE_LIMIT_SECONDS = 1800
DEMO_SIZE = 5183


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--whole", action="store_true", help="wait until all documents are indexed")
    parser.add_argument("--space", type=Path, help="a folder that 'colbert-kit deploy --output' wrote")
    arguments = parser.parse_args()
    whole = arguments.whole
    with tempfile.TemporaryDirectory() as cache:
        for name in ("first start", "second start"):
            with _app(cache, arguments.space) as (url, start):
                print(f"{name}: page after {_until_page(url, start):.1f} s", flush=True)
                if arguments.space is not None:
                    _check_sign_in(url, arguments.space)
                print(f"{name}: first hit after {_until_hit(url, start):.1f} s", flush=True)
                if whole:
                    print(f"{name}: all documents after {_until_whole(Path(cache), start):.1f} s", flush=True)


@contextmanager
def _app(cache: str, space: Path | None) -> Iterator[tuple[str, float]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "COLBERT_KIT_CACHE": cache,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_SERVER_PORT": str(port),
    } | ({} if space is None else _told_by_the_hub(space))
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=space or ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}/", start
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _told_by_the_hub(space: Path) -> dict[str, str]:
    """The environment of a Space, with sign-in where its front matter says so."""
    told = {"SYSTEM": "spaces", "SPACE_ID": "me/search", "GRADIO_SERVER_NAME": "0.0.0.0"}
    if _has_sign_in(space):
        told |= {"OAUTH_CLIENT_ID": "id", "OAUTH_CLIENT_SECRET": "secret", "OAUTH_SCOPES": "openid profile"}
        told |= {"OPENID_PROVIDER_URL": "http://127.0.0.1:9"}  # asked when somebody signs in, which takes the Hub
    return told


def _has_sign_in(space: Path) -> bool:
    return "\nhf_oauth: true\n" in (space / "README.md").read_text(encoding="utf-8")


def _check_sign_in(url: str, space: Path) -> None:
    has_button = SIGN_IN in urllib.request.urlopen(f"{url}config", timeout=LIMIT_SECONDS).read().decode()
    if has_button != _has_sign_in(space):
        sys.exit("the page's sign-in is not what README.md says")
    print("one signs in" if has_button else "nobody signs in", flush=True)


def _until_page(url: str, start: float) -> float:
    while time.perf_counter() - start < LIMIT_SECONDS:
        try:
            urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            time.sleep(0.1)
        else:
            return time.perf_counter() - start
    sys.exit("the page did not come")


def _until_hit(url: str, start: float) -> float:
    # Plain HTTP, as a browser does it: a client library's own import would take the app's processor time.
    call = f"{url}gradio_api/call/search"
    body = json.dumps({"data": [QUERY, 3, "", "colbert", ""]}).encode()
    request = urllib.request.Request(call, body, {"Content-Type": "application/json"})
    event = json.load(urllib.request.urlopen(request, timeout=LIMIT_SECONDS))["event_id"]
    answer = urllib.request.urlopen(f"{call}/{event}", timeout=LIMIT_SECONDS).read().decode()
    data = [line.removeprefix("data: ") for line in answer.splitlines() if line.startswith("data: ")]
    if "event: complete" not in answer or not json.loads(data[-1])[0]:
        sys.exit(f"the search gave no hit: {answer[:300]}")
    return time.perf_counter() - start


def _until_whole(cache: Path, start: float) -> float:
    while time.perf_counter() - start < WHOLE_LIMIT_SECONDS:
        [manifest] = cache.glob("*/manifest.json")
        if json.loads(manifest.read_text())["index"]["num_rows"] == DEMO_SIZE:
            return time.perf_counter() - start
        time.sleep(0.5)
    sys.exit("the demo was not indexed in time")


if __name__ == "__main__":
    main()
