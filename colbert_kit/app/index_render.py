"""The index panel's HTML. Every text of a file or a visitor is escaped here, on the server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from colbert_kit.app.columns import Column, Looked
from colbert_kit.app.facts import spell_bytes
from colbert_kit.app.job_render import job_html, search_link
from colbert_kit.app.local_jobs import JobView
from colbert_kit.app.prediction import DEMO_DIM, DEMO_LENGTH, EXACT_BELOW, TOKENS_A_WORD, Prediction, describe_quality
from colbert_kit.app.render import escape
from colbert_kit.app.shelf import IndexFacts

__all__ = ["card_html", "columns_html", "facts_html", "index_job_html", "prediction_html", "preview_html"]

SHOWN_CHARACTERS = 1200
EXAMPLE_CHARACTERS = 80
WORDS_READ = round(DEMO_LENGTH / TOKENS_A_WORD)


def columns_html(found: Looked) -> str:
    """What columns there are, with an example of each."""
    rows = "".join(_column_row(column, found.num_rows) for column in found.columns.values())
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Column", "Holds", "Filled", "Example"))
    what = f"{found.num_rows:,} rows" if found.is_whole else f"The first {found.num_rows:,} rows"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return (
        f'<p class="ck-timings">{what}, {len(found.columns)} columns.</p>'
        f'<div class="ck-table" role="region" aria-label="Columns" tabindex="0">{table}</div>'
    )


def preview_html(documents: Sequence[dict[str, Any]], *, is_demo: bool) -> str:
    """The first documents as the model will see them.

    Args:
        documents: As they will be indexed.
        is_demo: Whether the demo model reads them, whose length is known.
    """
    if not documents:
        return '<p class="ck-message" role="status">No row has a text in this column; choose another one.</p>'
    cards = "".join(_document(one, is_demo=is_demo) for one in documents)
    note = "Each model reads a beginning of its own length."
    if is_demo:
        note = f"The model reads the first {DEMO_LENGTH} tokens, about {WORDS_READ} words; what is beyond is slanted."
    return (
        f'<p class="ck-timings">The first {len(documents)} documents as they will be indexed. {note}</p>'
        f'<div class="ck-preview" role="region" aria-label="The first documents" tabindex="0">'
        f'<ol class="ck-hits">{cards}</ol></div>'
    )


def prediction_html(predicted: Prediction, nbits: int, pool_factor: int, *, is_whole: bool, is_demo: bool) -> str:
    """What the index will weigh and what compression costs."""
    count = f"{predicted.num_documents:,}" if is_whole else f"for each {predicted.num_documents:,}"
    size = f"{spell_bytes(predicted.embedding_bytes)} of token embeddings"
    texts = f"at most {spell_bytes(predicted.text_bytes)} of texts"
    words = f"<b>{count} documents: about {size}</b>, and {texts}."
    if predicted.is_exact and is_whole:
        quality = (
            f"So few are kept as they are and searched exactly, until there are {EXACT_BELOW:,} token embeddings: "
            "nothing is lost."
        )
    else:
        quality = describe_quality(nbits, pool_factor)
    guess = "" if is_demo else f" Reckoned for {DEMO_DIM} dimensions, {DEMO_LENGTH} tokens; your model may differ."
    # With the encoder of docs/compression.md, which is not this one.
    source = " By another encoder (docs/compression.md): a guide, which Evaluate replaces by a measurement."
    caveat = "" if predicted.is_exact and is_whole else source
    return f'<p class="ck-status" role="status">{words} {escape(quality)}{escape(guess)}{escape(caveat)}</p>'


def facts_html(facts: IndexFacts) -> str:
    """What an index holds."""
    kind = "exact" if facts.nbits is None else f"{facts.nbits} bits"
    pooled = "" if facts.pool_factor == 1 else f", pooled by {facts.pool_factor}"
    return (
        f'<p class="ck-facts"><span>{facts.num_documents:,} documents</span><span>{spell_bytes(facts.num_bytes)}</span>'
        f"<span>{kind}{pooled}</span><span>model {escape(facts.model)}</span><span>{escape(str(facts.folder))}</span>"
        f"{search_link(facts.folder)}</p>"
    )


def index_job_html(view: JobView) -> str:
    """How a job of the index panel stands."""
    result = view.result
    if view.what == "push" and result:
        page = escape(str(result["url"]))
        revision = escape(str(result["revision"])[:12])
        link = f'<a class="ck-link" href="{page}" target="_blank" rel="noopener">{escape(str(result["repo_id"]))}</a>'
        if not re.match("https?://", str(result["url"])):
            link = page
        return job_html(view, f"<p>Pushed to {link}, commit <code>{revision}</code>.</p>")
    if not result:
        return job_html(view, "<p>Done.</p>")
    said = {"build": "Built", "add": "Added", "remove": "Removed"}.get(view.what, "Done")
    now = f"{said}: {int(result['documents']):,} documents, {spell_bytes(float(result['bytes']))}."
    return job_html(view, f"<p>{now} {search_link(str(result['folder']))}</p>")


def card_html(card: str) -> str:
    """The card that a push will write, as text."""
    return f'<pre class="ck-log" role="region" aria-label="The card" tabindex="0">{escape(card)}</pre>'


def _column_row(column: Column, num_rows: int) -> str:
    example = "" if column.example is None else str(column.example)
    shown = example if len(example) <= EXAMPLE_CHARACTERS else f"{example[:EXAMPLE_CHARACTERS]} …"
    return (
        f'<tr><td dir="auto"><b>{escape(column.name)}</b></td><td>{column.kind}</td>'
        f'<td class="ck-number">{column.num_filled / num_rows:.0%}</td><td dir="auto">{escape(shown)}</td></tr>'
    )


def _document(document: dict[str, Any], *, is_demo: bool) -> str:
    text = document["text"]
    read = text
    if is_demo and (words := list(re.finditer(r"\S+", text)))[WORDS_READ:]:
        read = text[: words[WORDS_READ - 1].end()]
    beyond = text[len(read) :]
    shown, slanted = read[:SHOWN_CHARACTERS], beyond[: max(0, SHOWN_CHARACTERS - len(read))]
    rest = " …" if len(shown) + len(slanted) < len(text) else ""
    facts = "".join(
        f"<span>{escape(name)}: {escape(str(value)[:EXAMPLE_CHARACTERS])}</span>"
        for name, value in document.items()
        if name not in ("id", "text", "title")
    )
    return (
        f'<li class="ck-card"><p class="ck-facts"><span class="ck-score">{escape(document["id"])}</span>{facts}</p>'
        f'<p class="ck-text" dir="auto">{escape(shown)}<span class="ck-beyond">{escape(slanted)}{rest}</span></p></li>'
    )
