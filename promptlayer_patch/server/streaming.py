"""Answers that are sent while they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Send

from promptlayer_patch.server.endpoints import Answer, Stream
from promptlayer_patch.server.guarding import ALWAYS

__all__ = ["start_of", "stream"]


def start_of(answer: Answer, headers: Mapping[str, str]) -> dict[str, Any]:
    """The message that begins an answer, with the headers that every answer has."""
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": answer.status or 200, "headers": [*raw, *ALWAYS]}


async def stream(send: Send, receive: Receive, answer: Answer, content: Stream, *, head: bool) -> None:
    """Send the pieces as they come, and stop making them when the client has gone.

    What goes wrong on the way cuts the answer off: the client sees that it has no end.
    """
    gone = asyncio.create_task(_disconnected(receive))
    try:
        await send(start_of(answer, {"content-type": answer.content_type or "", **answer.headers}))
        while not head and not gone.done():
            piece = await _next(content)
            if piece is None:
                break
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if not gone.done():
            await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        await run_in_threadpool(content.pieces.close)


class CutOff(Exception):
    """In place of a fault whose text may quote a prompt: the server logs what ends an answer early."""


async def _next(content: Stream) -> bytes | None:
    try:
        return await run_in_threadpool(next, content.pieces, None)
    except Exception as fault:
        raise CutOff(type(fault).__name__) from None


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
