"""``colbert-kit serve``: what it answers, to whom, and when it does not."""

import base64
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from colbert_kit import Searcher, models
from tests.commands import only_line
from tests.serving.conftest import until, wait_for

QUERY = "river city"


@pytest.fixture(scope="module")
def server(serve, index):
    return serve(index)


@pytest.fixture(scope="module")
def searcher(index, tiny_model):
    return Searcher.open(index, tiny_model)


def as_rows(hits):
    return [(hit.rank, hit.id, hit.text, hit.metadata, pytest.approx(hit.score, abs=1e-4)) for hit in hits]


def rows_of(body):
    return [(hit["rank"], hit["id"], hit["text"], hit["metadata"], hit["score"]) for hit in body["hits"]]


def test_health_says_what_is_served(server, searcher):
    found = server.client.get("/health").json()
    assert found["status"] == "ready"
    assert (found["index"], found["documents"], found["dim"]) == ("words", 30, 16)
    assert found["bytes"] == searcher.num_bytes
    assert found["generation"] == searcher.generation
    assert found["model"] == "tiny"  # the folder's name; where it lies is nobody's business


def test_a_search_gives_what_the_searcher_gives(server, searcher):
    body = server.client.post("/search", json={"query": QUERY, "k": 3}).json()
    assert rows_of(body) == as_rows(searcher.search(QUERY, 3))
    assert body["seconds"].keys() >= {"encode"}


def test_several_queries_are_answered_in_their_order(server, searcher):
    queries = [QUERY, "music", "mountain snow"]
    body = server.client.post("/search", json={"queries": queries, "k": 2}).json()
    assert [rows_of(one) for one in body["results"]] == [as_rows(hits) for hits in searcher.search_many(queries, 2)]


def test_filters_and_subsets_narrow_a_search(server):
    def found(**options):
        body = server.client.post("/search", json={"query": QUERY, "k": 30, **options}).json()
        return {hit["id"] for hit in body["hits"]}

    assert found(filters=[["year", ">=", 2028]]) == {"d28", "d29"}
    assert found(filters=[[["year", "=", 2001]], [["year", "in", [2002, 2003]]]]) == {"d01", "d02", "d03"}
    assert found(subset=["d07", "d09"]) == {"d07", "d09"}
    assert found(subset=[]) == set()
    grouped = server.client.post("/search", json={"query": QUERY, "k": 3, "group_by": "topic"}).json()["hits"]
    assert len({hit["metadata"]["topic"] for hit in grouped}) == 3


def test_an_explanation_adds_up_to_the_score(server):
    [hit] = server.client.post("/search", json={"query": QUERY, "k": 1, "explain": True}).json()["hits"]
    assert sum(match["similarity"] for match in hit["matches"]) == pytest.approx(hit["score"], abs=1e-2)


def test_reranking_names_the_places_of_what_was_given(server, searcher):
    texts = ["music", "river city", "snow"]
    expected = searcher.rerank(QUERY, [{"id": str(n), "text": text} for n, text in enumerate(texts)])
    body = server.client.post("/rerank", json={"query": QUERY, "documents": texts, "top_n": 2, "model": "any"}).json()
    assert [one["index"] for one in body["results"]] == [int(hit.id) for hit in expected[:2]]
    assert body["results"][0]["relevance_score"] == pytest.approx(expected[0].score, abs=1e-4)
    named = server.client.post("/rerank", json={"query": QUERY, "documents": [{"id": "a", "text": "music"}], "k": 1})
    assert named.json()["results"][0] | {"relevance_score": 0} == {
        "index": 0, "relevance_score": 0, "id": "a", "document": {"text": "music"},
    }  # fmt: skip


