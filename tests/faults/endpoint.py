"""A PromptLayer on a loopback port that misbehaves as it is told, and keeps what it has stored."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from types import TracebackType
from typing import Any

from tests.faults.behaviours import Behaviour, encoded, ok

PATIENCE_S = 60.0
"""How long is waited for what must come."""
RECORD_ID = "promptlayer_patch.record_id"
_RST = struct.pack("ii", 1, 0)
"""SO_LINGER for a close that does not say goodbye."""


@dataclass(frozen=True)
class Arrival:
    """A request whose headers have come in."""

    at: float
    """By the monotonic clock."""
    path: str


@dataclass(frozen=True)
class Stored:
    record_id: str
    text: str
    body: Mapping[str, Any]


class Endpoint:
    """Follows the behaviours of `script`, one for each request, and then one for all, until told otherwise.

    With `dedupe` a record it knows is answered with the id it has, and not stored again.
    """

    def __init__(self, behaviour: Behaviour = ok, *, dedupe: bool = False) -> None:
        self.dedupe = dedupe
        self.arrivals: list[Arrival] = []
        self.stored: list[Stored] = []
        """In the order of arrival."""
        self.resends = 0
        """How often a record came that was stored already."""
        self.waiting = 0
        """How many requests hang."""
        self.active = 0
        """How many requests are being answered, those that hang included."""
        self._changed = threading.Condition()
        self._ids: dict[str, int] = {}
        self._next_id = count(501)
        self._behaviour = behaviour
        self._script: deque[Behaviour] = deque()
        self._gate = threading.Event()
        self._held = _bound(0)
        self.port: int = self._held.getsockname()[1]
        self._server: _Server | None = None
        self._open()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def texts(self) -> list[str]:
        return [stored.text for stored in list(self.stored)]

    @property
    def duplicated(self) -> int:
        """How many records are stored more than once."""
        times = Counter(stored.record_id for stored in list(self.stored))
        return sum(1 for found in times.values() if found > 1)

    def behave(self, behaviour: Behaviour) -> None:
        """Do this from now on, on an open port."""
        with self._changed:
            self._behaviour = behaviour
        if self._server is None:
            self._open()

    def script(self, *behaviours: Behaviour) -> None:
        """Treat the next requests so, one after the other."""
        with self._changed:
            self._script.extend(behaviours)

    def refuse(self) -> None:
        """Close the port and every connection; `behave` opens it again."""
        if self._server is not None:
            self._server.stop()
            self._server = None
            self._held = _bound(self.port)

    def let_go(self) -> None:
        """Go on with the requests that hang."""
        with self._changed:
            gate, self._gate = self._gate, threading.Event()
        gate.set()

    def wait_until(self, true: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
        """Wait until something is true of what came in; whether it became so."""
        with self._changed:
            return self._changed.wait_for(true, timeout_s)

    def wait_until_quiet(self) -> None:
        assert self.wait_until(lambda: self.active == 0), f"{self.active} requests are still being answered"

    def wait_for_stored(self, records: int) -> None:
        assert self.wait_until(lambda: len(self.stored) >= records), (
            f"{len(self.stored)} records instead of {records}"
        )

    def wait_for_arrivals(self, requests: int) -> None:
        assert self.wait_until(lambda: len(self.arrivals) >= requests), (
            f"{len(self.arrivals)} requests instead of {requests}"
        )

    def arrive(self, path: str) -> Behaviour:
        with self._changed:
            self.arrivals.append(Arrival(time.monotonic(), path))
            self.active += 1
            self._changed.notify_all()
            return self._script.popleft() if self._script else self._behaviour

    def leave(self) -> None:
        with self._changed:
            self.active -= 1
            self._changed.notify_all()

    def store(self, body: Mapping[str, Any]) -> int:
        """Keep the record; the id it is known by."""
        record_id, text = body["metadata"][RECORD_ID], _text(body)
        with self._changed:
            known = self._ids.get(record_id)
            self.resends += known is not None
            if known is not None and self.dedupe:
                return known
            self._ids[record_id] = given = next(self._next_id)
            self.stored.append(Stored(record_id, text, body))
            self._changed.notify_all()
            return given

    def hold(self) -> None:
        """Wait to be let go."""
        with self._changed:
            gate = self._gate
            self.waiting += 1
            self._changed.notify_all()
        gate.wait()
        with self._changed:
            self.waiting -= 1

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._held.close()
        self.let_go()

    def _open(self) -> None:
        self._server = _Server(self, self._held)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
    def text(self) -> str:
        return _text(self.body)

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
        """Store the record; PromptLayer's answer to that."""
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


class _Server(ThreadingHTTPServer):
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
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """The output belongs to the tests."""

    def do_POST(self) -> None:
        endpoint = self.server.endpoint
        behave = endpoint.arrive(self.path)
        exchange = Exchange(endpoint, self)
        try:
            if self.path == "/track-request":
                behave(exchange)
            else:
                exchange.answer(404, {"success": False, "message": "no such path"})
        except OSError:
            self.close_connection = True  # the client has left
        finally:
            endpoint.leave()

    do_GET = do_POST  # what follows a redirect shows as an arrival


def _bound(port: int) -> socket.socket:
    """A socket that keeps the port for us, and refuses connections for as long as it does not listen."""
    until = time.monotonic() + PATIENCE_S
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


def _text(body: Mapping[str, Any]) -> str:
    text: str = body["kwargs"]["messages"][0]["content"]
    return text
