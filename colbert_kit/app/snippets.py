"""The same search from elsewhere: a link, Python, the command line, curl."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from urllib.parse import urlencode

from colbert_kit.app.filters import parse_filters, split_conditions
from colbert_kit.app.render import escape

__all__ = ["Search", "link_to", "snippets", "snippets_html"]


@dataclass(frozen=True)
class Search:
    """What a visitor has asked.

    Args:
        url: Where the page is.
        index: The index as the visitor named it; empty for the page's own.
        query: The query.
        k: Hits at most.
        filter_text: Conditions.
        how: Ways to rank, as in ``colbert,bm25``.
    """

    url: str
    index: str
    query: str
    k: int
    filter_text: str
    how: str


def link_to(search: Search) -> str:
    """A link that restores the search."""
    said = {
        "index": search.index,
        "q": search.query,
        "k": str(search.k),
        "filter": search.filter_text.strip(),
        "how": search.how,
    }
    return f"{search.url}?{urlencode({name: value for name, value in said.items() if value}, errors='replace')}"


def snippets(search: Search, place: str | None, revision: str | None = None) -> list[tuple[str, str]]:
    """Names and programs that do the search, each complete.

    Args:
        search: The search; of several ways to rank, the first.
        place: The folder or repository of the index; None where others cannot open it.
        revision: The commit that it is wanted at; the newest where None.

    Raises:
        InvalidInput: The filter is not well formed.
    """
    how = search.how.split(",")[0]
    programs = [("Python", _python(search, place, revision, how))]
    if place is not None and revision is None:
        programs.append(("Command line", _command_line(search, place, how)))
    data = json.dumps([search.query, search.k, search.filter_text, how, search.index])
    call = f"{search.url.rstrip('/')}/gradio_api/call/search"
    curl = (
        f"curl -sN {call}/$(curl -s {call} -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps({'data': json.loads(data)}))} | cut -d'\"' -f4)"
    )
    return [*programs, ("curl", curl)]


def snippets_html(programs: list[tuple[str, str]]) -> str:
    """The programs, each with a button that copies it."""
    return "".join(
        f'<section class="ck-snippet"><header><h3>{name}</h3><button type="button" class="ck-copy" '
        f'aria-label="Copy {name}">Copy</button></header><pre tabindex="0"><code>{escape(code)}</code></pre></section>'
        for name, code in programs
    )


def _python(search: Search, place: str | None, revision: str | None, how: str) -> str:
    show = 'print(hit.rank, f"{hit.score:.2f}", hit.id)'
    if place is None or how not in ("colbert", "exact"):
        arguments = {"query": search.query, "k": search.k, "filter": search.filter_text, "how": how}
        if search.index:
            arguments["index"] = search.index
        given = ", ".join(f"{name}={value!a}" for name, value in arguments.items())
        return (
            f"from gradio_client import Client\n\nclient = Client({search.url!a}, verbose=False)\n"
            f'for hit in client.predict({given}, api_name="/search"):\n'
            '    print(hit["rank"], f"{hit[\'score\']:.4f}", hit["id"])'
        )
    filters = parse_filters(search.filter_text)
    arguments_given = [f"{search.query!a}", f"k={search.k}"]
    imports = "from colbert_kit import Searcher\n"
    if filters:
        arguments_given.append(f"filters={filters!a}")
    if how == "exact":
        imports += "from colbert_kit.indexes import SearchConfig\n"
        arguments_given.append("config=SearchConfig(num_rescored=len(searcher))")
    opened = f"{place!a}, revision={revision!a}" if revision else f"{place!a}"
    return (
        f"{imports}\nsearcher = Searcher.from_pretrained({opened})\n"
        f"for hit in searcher.search({', '.join(arguments_given)}):\n    {show}"
    )


def _command_line(search: Search, place: str, how: str) -> str:
    words = ["colbert-kit", "search", "-k", str(search.k)]
    for condition in split_conditions(search.filter_text):
        words += ["--filter", condition]
    command = shlex.join([*words, "--", place, search.query])
    return command if how == "colbert" else f"# The command line ranks by ColBERT.\n{command}"
