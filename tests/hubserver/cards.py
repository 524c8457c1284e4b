"""The front matter of a README: read it, and refuse what the Hub refuses, in the Hub's words."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.hubserver.card_fields import FIELDS

__all__ = ["check", "metadata_of", "tags_of"]

BLOCK = re.compile(r"^\s*---[\r\n]+([\S\s]*?)[\r\n]+---(\r\n|\n|$)")
MISSING = "empty or missing yaml metadata in repo card"
INVALID = "The YAML metadata of your README.md is invalid."


class Loader(yaml.SafeLoader):
    """YAML 1.2 as the Hub reads it: ``no`` is a word, and a key may stand once only."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"duplicated mapping key {twice[0]!r}", node.start_mark)
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def check(content: str, kind: str) -> tuple[list[str], list[str]]:
    """The errors and the warnings that the Hub has for a README of this kind of repository."""
    block = BLOCK.match(content)
    if block is None:
        return [], [MISSING]
    try:
        metadata = yaml.load(block[1], Loader)
    except yaml.YAMLError as error:
        return [f"Invalid YAML in README.md: {error}"], []
    if isinstance(metadata, list):
        return ['"value" must be of type object'], []
    if not isinstance(metadata, dict):
        return [INVALID], []
    errors: list[str] = []
    warnings: list[str] = []
    for name, field in FIELDS[kind].items():
        if metadata.get(name) is not None:
            field(metadata[name], name, errors, warnings)
    return errors, warnings


def metadata_of(readme: bytes) -> dict[str, Any]:
    """What a README's front matter says; nothing where there is none that can be read."""
    block = BLOCK.match(readme.decode(errors="replace"))
    try:
        metadata = yaml.load(block[1], Loader) if block else {}
    except yaml.YAMLError:
        return {}
    # Dates become text, as in JSON.
    return {str(key): plain(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {}


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def tags_of(metadata: dict[str, Any]) -> list[str]:
    """The tags by which a repository is found, the ones that the Hub adds among them."""

    def listed(name: str) -> list[str]:
        value = metadata.get(name) or []
        return [str(one) for one in (value if isinstance(value, list) else [value])]

    found = [tag for name in ("library_name", "pipeline_tag", "tags", "language") for tag in listed(name)]
    for name, prefix in [("datasets", "dataset"), ("base_model", "base_model"), ("license", "license")]:
        found += [f"{prefix}:{one}" for one in listed(name)]
    for name in ("task_categories", "size_categories", "source_datasets"):
        found += [f"{name}:{one}" for one in listed(name)]
    return [*dict.fromkeys(found), "region:us"]
