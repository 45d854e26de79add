"""The network's stand-in: answers each request of a call with the next recorded exchange.

It works with httpx and with httpx2, whichever the installed openai speaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import openai._base_client as base_client

from .cases import Exchange
from .multipart import normalised

http: Any = getattr(base_client, "httpx2", None) or getattr(base_client, "httpx")  # noqa: B009

# Odd and small, so that nearly every event is torn over two network chunks, often inside a character.
STREAM_CHUNK = 97
PLAIN_CHUNK = 3001

# The recordings hold decoded bodies of full length.
_UNTRUE_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})


@dataclass(frozen=True)
class Sent:
    """One request as it left the client, a form's random boundary replaced by a constant one."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def content_type(self) -> str:
        return dict(self.headers).get("content-type", "")


class Wire:
    """Both ends of the line: what the next requests are answered with, and what was sent."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.delivered = 0
        """Network chunks handed to the client since the call began."""
        self.closed = 0
        """Response bodies the client has closed since the call began."""
        self.reads_requests = False
        self._answers: list[Exchange] = []

    def expect(self, exchanges: Sequence[Exchange], *, reads_requests: bool = False) -> None:
        """Answer the next requests with `exchanges`.

        `reads_requests` tells how the body is taken: piece by piece, as a socket does, or by having the
        request read it into its memory, as mock transports and recorders do. A form is in the memory of the
        request only then.
        """
        self._answers = list(exchanges)
        self.reads_requests = reads_requests
        self.sent = []
        self.delivered = self.closed = 0

    @property
    def unasked(self) -> int:
        """Answers nobody asked for yet."""
        return len(self._answers)

    def answer(self, request: Any, body: bytes) -> Any:
        self.sent.append(_sent(request, body))
        assert self._answers, f"one request too many: {request.method} {request.url}"
        exchange = self._answers.pop(0)
        return http.Response(
            exchange.status,
            headers=_headers(exchange, retried=bool(self._answers)),
            stream=_Body(self, exchange),
            extensions={"reason_phrase": exchange.reason.encode()},
            request=request,
        )


class Transport(http.BaseTransport):  # type: ignore[misc]
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def handle_request(self, request: Any) -> Any:
        body = request.read() if self._wire.reads_requests else b"".join(request.stream)
        return self._wire.answer(request, body)


class AsyncTransport(http.AsyncBaseTransport):  # type: ignore[misc]
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def handle_async_request(self, request: Any) -> Any:
        if self._wire.reads_requests:
            body = await request.aread()
        else:
            body = b"".join([piece async for piece in request.stream])
        return self._wire.answer(request, body)


class _Body(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc]
    def __init__(self, wire: Wire, exchange: Exchange) -> None:
        self._wire = wire
        self._content = exchange.body
        streamed = exchange.body.startswith((b"data:", b"event:"))
        self._size = STREAM_CHUNK if streamed else PLAIN_CHUNK

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), self._size):
            self._wire.delivered += 1
            yield self._content[start : start + self._size]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            await asyncio.sleep(0)
            yield chunk

    def close(self) -> None:
        self._wire.closed += 1

    async def aclose(self) -> None:
        self._wire.closed += 1


def _headers(exchange: Exchange, *, retried: bool) -> list[tuple[str, str]]:
    headers = [pair for pair in exchange.headers if pair[0].lower() not in _UNTRUE_HEADERS]
    if retried:
        # The client prefers this header to the recorded Retry-After of 44 s, and to its own half second.
        headers.append(("retry-after-ms", "1"))
    return headers


def _sent(request: Any, body: bytes) -> Sent:
    content_type, body = normalised(request.headers.get("content-type", ""), body)
    pairs = ((name.lower(), value) for name, value in request.headers.multi_items())
    headers = [(name, content_type if name == "content-type" else value) for name, value in pairs]
    return Sent(request.method, str(request.url), tuple(headers), body)
