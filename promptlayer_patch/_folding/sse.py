"""The text/event-stream format: bytes in, events out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["DONE", "Event", "parse_events"]

DONE = "[DONE]"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = (b"\n", b"\r\n", b"\r")
_FEW = 4096
"""Bytes whose lines are found together."""


class Event(NamedTuple):
    """One event that has data."""

    event: str | None
    """Its name, where it has one."""
    data: str
    end: int
    """Offset in the body just after the event."""


def parse_events(body: bytes, position: int = 0) -> Iterator[Event]:
    """Yield the events of `body` that have data, from the one that begins at `position`.

    An event at the very end that lacks its blank line is yielded if its data is whole: JSON, or `[DONE]`.
    """
    if not position and body.startswith(_BYTE_ORDER_MARK):
        position = len(_BYTE_ORDER_MARK)
    name: str | None = None
    data: list[bytes] = []
    for line in _lines(body, position):
        position += len(line)
        if line in _BLANK:
            if data:
                yield Event(name, _text(data), position)
                data = []
            name = None
            continue
        line = line.rstrip(b"\r\n")
        if line.startswith(b"data: "):
            data.append(line[6:])
            continue
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.removeprefix(b" ").decode("utf-8", "replace") or None
    if data and _is_whole(_text(data)):
        yield Event(name, _text(data), position)


def _lines(body: bytes, position: int) -> Iterator[bytes]:
    """Lines with their ends, a few at a time: the reader may go on elsewhere."""
    while position < len(body):
        end = body.rfind(b"\n", position, position + _FEW) + 1 or body.find(b"\n", position + _FEW) + 1
        lines = body[position : end or len(body)]
        position += len(lines)
        yield from lines.splitlines(keepends=True)


def _text(lines: list[bytes]) -> str:
    data = lines[0] if len(lines) == 1 else b"\n".join(lines)
    return data.decode("utf-8", "replace")


def _is_whole(text: str) -> bool:
    if text.startswith(DONE):
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