@pytest.mark.parametrize("role", ["query", "document"])
def test_embeddings_are_a_row_a_token_as_numbers_or_as_bytes(server, tiny_model, role):
    encode = models.encode_queries if role == "query" else models.encode_documents
    texts = ["river", "river city snow"]
    [expected] = encode(tiny_model, texts)
    asked = {"input": texts, "input_type": role}
    body = server.client.post("/v1/embeddings", json=asked).json()
    packed = server.client.post("/v1/embeddings", json={**asked, "encoding_format": "base64"}).json()
    for one, number, code in zip(expected, body["data"], packed["data"], strict=True):
        assert number["shape"] == code["shape"] == list(one.shape)
        assert np.allclose(number["embedding"], one, atol=1e-4)
        decoded = np.frombuffer(base64.b64decode(code["embedding"]), "<f4").reshape(code["shape"])
        assert np.allclose(decoded, one, atol=1e-4)
    assert body["usage"]["total_tokens"] == sum(map(len, expected))


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/search", {}, 422, "give either query or queries"),
        ("/search", {"query": "a", "queries": ["b"]}, 422, "give either query or queries"),
        ("/search", {"query": ""}, 422, "query"),
        ("/search", {"query": "   "}, 400, "empty"),
        ("/search", {"query": "a", "k": 0}, 422, "greater than or equal to 1"),
        ("/search", {"query": "a", "k": 1001}, 422, "less than or equal to 1000"),
        ("/search", {"query": "a", "nprobe": 3}, 422, "nprobe"),
        ("/search", {"query": "a", "filters": [["colour", "=", "red"]]}, 400, "colour"),
        ("/search", {"query": "a", "filters": [["year", "~", 1]]}, 400, "~"),
        ("/search", {"queries": ["a"] * 257}, 422, "256"),
        ("/rerank", {"query": "a", "documents": []}, 422, "documents"),
        ("/rerank", {"query": "a", "documents": ["a"] * 1001}, 422, "1000"),
        ("/search", {"query": "a", "k": True}, 422, "k: Input should be a valid integer"),
        ("/search", {"query": "a" * 100_001}, 422, "100000"),
        ("/search", {"query": "a", "filters": [["year", ">"]]}, 422, "filters: give conditions that all must hold"),
        ("/search", {"query": "a", "group_by": "colour"}, 400, "colour"),
        ("/search", {"queries": ["a", "b"], "k": 501, "explain": True}, 422, "at most 1,000 hits are explained"),
        ("/v1/embeddings", {"input": "a"}, 422, "input_type: Field required"),
        ("/v1/embeddings", {"input": "a", "input_type": "image"}, 422, "query"),
        ("/nowhere", {}, 404, "Not Found"),
    ],
)
def test_a_mistake_is_told_in_a_line(server, path, body, status, said):
    answer = server.client.post(path, json=body)
    assert (answer.status_code, answer.json().keys()) == (status, {"error"})
    assert said in answer.json()["error"]["message"]
    assert "Traceback" not in server.errors()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"query": "\\ud800"}', b"[" * 100_000, b"\xff\xfe"])
def test_a_body_that_is_no_request_is_refused(server, content):
    answer = server.client.post("/search", content=content, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]


def test_a_long_body_is_refused_before_it_is_read(server):
    answer = server.client.post("/search", json={"query": "a" * 9_000_000})
    assert answer.status_code == 413
    assert "8,388,608 bytes" in answer.json()["error"]["message"]
    unannounced = server.client.post(
        "/search", content=iter([b" " * 2**20] * 9), headers={"content-type": "application/json"}
    )
    assert unannounced.status_code == 413
    assert server.client.post("/search", json={"query": QUERY}).status_code == 200


@pytest.mark.parametrize(
    "text", ["<b>`${1+1}`</b>", "\u202eabc\u2066", "a\x00b", "line\nline", "\U0001d49c é ß", '"\\']
)
def test_hostile_texts_come_back_as_they_were(server, text):
    body = server.client.post("/rerank", json={"query": text, "documents": [text, "music"]}).json()
    assert text in [one["document"]["text"] for one in body["results"]]


