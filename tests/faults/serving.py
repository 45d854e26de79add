"""An endpoint's server on a loopback port, and a request there with the means to treat it badly."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.faults.behaviours import encoded

if TYPE_CHECKING:
    from tests.faults.endpoint import Endpoint

_RST = struct.pack("ii", 1, 0)
"""SO_LINGER for a close that does not say goodbye."""
_PATIENCE_S = 60.0


class Exchange:
    """One request, and the means to treat it well or badly."""

    def __init__(self, endpoint: Endpoint, handler: _Handler) -> None:
        self._endpoint = endpoint
        self._handler = handler
        self._left = int(handler.headers.get("content-length", 0))
        self._raw = b""

    @property
    def body(self) -> Mapping[str, Any]:
        self.read()
        data: Mapping[str, Any] = json.loads(self._raw)
        return data

    @property
    def is_batch(self) -> bool:
        return self._handler.path == "/spans-bulk"

    @property
    def text(self) -> str:
        return " ".join(map(text_of, self._requests))

    @property
    def _requests(self) -> list[Mapping[str, Any]]:
        return [span["log_request"] for span in self.body["spans"]] if self.is_batch else [self.body]

    @property
    def keys(self) -> tuple[str | None, ...]:
        """The API key, wherever one may be sent."""
        return self.body.get("api_key"), self._handler.headers.get("x-api-key")

    def read(self, limit: int | None = None) -> None:
        """The body, or its next bytes."""
        size = self._left if limit is None else min(limit, self._left)
        self._raw += self._handler.rfile.read(size)
        self._left -= size

    def store(self) -> dict[str, Any]:
        """Store what came; PromptLayer's answer to that."""
        if self.is_batch:
            ids = [self._endpoint.store(request) for request in self._requests]
            spans = [span["context"]["span_id"] for span in self.body["spans"]]
            logs = [{"id": given, "span_id": span} for given, span in zip(ids, spans, strict=True)]
            return {"success": True, "spans": [], "request_logs": logs}
        given = self._endpoint.store(self.body)
        message = "Request tracked successfully"
        return {"success": True, "request_id": given, "prompt_blueprint": None, "message": message}

    def answer(
        self,
        status: int,
        body: Any,
        headers: Mapping[str, str] | None = None,
        *,
        send: int | None = None,
        announce_more: int = 0,
        pause_s: float = 0.0,
    ) -> None:
        """Send an answer, or only `send` bytes of its body, or each byte after a pause."""
        self.read()
        status = 201 if status == 200 and self.is_batch else status
        content = encoded(body)
        fields = {"Content-Type": "application/json", "Content-Length": len(content) + announce_more}
        self._handler.send_response(status)
        for name, value in {**fields, **(headers or {})}.items():
            self._handler.send_header(name, str(value))
        self._handler.end_headers()
        if not pause_s:
            self._handler.wfile.write(content[:send])
            return
        for byte in content:
            self._handler.server.closing.wait(pause_s)
            self._handler.wfile.write(bytes([byte]))

    def drop(self) -> None:
        self._handler.close_connection = True

    def reset(self) -> None:
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self._handler.server.abrupt.add(self._handler.connection)
        self.drop()

    def wait(self) -> None:
        self.read()
        self._endpoint.hold()

    def client_left(self) -> bool:
        try:
            readable = select.select([self._handler.connection], [], [], 0)[0]
            return bool(readable) and not self._handler.connection.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, endpoint: Endpoint, bound: socket.socket) -> None:
        super().__init__(bound.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound
        self.endpoint = endpoint
        self.closing = threading.Event()
        self.abrupt: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self.server_activate()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        if request in self.abrupt:
            self.abrupt.discard(request)
            self.close_request(request)  # a shutdown before it would say goodbye
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is killed is what many tests want."""

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the client was faster


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """The output belongs to the tests."""

    def do_POST(self) -> None:
        endpoint = self.server.endpoint
        behave = endpoint.arrive(self.path)
        exchange = Exchange(endpoint, self)
        try:
            if self.path in ("/track-request", "/spans-bulk"):
                behave(exchange)
            else:
                exchange.answer(404, {"success": False, "message": "no such path"})
        except OSError:
            self.close_connection = True  # the client has left
        finally:
            endpoint.leave()

    do_GET = do_POST  # what follows a redirect shows as an arrival


def bound(port: int) -> socket.socket:
    """A socket that keeps the port for us, and refuses connections for as long as it does not listen."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(("127.0.0.1", port))
        except OSError:  # a connection of somebody's may have it for a moment
            bound.close()
            if time.monotonic() > until:
                raise
            threading.Event().wait(0.01)
        else:
            return bound


def text_of(body: Mapping[str, Any]) -> str:
    """The prompt of a request, as it was sent alone or in a batch."""
    if "kwargs" in body:
        text: str = body["kwargs"]["messages"][0]["content"]
    else:
        text = body["input"]["messages"][0]["content"][0]["text"]
    return text
