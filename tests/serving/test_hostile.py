"""Requests that mean harm, or were made by a broken client: refused in a line, and never a 500."""

import json
import random

import pytest

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def server(serve, index):
    return serve(index)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/search", '{"query": "\\ud800"}'),
        ("/search", '{"queries": ["a", "\\udfff"]}'),
        ("/search", '{"query": "a", "filters": [["topic", "=", "\\ud800"]]}'),
        ("/search", '{"query": "a", "filters": [[["topic", "in", ["\\ud800"]]]]}'),
        ("/search", '{"query": "a", "filters": [["\\ud800", "=", 1]]}'),
        ("/search", '{"query": "a", "subset": ["\\ud800"]}'),
        ("/search", '{"query": "a", "\\ud800": 1}'),
        ("/rerank", '{"query": "a", "documents": ["\\ud800"]}'),
        ("/rerank", '{"query": "a", "documents": [{"id": "\\ud800", "text": "a"}]}'),
        ("/v1/embeddings", '{"input": ["\\ud800"], "input_type": "document"}'),
    ],
)
def test_half_of_a_surrogate_pair_is_told_to_be_no_character(server, path, body):
    answer = server.client.post(path, content=body, headers=JSON)
    assert answer.status_code == 422
    assert "half of a surrogate pair" in answer.json()["error"]["message"]


def test_a_message_does_not_give_a_long_value_back(server):
    body = {"query": "a", "filters": [["year", "=", "x" * 90_000]]}
    answer = server.client.post("/search", json=body)
    assert (answer.status_code, len(answer.text) < 1000) == (400, True)


GOOD = {
    "/search": {"query": "river", "k": 2, "filters": [["year", ">", 2001]], "subset": ["d01"], "explain": True},
    "/rerank": {"query": "river", "documents": ["city", {"id": "a", "text": "snow"}], "top_n": 1},
    "/v1/embeddings": {"input": ["river"], "input_type": "query", "encoding_format": "base64"},
}
PATHS = [*GOOD, *GOOD, *GOOD, "/health", "/docs", "/openapi.json", "/nowhere"]
VALUES = [
    None, True, False, 0, -1, 1.5, 2**63, 10**40, 1e308, float("nan"), float("-inf"), "", " ", "a", "\ud800",
    "a\udfff", "\0", "\U0001f642", "x" * 5000, "year", "topic", "in", "not in", "=", "2020-01-01", [], {}, [[]],
    [["year", "=", None]], [["topic", "in", [1, "a", None]]], [[["year", "<", "\ud800"]]], {"text": "a"}, [{"id": 1}],
]  # fmt: skip


def spoil(chance, value, depth=0):
    """The value with some of its parts made into something else."""
    if depth and chance.random() < 0.25:
        return chance.choice(VALUES)
    if isinstance(value, dict):
        spoiled = {name: spoil(chance, one, depth + 1) for name, one in value.items() if chance.random() > 0.05}
        return spoiled | ({chance.choice(["x", "\ud800", "group_by", "queries", "k"]): chance.choice(VALUES)}
                          if chance.random() < 0.2 else {})  # fmt: skip
    if isinstance(value, list):
        return [spoil(chance, one, depth + 1) for one in value] * chance.choice([1, 1, 1, 0, 3])
    return value


def spoil_bytes(chance, body):
    for _ in range(3 if chance.random() < 0.15 else 0):
        place = chance.randrange(len(body) + 1)
        body = body[:place] + chance.randbytes(chance.randrange(4)) + body[place + chance.randrange(3) :]
    nested = chance.choice([100, 900, 5000])
    return body if chance.random() < 0.97 else b'{"query":' + b"[" * nested + b"]" * nested + b"}"


def test_five_hundred_spoiled_bodies_are_answered_or_refused(server):
    chance = random.Random(3)
    statuses = []
    for _ in range(500):
        path = chance.choice(PATHS)
        body = spoil(chance, GOOD.get(path, GOOD["/search"])) if chance.random() < 0.97 else chance.choice(VALUES)
        content = spoil_bytes(chance, json.dumps(body).encode())
        answer = server.client.post(path, content=content, headers=JSON)
        assert answer.status_code < 500, (path, content[:500], answer.text)
        assert answer.status_code == 200 or answer.json()["error"]["message"], (path, content[:500])
        statuses.append(answer.status_code)
    assert statuses.count(200) > 20
    assert "Traceback" not in server.errors()


def test_a_bug_is_a_500_that_hangs_up_and_the_process_goes_on(serve, index):
    bug = "from colbert_kit import Searcher\ndef broken(*_, **__): raise ZeroDivisionError('seven')\n"
    server = serve(index, first=f"{bug}Searcher.rerank = broken")
    for _ in range(3):
        answer = server.client.post("/rerank", json={"query": "a", "documents": ["b"]})
        assert (answer.status_code, answer.headers["connection"]) == (500, "close")
        assert answer.json() == {"error": {"message": "colbert_kit failed: see the server's log."}}
        assert server.client.post("/search", json={"query": "river"}).status_code == 200
    assert server.errors().count("ZeroDivisionError: seven") == 3


def test_an_index_that_cannot_be_read_is_a_503_that_names_no_folder(serve, index):
    damage = (
        "from colbert_kit import Searcher, errors\ndef broken(*_, **__): raise errors.InvalidFolder('/home/me/x')\n"
    )
    server = serve(index, first=f"{damage}Searcher.search = broken")
    answer = server.client.post("/search", json={"query": "river"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "/home/me" not in answer.text
    assert "/home/me/x" in server.errors()
