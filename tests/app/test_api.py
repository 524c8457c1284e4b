"""The page's endpoints, called as a program calls them."""

import os
import subprocess
import sys

import pytest

gradio_client = pytest.importorskip("gradio_client")


@pytest.fixture(scope="module")
def client(page_url):
    return gradio_client.Client(page_url, verbose=False)


def test_the_api_has_three_documented_typed_endpoints_and_no_others(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/search", "/rerank", "/explain"}
    types = {
        name: {one["parameter_name"]: one["python_type"]["type"] for one in endpoint["parameters"]}
        for name, endpoint in endpoints.items()
    }
    how = types["/search"].pop("how")
    assert all(name in how for name in ("colbert", "exact", "bm25", "hybrid"))
    assert types["/search"] == {"query": "str", "k": "int", "filter": "str", "index": "str"}
    assert types["/explain"] == {"query": "str", "id": "str", "text": "str", "index": "str"}
    assert types["/rerank"]["query"] == "str"
    assert "by meaning" in endpoints["/search"]["description"]


def test_every_way_to_rank_gives_hits_with_falling_scores(client):
    for how in ("colbert", "exact", "bm25", "hybrid"):
        hits = client.predict("the library", 5, "id in script, rtl, template", how, api_name="/search")
        scores = [hit["score"] for hit in hits]
        assert scores, how
        assert scores == sorted(scores, reverse=True)
        assert {hit["id"] for hit in hits} <= {"script", "rtl", "template"}


def test_explain_names_every_token_and_its_matches_sum_to_the_score(client):
    [hit] = client.predict("the library", 1, "", api_name="/search")
    found = client.predict("the library", hit["id"], api_name="/explain")
    assert sum(match["similarity"] for match in found["matches"]) == pytest.approx(hit["score"], abs=1e-3)
    assert len(found["similarity"]) == len(found["matches"])
    assert len(found["similarity"][0]) == len(found["document_tokens"])
    other = client.predict("the library", "", "the library", api_name="/explain")
    assert max(map(max, other["similarity"])) <= 1.001


def test_another_folder_can_be_searched_by_its_name(client, second_index):
    hits = client.predict("the library", 5, "year >= 2020", "bm25", str(second_index), api_name="/search")
    assert all(hit["metadata"]["year"] >= 2020 for hit in hits)
    with pytest.raises(Exception, match="there is no such folder"):
        client.predict("sea", 2, "", "colbert", "/no/such/folder", api_name="/search")


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


# In a process of its own, in which fewer visitors are remembered than in a real one.
STRANGERS = """
import json, os, sys, threading, time, urllib.request
from colbert_kit.app import shell
from colbert_kit.app.answers import Answers
shell.SESSIONS_KEPT = 3
page = shell.build_app(Answers(sys.argv[1]), is_demo=False)
threading.Thread(target=shell.serve, args=(page,), daemon=True).start()
while not page.is_running:
    time.sleep(0.1)
call = page.local_url + "gradio_api/call/search"
for _ in range(7):
    body = json.dumps({"data": ["", 1, "", "colbert", ""]}).encode()
    request = urllib.request.Request(call, body, {"Content-Type": "application/json"})
    event = json.load(urllib.request.urlopen(request))["event_id"]
    urllib.request.urlopen(f"{call}/{event}").read()
print(len(page.state_holder.session_data), flush=True)
os._exit(0)
"""


def test_programs_that_name_no_session_do_not_fill_the_memory(nasty_index):
    command = [sys.executable, "-c", STRANGERS, str(nasty_index)]
    run = subprocess.run(command, env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}, check=True,
                         capture_output=True, text=True)  # fmt: skip
    assert run.stdout.splitlines()[-1] == "3"
