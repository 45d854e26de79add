"""Destinations under the test's control: a PromptLayer on a real loopback port, and exporters in memory."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from types import TracebackType
from typing import Any

from promptlayer_patch.records import Delivered, Delivery, Record

PATIENCE_S = 20.0
"""How long a test waits for what must come; only a failing test ever waits that long."""
FIRST_ID = 501


@dataclass(frozen=True)
class Post:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    method: str = "POST"


@dataclass(frozen=True)
class Answer:
    """What a request is answered with; as it stands, the way PromptLayer answers a request it has stored."""

    status: int = 200
    body: bytes | Mapping[str, Any] | None = None
    """`None` stands for a success with the next request id."""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Hang up after this many bytes of the body, whose full length was announced."""
    silent: bool = False
    """Take the request and say nothing."""
    dropped: bool = False
    """Take the request and hang up."""


ACCEPTED = Answer()
SILENCE = Answer(silent=True)
SAID = Answer(body={"success": True})
"""How PromptLayer answers a score and the like."""
ANNOTATING = (
    "/library-track-score",
    "/library-track-metadata",
    "/library-track-prompt",
    "/track-group",
)


def without_key(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "api_key"}


def refused(status: int, message: str = "no", **headers: str) -> Answer:
    """An error in PromptLayer's form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"success": False, "message": message}, named)


class FakePromptLayer:
    """Stores what is posted to `/track-request`, as `posts`, and numbers it from 501.

    `next_answers` are given first, one for each request; then every request gets `answer`. What is said about
    requests later is in `annotations`; the first answers to it are `next_to_annotations`.
    """

    methods = ("POST",)

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.annotations: list[Post] = []
        self.next_to_annotations: deque[Answer] = deque()
        self.numbered: dict[str, int] = {}
        """Which id each record was given."""
        self.answer = ACCEPTED
        self.down = False
        """Whether everything is answered with 503, and forgotten."""
        self.next_answers: deque[Answer] = deque()
        self.ids = count(FIRST_ID)
        self.changed = threading.Condition()
        self.over = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [post.body for post in self.posts]

    def wait_for(self, posts: int) -> None:
        """Wait until so many requests have come in."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.posts) >= posts, PATIENCE_S), (
                f"{len(self.posts)} posts instead of {posts}"
            )

    def wait_for_annotations(self, many: int) -> list[tuple[str, dict[str, Any]]]:
        """Wait until so many have come in; their paths and bodies, without the key."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.annotations) >= many, PATIENCE_S), (
                f"{len(self.annotations)} annotations instead of {many}"
            )
            return [(post.path, without_key(post.body)) for post in self.annotations]

    def take(self, post: Post) -> Answer:
        with self.changed:
            self.changed.notify_all()
            if self.down:
                return refused(503, "not now")
            if post.path in ANNOTATING:
                self.annotations.append(post)
                return self.next_to_annotations.popleft() if self.next_to_annotations else SAID
            self.posts.append(post)
            if post.path != "/track-request":
                return refused(404, "no such path")
            return self.next_answers.popleft() if self.next_answers else self.answer

    def close(self) -> None:
        self.over.set()
        self._server.stop()
        self._thread.join()

    def __enter__(self) -> FakePromptLayer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, fake: FakePromptLayer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fake = fake
        self._open: set[socket.socket] = set()

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks a resolver for the host's name

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests want."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was faster


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """The output belongs to the tests."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"] or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        post = Post(self.path, headers, json.loads(raw or b"{}"), self.command)
        answer = self.server.fake.take(post)
        if answer.silent:
            self.server.fake.over.wait()
            self.close_connection = True
            return
        if answer.dropped:
            self.close_connection = True
            return
        self._send(answer, post)

    def do_GET(self) -> None:
        if self.command in self.server.fake.methods:
            self.do_POST()
        else:
            self.send_error(501)

    do_PATCH = do_DELETE = do_GET

    def _send(self, answer: Answer, post: Post) -> None:
        body = (
            answer.body if isinstance(answer.body, bytes) else json.dumps(self._data(answer, post)).encode()
        )
        self.send_response(answer.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: answer.cut])
        self.close_connection = self.close_connection or answer.cut is not None

    def _data(self, answer: Answer, post: Post) -> Any:
        if answer.body is not None:
            return answer.body
        request_id = next(self.server.fake.ids)
        record_id = (post.body.get("metadata") or {}).get("promptlayer_patch.record_id", "")
        self.server.fake.numbered[record_id] = request_id
        message = "Request tracked successfully"
        return {
            "success": True,
            "request_id": request_id,
            "prompt_blueprint": None,
            "message": message,
        }


@contextmanager
def nobody_listening() -> Iterator[str]:
    """The URL of a port that refuses connections for as long as the block lasts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


class Numbering:
    """An exporter that keeps the batches and answers with `answer(batch)`: by default ids from 1."""

    def __init__(self, answer: Callable[[Sequence[Record]], Any] | None = None) -> None:
        self.batches: list[list[Record]] = []
        self.threads: list[threading.Thread] = []
        self.closed = threading.Event()
        self._ids = count(1)
        self._answer = answer or self.number

    @property
    def records(self) -> list[Record]:
        return [record for batch in self.batches for record in batch]

    def export(self, batch: Sequence[Record]) -> list[Delivery]:
        self.batches.append(list(batch))
        self.threads.append(threading.current_thread())
        deliveries: list[Delivery] = self._answer(batch)
        return deliveries

    def number(self, batch: Sequence[Record]) -> list[Delivery]:
        return [Delivered(next(self._ids)) for _ in batch]

    def close(self) -> None:
        self.closed.set()


class Held(Numbering):
    """An exporter that is stuck in `export` until `let_go` is set; `reached` says that it is."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def _wait(self, batch: Sequence[Record]) -> list[Delivery]:
        self.reached.set()
        assert self.let_go.wait(PATIENCE_S), "the test forgot to let the exporter go"
        return self.number(batch)
