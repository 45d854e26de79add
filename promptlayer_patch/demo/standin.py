"""A small OpenAI-compatible server on a loopback port inside this process, for the demo and for tests."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from types import TracebackType
from typing import Any

from promptlayer_patch.demo import chat, completions, media, responses
from promptlayer_patch.demo.replies import ApiError, Binary, Body, Events, Json, Reply

__all__ = ["BUSY_MODEL", "FAULTY_MODEL", "UNKNOWN_MODEL", "StandIn"]

BUSY_MODEL = "gpt-busy-once"
"""Refuses every request once with 429 and answers when the same request comes again."""
FAULTY_MODEL = "gpt-faulty-once"
"""The same with 500."""
UNKNOWN_MODEL = "no-such-model"
"""Gets 404, as does every model whose name does not begin like one of OpenAI's."""

_ROUTES: Mapping[str, Callable[[Body], Reply]] = {
    "/chat/completions": chat.chat_completions,
    "/completions": completions.completions,
    "/responses": responses.responses,
    "/embeddings": media.embeddings,
    "/audio/speech": media.speech,
}
_PREFIX = re.compile(r"^/(?:v1|openai/v1|openai/deployments/(?P<deployment>[^/]+)|openai)(?=/)")
_KNOWN_MODELS = re.compile(r"(?:gpt|chatgpt|text-embedding|tts|davinci|babbage|ft:|o\d)")
_KEPT_REQUESTS = 1000
_RETRY_AFTER_MS = 30
_SOON = {"retry-after-ms": str(_RETRY_AFTER_MS)}
_REFUSALS: Mapping[str, Callable[[], ApiError]] = {
    BUSY_MODEL: lambda: ApiError(
        f"Rate limit reached for {BUSY_MODEL}. Please try again in {_RETRY_AFTER_MS}ms.",
        status=429,
        type="requests",
        code="rate_limit_exceeded",
        headers=_SOON,
    ),
    FAULTY_MODEL: lambda: ApiError(
        "The server had an error while processing your request.",
        status=500,
        type="server_error",
        headers=_SOON,
    ),
}


class StandIn:
    """A server that a real `openai.OpenAI` or `AsyncOpenAI` can talk to.

        with StandIn() as server:
            client = openai.OpenAI(api_key="any", base_url=server.base_url)

    It answers chat completions, completions, responses, embeddings and speech as the support desk of an
    invented company, the same request always in the same way. Every API key is good, a missing one is not.

    `chunk_delay_s` is the pause between two pieces of a streamed answer.
    """

    def __init__(self, *, chunk_delay_s: float = 0.02) -> None:
        self._server = _Server(chunk_delay_s)
        # The poll interval bounds how long `close` waits for the accepting thread.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="openai-stand-in", daemon=True
        )
        self._thread.start()

    @property
    def base_url(self) -> str:
        """What to give to the client as `base_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def requests(self) -> list[tuple[str, bytes]]:
        """Path and body of the requests received, oldest first, at most the last thousand."""
        with self._server.lock:
            return list(self._server.received)

    def close(self) -> None:
        """Stop answering: free the port and drop the open connections."""
        self._server.stop()
        self._thread.join()

    def __enter__(self) -> StandIn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # the default of 5 makes a large `gather` wait for repeated SYNs

    def __init__(self, chunk_delay_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.chunk_delay_s = chunk_delay_s
        self.lock = threading.Lock()
        self.received: deque[tuple[str, bytes]] = deque(maxlen=_KEPT_REQUESTS)
        self.closing = threading.Event()
        self._refused: set[bytes] = set()
        self._serial = count(1)
        self._connections: set[socket.socket] = set()

    def server_bind(self) -> None:
        # HTTPServer's own looks up the host's name, which takes seconds on machines without a resolver.
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self.lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is no news."""

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        # Clients keep connections open; without this their threads would go on answering.
        with self.lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the other side was faster

    def next_request_id(self) -> str:
        return f"req_lantern_{next(self._serial):06d}"

    def refuses(self, body: bytes) -> bool:
        """True for the first, third, ... arrival of the same body."""
        digest = hashlib.sha256(body).digest()
        with self.lock:
            refused_before = digest in self._refused
            self._refused ^= {digest}
        return not refused_before


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "openai-stand-in"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the output belongs to the program around."""

    def do_POST(self) -> None:
        try:
            reply = self._answer()
        except ApiError as error:
            reply = error.reply
        except Exception as error:
            # Answers depend on the request alone, so it is the request that is odd. A 500 would be retried.
            reply = ApiError(f"The request could not be understood: {error!r}").reply
        self._send(reply)

    def do_GET(self) -> None:
        self._send(self._unknown_url().reply)

    def _answer(self) -> Reply:
        raw = self._read_body()
        path = self.path.partition("?")[0]
        with self.server.lock:
            self.server.received.append((path, raw))
        prefix = _PREFIX.match(path)
        route = _ROUTES.get(path[prefix.end() :]) if prefix else None
        if prefix is None or route is None:
            raise self._unknown_url()
        self._check_key()
        body = _parse(raw)
        deployment = prefix["deployment"]
        if deployment:
            return route({**body, "model": body.get("model") or deployment})
        self._check_model(body, raw)
        return route(body)

    def _read_body(self) -> bytes:
        length = self.headers.get("content-length", "")
        if not length.isdigit():
            self.close_connection = True  # where the next request begins cannot be known
            raise ApiError("A request needs a Content-Length.", status=411)
        return self.rfile.read(int(length))

    def _unknown_url(self) -> ApiError:
        return ApiError(f"Invalid URL ({self.command} {self.path})", status=404)

    def _check_key(self) -> None:
        if not (self.headers.get("authorization") or self.headers.get("api-key")):
            raise ApiError("No API key was sent.", status=401, code="invalid_api_key")

    def _check_model(self, body: Body, raw: bytes) -> None:
        model = body.get("model")
        if not model or not isinstance(model, str):
            raise ApiError("you must provide a model parameter")
        if not _KNOWN_MODELS.match(model):
            message = f"The model `{model}` does not exist or you do not have access to it."
            raise ApiError(message, status=404, code="model_not_found")
        refusal = _REFUSALS.get(model)
        if refusal is not None and self.server.refuses(raw):
            raise refusal()

    def _send(self, reply: Reply) -> None:
        try:
            match reply:
                case Json():
                    self._send_json(reply)
                case Events():
                    self._send_events(reply)
                case Binary():
                    self._send_binary(reply)
        except OSError:
            self.close_connection = True  # the client left

    def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("x-request-id", self.server.next_request_id())
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_json(self, reply: Json) -> None:
        content = json.dumps(reply.body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(content)), **reply.headers}
        self._start(reply.status, headers)
        self.wfile.write(content)

    def _send_events(self, reply: Events) -> None:
        self._start(200, {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"})
        for event in reply.events:
            name = f"event: {event['type']}\n" if reply.named else ""
            self._chunk(f"{name}data: {json.dumps(event)}\n\n".encode())
            if self.server.closing.wait(self.server.chunk_delay_s):
                self.close_connection = True
                return
        if not reply.named:
            self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _send_binary(self, reply: Binary) -> None:
        self._start(200, {"content-type": reply.content_type, "transfer-encoding": "chunked"})
        for piece in reply.pieces:
            self._chunk(piece)
            if self.server.closing.wait(self.server.chunk_delay_s):
                self.close_connection = True
                return
        self._chunk(b"")

    def _chunk(self, content: bytes) -> None:
        """One piece of a chunked body; the empty one ends it."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError("The body of the request is not a JSON object.", code="invalid_json")
    return body
