"""What the page stands on, without a page: background loading, the demo's first start, waiting searches."""

import itertools
import time

import pytest

from colbert_kit import Searcher, data, models
from colbert_kit.app import service as service_module
from colbert_kit.app.cards import hits_html
from colbert_kit.app.filters import parse_filters
from colbert_kit.app.render import escape, status_html
from colbert_kit.app.service import Service, Status
from colbert_kit.errors import ColbertKitError, InvalidInput


def wait_until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def small_demo(monkeypatch, tmp_path, tiny_model, tiny_documents):
    """The demo's first start with a corpus and a model that take no time."""
    monkeypatch.setenv("COLBERT_KIT_CACHE", str(tmp_path))
    monkeypatch.setattr(models, "load_demo", lambda device=None: tiny_model)
    monkeypatch.setattr(data, "read_demo_corpus", lambda: iter(tiny_documents))
    monkeypatch.setattr(data, "DEMO_CORPUS_SIZE", len(tiny_documents))
    monkeypatch.setattr(service_module, "FIRST_DOCUMENTS", 4)
    monkeypatch.setattr(service_module, "MORE_DOCUMENTS", 10)
    return tmp_path / service_module.DEMO_FOLDER


def test_the_first_start_indexes_the_demo_and_the_second_opens_it(small_demo, tiny_documents):
    first = Service()
    assert first.search("the library", 3).hits
    wait_until(lambda: first.status.stage == "ready")
    assert len(first.searcher()) == len(tiny_documents)
    generation = (small_demo / "manifest.json").read_bytes()
    second = Service()
    assert second.search("the library", 3).searched == len(tiny_documents)
    assert (small_demo / "manifest.json").read_bytes() == generation


def test_a_first_start_that_was_stopped_goes_on_where_it_was(small_demo, tiny_model, tiny_documents):
    Searcher.build(small_demo, tiny_model, itertools.islice(tiny_documents, 7))
    service = Service()
    wait_until(lambda: service.start() or service.status.stage == "ready")
    found = {document["id"] for document in service.searcher().documents()}
    assert found == {document["id"] for document in tiny_documents}


def test_a_damaged_demo_index_is_built_again(small_demo, tiny_model, tiny_documents):
    Searcher.build(small_demo, tiny_model, tiny_documents)
    (small_demo / "manifest.json").write_text('{"format_version": 1}')
    service = Service()
    assert service.search("the library", 1).hits


def test_two_first_starts_at_once_share_the_work(small_demo, tiny_documents, monkeypatch):
    monkeypatch.setattr(service_module, "SECONDS_BETWEEN_LOOKS", 0.05)
    services = [Service(), Service()]
    for service in services:
        service.start()
    wait_until(lambda: all(service.status.stage == "ready" for service in services))
    assert [len(service.searcher()) for service in services] == [len(tiny_documents)] * 2


def test_an_index_that_cannot_be_opened_is_said_on_the_page_and_to_callers(tmp_path):
    service = Service(str(tmp_path))
    with pytest.raises(ColbertKitError, match="is not an index folder"):
        service.search("sea")
    assert "is not an index folder" in status_html(service.status)


def test_what_cannot_be_shown_becomes_a_replacement_character_and_the_rest_stays():
    assert escape("a\x00b\ud800c\td\n<&\"'") == "a\ufffdb\ufffdc\td\n&lt;&amp;&quot;&#x27;"


def test_the_status_says_how_far_indexing_is():
    html = status_html(Status("indexing", 512, 5183, searchable=256))
    assert "512 of 5,183 documents. 256 can be searched already" in html
    assert "search" not in status_html(Status("indexing", 200, 5183))
    assert 'aria-valuenow="10"' in html
    assert "ready" in status_html(Status("ready", 5183, 5183))


def test_filters_are_conditions_joined_by_and():
    assert parse_filters("year >= 2020 and topic = biology") == [("year", ">=", 2020), ("topic", "=", "biology")]
    assert parse_filters("  ") is None
    with pytest.raises(InvalidInput, match="column operator value"):
        parse_filters("year >= 2020 and nonsense")


def test_every_hit_explains_itself_by_words_of_its_own(small_demo):
    service = Service()
    found = service.search("the old library", 5)
    assert len(found.matches) == len(found.hits)
    html = hits_html("the old library", [found])
    assert html.count("Why this hit?") == len(found.hits)
