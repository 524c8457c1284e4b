"""``JobSpec``: everything a job is made of but the values of its secrets."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from colbert_kit.errors import InvalidConfig
from colbert_kit.hub import holds_token

__all__ = ["APP", "UV_IMAGE", "JobSpec", "parse_volume"]

FORMAT_VERSION = 1
APP = "colbert-kit"
"""Label ``app`` of all jobs launched by this kit."""
UV_IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"
"""What ``hf jobs uv run`` takes: Debian with Python 3.12, uv and a C compiler (huggingface_hub 2.4, _jobs_api.py)."""

LABEL = re.compile(r"[A-Za-z0-9_-]{1,100}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
PINNED = re.compile(r"(https://|http://(127\.0\.0\.1|localhost):\d+/).*/[0-9a-f]{40}/.+")
PUBLISHED = re.compile(r"colbert[-_]kit(\[[a-z,-]+\])?==[\w.+!]+")
VOLUME = re.compile(r"hf://(?:(buckets|models|datasets|spaces)/)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?:(/[^:]*)(:ro|:rw)?")
OWN_LABELS = ("app", "kind", "name")


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """A script or a command, where and how long it may run, and what it is found again by.

    ``script_spec`` makes one of the kit's own scripts. Secrets are named here; their values are given to ``launch``.

    Raises:
        InvalidConfig: A value cannot work, or a token stands where others can read it.

    Example:
        >>> spec = JobSpec(kind="hello", command=("echo", "hello"), timeout_seconds=60)
        >>> JobSpec.from_json(spec.to_json()) == spec
        True
    """

    kind: str
    """What the job does, in a word: label ``kind``."""
    script: str | None = None
    """A Python script: a path here, or an address that names a commit. Either this or ``command``."""
    script_sha256: str | None = None
    """Of the script at an address; what has another is not run."""
    command: tuple[str, ...] = ()
    """A program of the image and its first arguments. Either this or ``script``."""
    arguments: tuple[str, ...] = ()
    """Of the script or the command. Whoever may read the namespace's jobs sees them."""
    kit: str | None = None
    """Where a script's kit comes from: a wheel at an address that names a commit, or ``colbert-kit==X`` from PyPI. None
    where the image has it, or the job runs here."""
    kit_sha256: str | None = None
    """Of the wheel; another one is not imported."""
    dependencies: tuple[str, ...] = ()
    """What uv installs for a script."""
    python: str = "3.12"
    """The version of Python that uv runs a script with."""
    image: str = UV_IMAGE
    """A Docker image, or ``hf.co/spaces/NAME``; a script needs one with uv."""
    flavor: str = "cpu-basic"
    """The Hub's machine: ``HfJobsRunner.flavors``."""
    timeout_seconds: int
    """The job is ended after so long. There is no default: it bounds what the job costs."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables. Whoever may read the namespace's jobs sees them."""
    secrets: tuple[str, ...] = ()
    """Names of variables whose values nobody sees."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Besides ``app``, ``kind`` and ``run``; a ``run`` of one's own takes the place of ``digest``."""
    volumes: tuple[str, ...] = ()
    """Mounted at the Hub: ``hf://buckets/me/work:/work``, ``hf://datasets/me/corpus@main:/corpus:ro``."""

    def __post_init__(self) -> None:
        if (self.script is None) == (not self.command):
            raise InvalidConfig("a job has either a script or a command; give one of them.")
        _check_source("script", self.script, self.script_sha256)
        if self.kit is not None and not PUBLISHED.fullmatch(self.kit):
            _check_source("kit", self.kit, self.kit_sha256, must_be_pinned=True)
        if isinstance(self.timeout_seconds, bool) or not isinstance(self.timeout_seconds, int):
            raise InvalidConfig(f"timeout_seconds must be a whole number, got {self.timeout_seconds!r}.")
        if self.timeout_seconds < 1:
            raise InvalidConfig(f"timeout_seconds must be 1 or more, got {self.timeout_seconds}.")
        _check_labels({"kind": self.kind, **self.labels}, self.labels)
        self._check_variables()
        for volume in self.volumes:
            parse_volume(volume)
        texts = [*self.command, *self.arguments, *self.environment.values(), *self.labels.values(), self.script or ""]
        if any(map(holds_token, texts)):
            raise InvalidConfig(
                "a token stands in the command, the arguments, the environment or the labels, where others can read "
                "it; name a variable in secrets and give its value to launch."
            )

    def _check_variables(self) -> None:
        for name in (*self.environment, *self.secrets):
            if not VARIABLE.fullmatch(name):
                raise InvalidConfig(f"a variable's name is letters, digits and _, got {name!r}.")
        if wrong := [name for name, value in self.environment.items() if not isinstance(value, str)]:
            raise InvalidConfig(f"environment holds texts; {', '.join(wrong)} is something else.")
        if twice := sorted(set(self.environment) & set(self.secrets)):
            raise InvalidConfig(f"{', '.join(twice)} is both in environment and in secrets; leave one out.")

    @property
    def is_script_here(self) -> bool:
        """Whether the script is a file on this machine."""
        return self.script is not None and "://" not in self.script

    @property
    def digest(self) -> str:
        """16 hex digits, equal for equal specs: label ``run``, by which a second launch of a job is noticed."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @property
    def all_labels(self) -> dict[str, str]:
        """The labels that the job has."""
        return {"app": APP, "kind": self.kind, "run": self.digest, **self.labels}

    def to_json(self) -> str:
        """All of it, as ``from_json`` takes it."""
        return json.dumps({"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> JobSpec:
        """Read what ``to_json`` wrote.

        Raises:
            InvalidConfig: It is no spec, of a newer version, or cannot work.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            version = values.pop("format_version")
            if version != FORMAT_VERSION:
                raise InvalidConfig(f"this is a job of version {version}; this colbert_kit reads {FORMAT_VERSION}.")
            fields: Any = {name: tuple(one) if isinstance(one, list) else one for name, one in values.items()}
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, InvalidConfig):
                raise
            raise InvalidConfig(f"this is no job: {type(error).__name__}, {error}.") from error


