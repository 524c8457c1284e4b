"""Cards: a README with metadata in front, in YAML, by which the Hub finds and shows a repository."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

__all__ = ["as_code", "make_card", "read_card"]

FRONT_MATTER = re.compile(r"\A\s*---[\r\n]+(.*?)[\r\n]+---(?:\r?\n|\Z)", re.DOTALL)


def make_card(metadata: Mapping[str, Any], body: str) -> str:
    """The text of a ``README.md``; ``push_folder`` has the Hub check it before anything is sent.

    Args:
        metadata: Fields that the Hub knows; those that are None or empty are left out.
        body: Markdown.

    Example:
        >>> print(make_card({"license": "mit", "language": None, "tags": ["colbert"]}, "# Mine"))
        ---
        license: mit
        tags:
        - colbert
        ---
        <BLANKLINE>
        # Mine
        <BLANKLINE>
    """
    said = {name: value for name, value in metadata.items() if value not in (None, "", [], ())}
    front = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=math.inf) if said else ""
    return f"---\n{front}---\n\n{body.strip()}\n"


def read_card(text: str) -> tuple[dict[str, Any], str]:
    r"""Metadata and body of a card; no metadata where there are none that can be read.

    Example:
        >>> read_card("---\nlicense: mit\n---\n\n# Mine\n")
        ({'license': 'mit'}, '# Mine')
    """
    found = FRONT_MATTER.match(text)
    if found is None:
        return {}, text.strip()
    try:
        metadata = yaml.safe_load(found[1])
    except yaml.YAMLError:
        metadata = None
    return (metadata if isinstance(metadata, dict) else {}), text[found.end() :].strip()


def as_code(text: object) -> str:
    """A text that may hold anything, as code inside a line of Markdown.

    Example:
        >>> as_code("a`b | c")
        "`a'b / c`"
    """
    plain = " ".join(str(text).split()).translate(str.maketrans("`|", "'/"))
    return f"`{plain}`"
