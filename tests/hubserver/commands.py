"""A job's command, made one that runs on this machine: its python is ours, and uv has a stand-in."""

from __future__ import annotations

import re
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["CannotStart", "local_command"]

# The options of `uv run` that take a value; all others stand alone.
WITH_VALUE = {
    *("--with", "-w", "--with-requirements", "--with-editable", "--python", "-p", "--extra", "--group", "--index"),
    *("--index-url", "-i", "--extra-index-url", "--default-index", "--find-links", "-f", "--env-file", "--directory"),
    *("--project", "--cache-dir", "--prerelease", "--resolution", "--exclude-newer", "--index-strategy"),
}
PUBLIC_HUB = "https://huggingface.co/"


class CannotStart(Exception):
    """The command cannot be run; the message goes into the job's log."""


def local_command(
    command: list[str], folder: Path, environment: Mapping[str, str], log: Callable[[str], None], uv: str | None = None
) -> list[str]:
    """What to execute. ``uv`` is the program to use as such, or None; ``folder`` takes a script's download."""
    if command[:2] == ["uv", "run"]:
        return [uv, *command[1:]] if uv else without_uv(command[2:], folder, environment, log)
    if is_python(command[0]):
        return [sys.executable, *command[1:]]
    return command


def is_python(name: str) -> bool:
    return re.fullmatch(r"python(3(\.\d+)?)?", name) is not None


def without_uv(
    arguments: list[str], folder: Path, environment: Mapping[str, str], log: Callable[[str], None]
) -> list[str]:
    """The same as `uv run`, with the packages that are installed here."""
    options: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "--":
        name, equals, value = rest.pop(0).partition("=")
        if name in WITH_VALUE and not equals:
            value = rest.pop(0) if rest else ""
        options.setdefault(name, []).append(value)
    rest = rest[1:] if rest[:1] == ["--"] else rest
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = options.get("--with", []) + options.get("-w", [])
    log(f"hubserver: uv is not used here; running with Python {version} as it is")
    if wanted:
        log(f"hubserver: not installed for this job: {', '.join(wanted)}")
    if {"-m", "--module"} & options.keys():
        return [sys.executable, "-m", *rest]
    if not rest:
        raise CannotStart("uv run: no command given")
    target, *arguments = rest
    if target.startswith(("http://", "https://")):
        return [sys.executable, str(download(target, folder, environment)), *arguments]
    if target.endswith(".py"):
        return [sys.executable, target, *arguments]
    if is_python(target):
        return [sys.executable, *arguments]
    if shutil.which(target, path=environment.get("PATH")) is None:
        raise CannotStart(f"error: Failed to spawn: `{target}`: No such file or directory")
    return rest


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and gives the token to no other host."""

    def redirect_request(self, request: urllib.request.Request, *answer: Any) -> urllib.request.Request | None:
        new = super().redirect_request(request, *answer)
        if new is not None and new.host != request.host:
            new.remove_header("Authorization")
        return new


def download(url: str, folder: Path, environment: Mapping[str, str]) -> Path:
    """A script from this Hub, fetched over HTTP with the job's own token, if it has one."""
    endpoint = environment["HF_ENDPOINT"] + "/"
    address = endpoint + url.removeprefix(PUBLIC_HUB) if url.startswith(PUBLIC_HUB) else url
    if not address.startswith(endpoint):
        raise CannotStart(f"error: {url} is not on this Hub, and a job here reaches nothing else")
    headers = {"Authorization": f"Bearer {environment['HF_TOKEN']}"} if "HF_TOKEN" in environment else {}
    try:
        with urllib.request.build_opener(Redirects).open(urllib.request.Request(address, headers=headers)) as response:
            content = response.read()
    except urllib.error.URLError as error:
        raise CannotStart(f"error: Failed to download `{url}`: {error}") from None
    path = folder / unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    path.write_bytes(content)
    return path