def parse_volume(text: str) -> dict[str, str | bool | None]:
    """The parts of a volume: ``type``, ``source``, ``revision``, ``mount_path``, ``read_only``.

    Raises:
        InvalidConfig: It is not written as a volume is.
    """
    found = VOLUME.fullmatch(text)
    if found is None:
        raise InvalidConfig(f"a volume is hf://buckets/OWNER/NAME:/PATH (or models, datasets, spaces), got {text!r}.")
    kind, source, revision, mount_path, mode = found.groups()
    read_only = {":ro": True, ":rw": False, None: None}[mode]
    return {
        "type": (kind or "models").removesuffix("s"),
        "source": source,
        "revision": revision,
        "mount_path": mount_path,
        "read_only": read_only,
    }


def _check_source(name: str, source: str | None, sha256: str | None, *, must_be_pinned: bool = False) -> None:
    if source is None or ("://" not in source and not must_be_pinned):
        if sha256 is not None:
            raise InvalidConfig(f"{name}_sha256 is for a {name} at an address, got {source!r}.")
        return
    if not PINNED.fullmatch(source):
        also = ", or colbert-kit==VERSION" if must_be_pinned else ", or a path here"
        raise InvalidConfig(
            f"{name} must be an https address that names a commit of 40 hex digits{also}; got {source!r}."
        )
    if sha256 is None or not SHA256.fullmatch(sha256):
        raise InvalidConfig(f"{name}_sha256 must be 64 hex digits where {name} is an address, got {sha256!r}.")


def _check_labels(labels: Mapping[str, str], own: Mapping[str, str]) -> None:
    if taken := [name for name in own if name in OWN_LABELS]:
        raise InvalidConfig(f"the labels {', '.join(OWN_LABELS)} are set by the kit; leave out {', '.join(taken)}.")
    for name, value in labels.items():
        if not isinstance(value, str) or not LABEL.fullmatch(name) or not LABEL.fullmatch(value):
            raise InvalidConfig(f"a label is 1 to 100 letters, digits, - and _, got {name!r}: {value!r}.")
