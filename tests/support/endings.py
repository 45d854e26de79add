"""A provider that sends a stream piece by piece, when the test says so, and ends it as the test wants."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import openai._base_client as base_client

from tests.support.endings_kinds import PIECES, Kind, error_event

http: Any = getattr(base_client, "httpx2", None) or getattr(base_client, "httpx")  # noqa: B009
"""The HTTP library that the installed openai speaks."""


_PATIENCE_S = 30.0
"""After that a test fails that would otherwise wait for ever."""


@dataclass
class Script:
    """What the provider answers to one request."""

    kind: Kind
    chunks: list[bytes]
    """As they go over the wire."""
    visible: int
    """How many chunks the consumer gets to see; the others only end the stream."""
    then: str = "end"
    """What follows the chunks: the `end` of the body, a `break` of the connection, `hang`ing, or the
    `interrupt` of a Ctrl-C. With `silence` not even the headers come."""
    status: int = 200
    """0 for a line that is dead from the start."""
    headers: dict[str, str] = field(default_factory=dict)
    asked: threading.Event = field(default_factory=threading.Event)
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    over: threading.Event = field(default_factory=threading.Event)

    def allow(self, chunks: int = 1) -> None:
        """Let so many more chunks go out."""
        for _ in range(chunks):
            self.gate.release()

    def go(self) -> None:
        """Let everything go out, what follows the last chunk included."""
        self.allow(len(self.chunks) + 1)

    def compress(self) -> None:
        """Have every chunk compressed so that it can be decompressed when it arrives."""
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        flushed = [packer.compress(chunk) + packer.flush(zlib.Z_SYNC_FLUSH) for chunk in self.chunks]
        self.chunks = [*flushed, packer.flush()]
        self.headers = {"content-encoding": "gzip"}

    def finish(self) -> None:
        self.over.set()
        self.go()


def script(
    kind: Kind, then: str = "end", *, pieces: Sequence[str] = PIECES, one_chunk: bool = False
) -> Script:
    """A whole answer, or half of one and then something worse; `then` may also be an `error` event."""
    events = kind.events(pieces)
    visible = len(events) - (b"[DONE]" in events[-1])
    if then != "end":
        visible = next(at for at, event in enumerate(events) if pieces[1].encode() in event) + 1
        events = events[:visible]
    if then == "error":
        events.append(error_event(kind))
        then = "end"
    if one_chunk:
        events = [b"".join(events)]
    return Script(kind, events, visible, then)


class Talk:
    """One call of a consumer: opens the stream, looks at the chunks, and lets the next one be sent."""

    def __init__(self, client: Any, script: Script) -> None:
        self._client = client
        self._script = script
        self._chunks = 0
        self.kind = script.kind
        self.seen = ""

    def open(self) -> Any:
        """What the method returns, for use in a `with` block; for async clients something to await."""
        self._script.allow()
        return self.kind.open(self._client)

    async def aopen(self) -> Any:
        made = self.open()
        return await made if inspect.isawaitable(made) else made

    def chunks(self, handle: Any) -> Any:
        """What to loop over, of what the `with` block gave."""
        return handle.iter_bytes() if self.kind.raw else handle

    def saw(self, chunk: Any) -> bool:
        """Take notice of a chunk; true when it was one with text, at which a consumer may stop."""
        self._chunks += 1
        text = self.kind.seen(chunk)
        self.seen += text
        return bool(text)

    def more(self) -> None:
        """Have the next chunk sent, or all that is left when it is nothing to see."""
        if self._chunks >= self._script.visible:
            self._script.go()
        else:
            self._script.allow()


class Loopback:
    """A provider on a loopback port that plays one `Script` after the other, chunk by chunk."""

    one_chunk = False

    def __init__(self) -> None:
        self._coming: list[Script] = []
        self._played: list[Script] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._coming))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))
        self._thread.start()

    def play(self, kind: Kind, then: str = "end") -> Script:
        """Answer the next request with this."""
        made = script(kind, then)
        self._coming.append(made)
        self._played.append(made)
        return made

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def client(self) -> Any:
        http_client = http.Client(trust_env=False, timeout=_PATIENCE_S)
        return openai.OpenAI(
            api_key="sk-test", base_url=self.base_url, max_retries=0, http_client=http_client
        )

    def async_client(self) -> Any:
        http_client = http.AsyncClient(trust_env=False, timeout=_PATIENCE_S)
        return openai.AsyncOpenAI(
            api_key="sk-test", base_url=self.base_url, max_retries=0, http_client=http_client
        )

    def close(self) -> None:
        for made in self._played:
            made.finish()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(scripts: list[Script]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            script = scripts.pop(0)
            self.close_connection = script.then != "end"
            try:
                self._play(script)
            except OSError:
                self.close_connection = True  # the client has left

        def _play(self, script: Script) -> None:
            script.asked.set()
            if script.then == "silence":
                script.over.wait()
                return
            self.send_response(200)
            self.send_header("content-type", script.kind.content_type)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for chunk in script.chunks:
                script.gate.acquire()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            script.gate.acquire()
            if script.then == "end":
                self.wfile.write(b"0\r\n\r\n")
            elif script.then == "interrupt":
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            if script.then in ("hang", "interrupt"):
                script.over.wait()

    return Handler


class Mock:
    """The same without a network: a transport that hands over each body in one chunk, all at once."""

    one_chunk = True

    def __init__(self) -> None:
        self._coming: list[Script] = []

    def play(self, kind: Kind, then: str = "end") -> Script:
        return self.put(script(kind, then, one_chunk=True))

    def put(self, made: Script) -> Script:
        """Answer the next request with this, in the chunks it has."""
        self._coming.append(made)
        return made

    def client(self) -> Any:
        transport = http.MockTransport(lambda _: _response(self._coming.pop(0)))
        return openai.OpenAI(
            api_key="sk-test",
            base_url="http://provider/v1",
            max_retries=0,
            http_client=http.Client(transport=transport),
        )

    def async_client(self) -> Any:
        async def answer(_: Any) -> Any:
            return _response(self._coming.pop(0))

        return openai.AsyncOpenAI(
            api_key="sk-test",
            base_url="http://provider/v1",
            max_retries=0,
            http_client=http.AsyncClient(transport=http.MockTransport(answer)),
        )

    def close(self) -> None:
        """Nothing to release."""


def _response(script: Script) -> Any:
    if not script.status:
        raise http.ConnectError("nobody there")
    headers = {"content-type": script.kind.content_type, **script.headers}
    return http.Response(script.status, headers=headers, stream=_Body(script))


class _Body(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc]
    def __init__(self, script: Script) -> None:
        self._script = script

    def __iter__(self) -> Iterator[bytes]:
        yield from self._script.chunks
        if self._script.then == "break":
            raise http.ReadError("the line is dead")
        if self._script.then == "interrupt":
            raise KeyboardInterrupt

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._script.chunks:
            await asyncio.sleep(0)
            yield chunk
        if self._script.then == "break":
            raise http.ReadError("the line is dead")
        if self._script.then == "hang":
            await asyncio.Event().wait()
