"""Many at once, slow ones, writers in between, and the end."""

import json
import shutil
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from colbert_kit import Searcher
from colbert_kit.serving.guard import MAX_UNDER_WAY
from tests.serving.conftest import until

RERANK = {"query": "river", "documents": ["city", "snow"]}


def connect(server):
    url = server.client.base_url
    return socket.create_connection((url.host, url.port), timeout=60)


def head(body_length):
    lines = ["POST /rerank HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {body_length}", "", ""]).encode()


def test_an_explained_search_stays_in_its_generation_while_another_process_changes_all(
    serve, index, gate, tiny_model, tiny_documents, tmp_path
):
    folder = tmp_path / "changing"
    shutil.copytree(index, folder)
    server = serve(folder, first=gate.hold("search"))
    with ThreadPoolExecutor(1) as pool:
        body = {"query": "river city", "k": 30, "explain": True}
        asked = pool.submit(server.client.post, "/search", json=body)
        until(gate.entered)
        writer = Searcher.open(folder, tiny_model)
        texts = [document["text"] for document in tiny_documents]
        turned = [{**old, "text": text} for old, text in zip(tiny_documents, texts[1:] + texts[:1], strict=True)]
        writer.update(turned)
        writer.remove(["d07"])
        writer.vacuum(grace_seconds=0)
        with httpx.Client(base_url=server.client.base_url) as other:
            until(lambda: other.get("/health").json()["documents"] == 29)
        gate.open()
        answer = asked.result()
    assert answer.status_code == 200
    before = {document["id"]: document["text"] for document in tiny_documents}
    hits = answer.json()["hits"]
    assert {hit["id"]: hit["text"] for hit in hits} == before
    for hit in hits:
        assert sum(match["similarity"] for match in hit["matches"]) == pytest.approx(hit["score"], abs=0.05)
    after = server.client.post("/search", json=body).json()
    assert {hit["id"]: hit["text"] for hit in after["hits"]} == {
        document["id"]: document["text"] for document in turned if document["id"] != "d07"
    }
    assert after["generation"] == writer.generation > answer.json()["generation"]


def test_more_than_may_wait_are_told_at_once_to_come_again_and_health_answers(serve, index, gate):
    server = serve(index, first=gate.hold("rerank"))
    limits = httpx.Limits(max_connections=None)
    with httpx.Client(base_url=server.client.base_url, timeout=120, limits=limits) as client:
        with ThreadPoolExecutor(MAX_UNDER_WAY + 20) as pool:
            answers = [pool.submit(client.post, "/rerank", json=RERANK) for _ in range(MAX_UNDER_WAY + 20)]
            until(lambda: sum(answer.done() for answer in answers) == 20)
            for answer in [one.result() for one in answers if one.done()]:
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                assert f"{MAX_UNDER_WAY} requests are under way" in answer.json()["error"]["message"]
            assert client.get("/health").json()["status"] == "ready"
            assert client.get("/nowhere").status_code == 503
            gate.open()
        assert sorted(answer.result().status_code for answer in answers) == [200] * MAX_UNDER_WAY + [503] * 20
        assert client.post("/rerank", json=RERANK).status_code == 200


def test_clients_that_send_slowly_take_no_place_and_are_given_up(serve, index):
    server = serve(index, first="from colbert_kit.serving import guard\nguard.BODY_SECONDS = 5")
    content = json.dumps(RERANK).encode()
    half_heads = [connect(server) for _ in range(MAX_UNDER_WAY + 20)]
    half_bodies = [connect(server) for _ in range(MAX_UNDER_WAY + 20)]
    for one in half_heads:
        one.sendall(head(10)[:40])
    for one in half_bodies:
        one.sendall(head(len(content)) + content[:10])
    assert server.client.post("/rerank", json=RERANK).status_code == 200
    half_bodies[0].sendall(content[10:])
    assert half_bodies[0].recv(100).startswith(b"HTTP/1.1 200 OK")
    assert half_bodies[1].recv(100).startswith(b"HTTP/1.1 408 ")
    assert server.client.post("/rerank", json=RERANK).status_code == 200
    for one in half_heads + half_bodies:
        one.close()


def test_sigterm_lets_running_and_waiting_requests_be_answered_and_takes_no_new_ones(serve, index, gate):
    server = serve(index, first=gate.hold("rerank"))
    content = json.dumps(RERANK).encode()
    asking = [connect(server) for _ in range(20)]
    for one in asking:
        one.sendall(head(len(content)) + content)
    until(gate.entered)
    for _ in range(3):  # what came before these has been read
        assert server.client.get("/health").status_code == 200
    server.process.send_signal(signal.SIGTERM)
    until(lambda: refuses(server))
    gate.open()
    for one in asking:
        with one:
            assert one.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert server.process.wait(30) == -signal.SIGTERM
    assert "Traceback" not in server.errors()


def refuses(server):
    try:
        connect(server).close()
    except ConnectionRefusedError:
        return True
    return False
