"""The page's endpoints, called as a program calls them."""

import pytest

gradio_client = pytest.importorskip("gradio_client")


@pytest.fixture(scope="module")
def client(page_url):
    return gradio_client.Client(page_url, verbose=False)


def test_the_api_has_two_documented_typed_endpoints_and_no_others(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/search", "/rerank"}
    parameters = {one["parameter_name"]: one["python_type"]["type"] for one in endpoints["/search"]["parameters"]}
    assert parameters == {"query": "str", "k": "int", "filter": "str", "index": "str"}
    assert "by meaning" in endpoints["/search"]["description"]


def test_search_gives_hits_as_json(client):
    hits = client.predict("the library", 2, "", api_name="/search")
    assert [hit["rank"] for hit in hits] == [1, 2]
    assert set(hits[0]) == {"rank", "id", "score", "text", "metadata"}


def test_search_filters(client):
    hits = client.predict("the library", 5, "id in script, rtl", api_name="/search")
    assert {hit["id"] for hit in hits} == {"script", "rtl"}


def test_rerank_gives_the_new_order_and_the_old_places(client):
    hits = client.predict("the library", ["the river", "the library"], 5, api_name="/rerank")
    assert [(hit["text"], hit["previous_rank"]) for hit in hits] == [("the library", 2), ("the river", 1)]


def test_bad_input_is_refused_with_its_message(client):
    with pytest.raises(Exception, match="the query is empty"):
        client.predict(" ", 2, "", api_name="/search")
    with pytest.raises(Exception, match="k must be a whole number of 1 or more, got 0"):
        client.predict("sea", 0, "", api_name="/search")
    with pytest.raises(Exception, match="there are no candidates"):
        client.predict("sea", [], 2, api_name="/rerank")
