"""One listening socket: HTTP/1.1 on 127.0.0.1, with a thread for each connection and exact control of its bytes."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import socketserver
import tempfile
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import IO
from urllib.parse import unquote

from tests.hubserver.faults import Fault, Faults
from tests.hubserver.messages import PIECE_BYTES, HubError, Request, Response
from tests.hubserver.traffic import KEPT_BYTES, Exchange, Traffic

__all__ = ["Listener"]


class HungUp(Exception):
    """The connection ends here, because a fault says so or the client is gone."""


class Connection(BaseHTTPRequestHandler):
    """The requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        exchange = Exchange(self.server.host, self.command, path, query, list(self.headers.items()))
        self.server.traffic.add(exchange)
        fault = self.server.faults.take(self.command, unquote(path)) or Fault(method="", path="")
        try:
            with tempfile.SpooledTemporaryFile(max_size=KEPT_BYTES) as stream:
                self.receive(stream, exchange, fault)
                self.server.wait(fault.delay_seconds)
                self.send(self.answer(stream, exchange, fault), exchange, fault)
        except (HungUp, ConnectionError):
            exchange.is_cut = True
            self.hang_up()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def receive(self, stream: IO[bytes], exchange: Exchange, fault: Fault) -> None:
        """Read the request's body, and record it: whole when it is small, else its size and hash."""
        digest = hashlib.sha256()
        for piece in self.incoming(fault.cut_upload_after):
            if fault.upload_bytes_per_second is not None:
                self.server.wait(len(piece) / fault.upload_bytes_per_second)
            stream.write(piece)
            digest.update(piece)
            exchange.body_bytes += len(piece)
        if exchange.body_bytes <= KEPT_BYTES:
            stream.seek(0)
            exchange.body = stream.read()
        exchange.body_sha256 = digest.hexdigest()
        if fault.cut_upload_after is not None:
            raise HungUp

    def incoming(self, limit: int | None) -> Iterator[bytes]:
        """The pieces of the request's body, and no more than ``limit`` bytes of them."""
        left = limit if limit is not None else float("inf")
        for length in self.chunk_lengths():
            while length and left:
                piece = self.rfile.read(int(min(length, left, PIECE_BYTES)))
                if not piece:
                    raise HungUp
                length -= len(piece)
                left -= len(piece)
                yield piece

    def chunk_lengths(self) -> Iterator[int]:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            yield int(self.headers.get("Content-Length") or 0)
            return
        while length := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            yield length
            self.rfile.readline()
        self.rfile.readline()

    def answer(self, stream: IO[bytes], exchange: Exchange, fault: Fault) -> Response:
        if fault.error is not None:
            return fault.error.response(exchange.path)
        request = Request(self.command, exchange.path, exchange.query, self.headers, stream, exchange.body_sha256)
        try:
            return self.server.handle(request)
        except HubError as error:
            return error.response(exchange.path)
        except Exception:  # noqa: BLE001 - a bug of the server, which fails the test that met it
            self.server.errors.append(traceback.format_exc())
            return HubError(500, "hubserver has a bug: see HubServer.errors").response(exchange.path)

    def send(self, response: Response, exchange: Exchange, fault: Fault) -> None:
        exchange.status = response.status
        if fault.cut_response_after == 0:
            raise HungUp
        headers = {**response.headers, "X-Request-Id": f"Root={uuid.uuid4()}"}
        is_chunked = response.length is None
        headers |= {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": str(response.length)}
        exchange.response_headers = list(headers.items())
        self.send_response(response.status)
        for name, value in headers.items():
            self.send_header(name, value.encode("ascii", "replace").decode())
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in self.outgoing(response, exchange, fault):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def outgoing(self, response: Response, exchange: Exchange, fault: Fault) -> Iterator[bytes]:
        """The pieces of the response's body, at the speed and up to the byte that the fault says."""
        left = fault.cut_response_after
        for piece in response.pieces():
            for part in self.slowly(piece if left is None else piece[:left], fault.bytes_per_second):
                exchange.response_bytes += len(part)
                if len(exchange.response_body) <= KEPT_BYTES:
                    exchange.response_body += part
                yield part
            if left is not None:
                left -= len(piece)
                if left <= 0:
                    raise HungUp

    def slowly(self, piece: bytes, bytes_per_second: float | None) -> Iterator[bytes]:
        if bytes_per_second is None:
            yield piece
            return
        step = max(1, int(bytes_per_second / 20))
        for start in range(0, len(piece), step):
            self.server.wait(len(piece[start : start + step]) / bytes_per_second)
            yield piece[start : start + step]

    def hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Say nothing: `Traffic` keeps the log."""


class Listener(socketserver.ThreadingTCPServer):
    """Accepts connections from `start` to `stop`, after which no thread and no socket of it is left."""

    allow_reuse_address = True
    request_queue_size = 128
    # So that stop() joins the threads of the connections.
    daemon_threads = False

    def __init__(
        self, host: str, port: int, handle: Callable[[Request], Response], faults: Faults, traffic: Traffic
    ) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.host, self.handle, self.faults, self.traffic = host, handle, faults, traffic
        self.errors: list[str] = []
        self.stopping = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, name=f"hubserver-{host}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        # Wakes the thread that accepts.
        socket.create_connection(self.server_address).close()
        self._thread.join()
        for connection in list(self._sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            self.handle_request()

    def wait(self, seconds: float) -> None:
        """Sleep, unless the server stops."""
        if seconds and self.stopping.wait(seconds):
            raise HungUp

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        self._sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self._sockets.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        self.errors.append(traceback.format_exc())
