"""Whatever a text holds, the panels show exactly it, and nothing in it becomes part of the page."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from colbert_kit import Hit
from colbert_kit.app.cards import hits_html
from colbert_kit.app.columns import Column, Looked
from colbert_kit.app.evaluate_render import comparison_html, report_html
from colbert_kit.app.index_render import card_html, columns_html, facts_html, index_job_html, preview_html
from colbert_kit.app.job_list import JobKey
from colbert_kit.app.job_list import JobView as FollowedJob
from colbert_kit.app.jobs_html import job_view_html
from colbert_kit.app.launching_training import Checked
from colbert_kit.app.local_jobs import JobView
from colbert_kit.app.ranking import Found
from colbert_kit.app.render import message_html
from colbert_kit.app.reranked import reranked_html
from colbert_kit.app.shelf import IndexFacts
from colbert_kit.app.snippets import snippets_html
from colbert_kit.app.tokens import heatmap_html
from colbert_kit.app.train_html import findings_html, rows_html
from colbert_kit.app.train_html import preview_html as rows_preview_html
from colbert_kit.app.training_data import Rows
from colbert_kit.progress import Progress
from colbert_kit.runners import Job
from colbert_kit.scores import TokenMatch, TokenSimilarities, TokenSpan

PIECES = (
    "${1+1}", "`", "{{x}}", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</pre></details>", '"', "'",
    "&amp;", "](javascript:alert(1))", "**b**", "# h", "\u202e", "\u0645", "\u2028", "'>\"><b>", "sea",
)  # fmt: skip
# Longer ones are cut in places.
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=2).map("".join), st.text(min_size=1, max_size=60)
)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text += data


def search_panels(text: str) -> list[str]:
    """What searching and reranking show of a text that is query, id, title, text and metadata at once."""
    query = f"river {text}"
    hit = Hit(text, 1.0, 1, query, {"title": text, text: text})
    # The word that every text begins with, and a marker that is in no text.
    token, marker = TokenSpan("river", 0, 5), TokenSpan(text, 0, 0)
    found = Found([hit], [[TokenMatch(token, token, 0.5)]], {}, 1, {text: 1}, notes={text: text})
    compared = TokenSimilarities([token, marker], [token, marker], np.eye(2, dtype=np.float32))
    return [
        hits_html(query, [found], text),
        hits_html(query, [found, found], text),
        reranked_html(found, query, text, is_indexed=True),
        reranked_html(found, query),
        heatmap_html(query, query, compared),
        snippets_html([("curl", text)]),
        message_html(f"there is no {text}"),
    ]


def training_panels(text: str) -> list[str]:
    """What the panels of training and of jobs show of a text."""
    seen = {"column": text, "marker": text, "seen": text, "cut": text, "more": 1}
    checked = Checked(None, "", "", ({"level": "error", "message": text},), ([seen, {"column": text, "value": text}],))
    job = Job(id="0", state="ERROR", message=text, labels={"what": text}, flavor=text, url=text)
    view = FollowedJob(JobKey("0", text), job, [text], 1, [], None, {text: text}, text, None, None, True, text)
    return [
        rows_html(Rows(text, kinds=((text, "text"),))),
        rows_preview_html(checked),
        findings_html(checked),
        job_view_html(view),
    ]


def panels(text: str) -> list[str]:
    """Everything that the panels show of a text."""
    column = Column(text, "text", 1, 10, 2, text)
    view = JobView("0", "ERROR", "build", None, {}, text, (text,))
    running = JobView("0", "RUNNING", "build", Progress(text, 1, 2), {}, "", ())
    pushed = JobView("0", "COMPLETED", "push", None, {"repo_id": text, "revision": text, "url": text}, "", ())
    example = {
        "query": text, "first_name": text, "second_name": text, "change": ["q", 0.0, 1.0], "document_id": text,
        "text": text, "ranks": [1, None], "matches": [[text, text, 0.5]],
    }  # fmt: skip
    system = {"name": text, "means": {"m": 1.0}, "interval": [0, 1], "judged": 1.0, "p50_ms": None, "bytes": None}
    figures = {"first": 0.0, "second": 1.0, "wins": 1, "losses": 0, "ties": 0}
    collection = {
        "name": text, "num_documents": 1, "num_queries": 1, "systems": [system], "verdicts": ["!" + text],
        "examples": [example], "verdict": text, "figures": figures,
    }  # fmt: skip
    report = {"title": text, "settings": {text: text}, "measures": ["m"], "collections": [collection]}
    return [
        *search_panels(text),
        *training_panels(text),
        columns_html(Looked({text: column}, 1)),
        preview_html([{"id": text, "text": text, text: text}], is_demo=True),
        facts_html(IndexFacts("x", Path("x"), 1, 1, None, 1, text)),
        index_job_html(view),
        index_job_html(running),
        index_job_html(pushed),
        card_html(text),
        report_html(report, [(text, "data:image/svg+xml;base64,")]),
        comparison_html({"measure": text, "collections": [collection], "left_out": [text]}, text, text),
    ]


def shown(text: str) -> str:
    """What a page can show of a text, without regard to spaces and capitals."""
    printable = "".join(
        "\ufffd" if (one < " " and one not in "\t\n\r") or one == "\x7f" or "\ud800" <= one <= "\udfff" else one
        for one in text
    )
    return "".join(printable.split()).casefold()


@given(TEXTS)
@settings(max_examples=1000)
def test_a_text_is_shown_exactly_and_adds_nothing_to_the_page(text):
    for part, plain in zip(panels(text), panels("sea"), strict=True):
        page, expected = Page(part), Page(plain)
        assert (page.tags, page.attributes) == (expected.tags, expected.attributes)
        assert shown(text) in shown(page.text)


def test_only_an_address_of_the_web_becomes_a_link():
    for url, tags in (("https://hub/x", ["div", "p", "a", "code"]), ("javascript:alert(1)", ["div", "p", "code"])):
        result = {"repo_id": "me/x", "revision": "0" * 40, "url": url}
        assert Page(index_job_html(JobView("0", "COMPLETED", "push", None, result, "", ()))).tags == tags
