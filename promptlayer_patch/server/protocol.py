"""HTTP as uvicorn speaks it, with an end to patience: for heads that are too long, or take too long."""

from __future__ import annotations

import asyncio
import json

from starlette.types import Receive, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from promptlayer_patch.server.guarding import ALWAYS

__all__ = ["PatientProtocol", "answered_at_once", "arrived"]

HEAD_MAX_BYTES = 64 * 1024
HEAD_TIMEOUT_S = 10.0


def arrived(receive: Receive) -> bytes | None:
    """The body of a request that is here whole, as nearly always, so that nobody has to wait; else `None`.

    What is given is taken: to receive it once more gives an empty one.
    """
    cycle = getattr(receive, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or cycle.more_body or cycle.disconnected:
        return None
    body = bytes(cycle.body)
    cycle.body = bytearray()
    cycle.flow.resume_reading()
    return body


def answered_at_once(send: Send, status: int, head: bytes, content: bytes) -> bool:
    """Send a whole answer in one write, if that can be done without waiting; false if nothing was sent.

    `head` are the lines of its headers, the length of `content` among them. As two messages it would be two
    packets, for which the client wakes twice, and every header would be looked through for what none has.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or cycle.response_started:
        return False
    if cycle.disconnected or cycle.flow.write_paused or not cycle.keep_alive:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    own = b"".join([b"%b: %b\r\n" % header for header in cycle.default_headers])
    cycle.transport.write(b"".join((STATUS_LINE[status], own, head, b"\r\n", content)))
    cycle.message_event.set()
    cycle.on_response()
    return True


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers do not arrive whole, soon and of ordinary length."""

    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_head()
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        waiting = self._timer is not None
        super().data_received(data)
        if not self._in_head:
            return
        if not waiting:  # nearly all heads arrive whole, and need no clock
            self._wait_for_head()
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_MAX_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._in_head:
            self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        if not self.url.startswith(b"/"):
            # A whole URL is for proxies. It names a host beside that of the header: which one counts?
            raise ValueError("the request line has no path")
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """As every other refusal is: an object, with the headers that all answers have."""
        content = json.dumps({"success": False, "message": msg}).encode()
        head = [
            b"HTTP/1.1 400 Bad Request",
            b"content-type: application/json; charset=utf-8",
            b"content-length: %d" % len(content),
            b"connection: close",
            *(b": ".join(pair) for pair in ALWAYS),
        ]
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + content)
        self.transport.close()

    def _begin_head(self) -> None:
        self._in_head, self._head_bytes = True, 0

    def _wait_for_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _end_head(self) -> None:
        self._in_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