def test_a_crowd_gets_what_each_would_get_alone(server):
    queries = [f"{word} city" for word in ("river", "snow", "music", "road")] * 16

    def ask(query):
        return rows_of(server.client.post("/search", json={"query": query, "k": 5}).json())

    alone = {query: ask(query) for query in set(queries)}
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, queries)) == [alone[query] for query in queries]


def test_a_page_of_the_web_cannot_ask_by_another_name_of_this_machine(server):
    for name in ("evil.example", "127.0.0.1.evil.example", "[::", ""):
        answer = server.client.post("/search", json={"query": QUERY}, headers={"host": name})
        assert answer.status_code == 400
        assert "only this machine is answered" in answer.json()["error"]["message"]
    for name in ("LOCALHOST:80", "[::1]:8000", "127.0.0.2"):
        assert server.client.post("/search", json={"query": QUERY}, headers={"host": name}).status_code == 200


def test_a_body_that_is_not_said_to_be_json_is_told_the_header(server):
    answer = server.client.post("/search", data={"query": QUERY})
    assert answer.status_code == 415
    assert "got application/x-www-form-urlencoded" in answer.json()["error"]["message"]


def test_the_reference_names_every_route(server):
    paths = server.client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/health", "/search", "/rerank", "/v1/embeddings"}


def test_a_commit_of_another_process_is_taken_up(serve, tiny_model, tiny_documents, tmp_path):
    written = Searcher.build(tmp_path / "growing", tiny_model, tiny_documents[:5])
    client = serve(tmp_path / "growing").client
    written.add(tiny_documents[5:7])
    until(lambda: client.get("/health").json()["documents"] == 7, seconds=10)
    hits = client.post("/search", json={"query": tiny_documents[6]["text"], "k": 1}).json()["hits"]
    assert hits[0]["id"] == tiny_documents[6]["id"]

    (written.folder / "manifest.json").write_text("{broken")
    until(lambda: "problem" in client.get("/health").json())
    assert str(written.folder) not in client.get("/health").text
    assert client.post("/search", json={"query": QUERY}).status_code == 200


def test_with_a_token_nothing_but_health_answers_without_it(serve, index):
    client = serve(index, token="a-secret").client
    assert client.get("/health").status_code == 200
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic YTpi"}):
        answer = client.post("/search", json={"query": QUERY}, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "needs its token" in answer.json()["error"]["message"]
    # Before a body is read: who has no token is told nothing of what is wrong with it.
    answer = client.post("/search", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 401
    for name in ("localhost", "search.example"):  # as a proxy passes it on
        headers = {"authorization": "Bearer a-secret", "host": name}
        assert client.post("/search", json={"query": QUERY}, headers=headers).status_code == 200


def test_it_answers_while_it_loads_and_ends_when_asked(serve, index):
    server = serve(index, wait=False)
    answer = server.client.post("/search", json={"query": QUERY})
    assert answer.status_code in {200, 503}
    if answer.status_code == 503:
        assert answer.headers["retry-after"] == "1"
        assert "still loading" in answer.json()["error"]["message"]
    wait_for(server.client)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.client.base_url.join("/health"))
    assert "Traceback" not in server.errors()


def test_what_cannot_be_served_is_refused_in_a_line(refused, index):
    assert "other machines reach 0.0.0.0" in refused("serve", index, "--host", "0.0.0.0", "--port", 0)
    assert "cannot be bound" in refused("serve", index, "--host", "192.0.2.1", "--token", "t")
    assert "without spaces" in refused("serve", index, "--token", "é")
    assert "contradict each other" in refused("serve", index, "--token", "t", "--no-token")


def test_a_folder_that_is_no_index_ends_the_server_with_a_line(call, tmp_path):
    code, _, errors = call("serve", tmp_path, "--port", 0)
    assert code == 2
    assert "manifest.json" in only_line(errors)


def test_without_the_libraries_it_says_what_to_install(refused, index, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "uvicorn" else find(name, *rest)
    )
    assert 'pip install "colbert_kit[serve]"' in refused("serve", index)
