"""Counting what is in a body before it is parsed.

An empty span has two bytes in protobuf, and takes two hundred once it is parsed: a body of ordinary length
could take all memory. Counting what a body holds takes nearly none, and ends as soon as it is too much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promptlayer_patch._spans.model import BadExport

__all__ = ["weigh_json", "weigh_protobuf"]

_LIGHT_BYTES = 256 * 1024
"""Shorter bodies are not counted: whatever is in them takes less than 50 MB."""
_MOST_MESSAGES = 300_000
"""Spans, attributes, values: an attribute is two of them."""
_MOST_FIELDS = 1_000_000
"""What is none of these takes no memory, but time."""
_MOST_OBJECTS = 300_000
_MOST_VALUES = 1_500_000

_MESSAGES: Mapping[str, Mapping[int, str]] = {
    "request": {1: "resource_spans"},
    "resource_spans": {1: "resource", 2: "scope_spans"},
    "resource": {1: "pair"},
    "scope_spans": {1: "scope", 2: "span"},
    "scope": {3: "pair"},
    "span": {9: "pair", 11: "event", 13: "link", 15: "status"},
    "event": {3: "pair"},
    "link": {4: "pair"},
    "pair": {2: "value"},
    "value": {5: "array", 6: "map"},
    "array": {1: "value"},
    "map": {1: "pair"},
    "status": {},
}
"""Of each kind of message the fields that are messages, by number. Those of other kinds hold no others."""
_NO_EXPORT = "the body is no ExportTraceServiceRequest in protobuf"
_FIXED = {1: 8, 5: 4}
_TEXT, _NUMBER = 2, 0


def weigh_json(body: bytes) -> None:
    """Raises `BadExport` for a body that holds more than exporters send at once."""
    if len(body) > _LIGHT_BYTES and (
        body.count(b"{") + body.count(b"[") > _MOST_OBJECTS or body.count(b",") > _MOST_VALUES
    ):
        raise BadExport("there are too many values in the body")


def weigh_protobuf(body: bytes) -> None:
    """Raises `BadExport` for a body that holds more than exporters send at once, or that is cut off."""
    if len(body) <= _LIGHT_BYTES:
        return
    fields = messages = 0
    waiting = [("request", 0, len(body))]
    while waiting:
        kind, at, end = waiting.pop()
        inner = _MESSAGES[kind]
        for number, begin, after in _fields(body, at, end):
            fields += 1
            if number in inner:
                messages += 1
                waiting.append((inner[number], begin, after))
            if fields > _MOST_FIELDS or messages > _MOST_MESSAGES:
                raise BadExport("there are too many values in the body")


def _fields(body: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of one message: number, and where the content begins and ends."""
    while at < end:
        tag, at = _varint(body, at)
        wire_type, length = tag & 7, 0
        if wire_type == _TEXT:
            length, at = _varint(body, at)
        elif wire_type == _NUMBER:
            _, at = _varint(body, at)
        elif wire_type in _FIXED:
            length = _FIXED[wire_type]
        else:
            raise BadExport(_NO_EXPORT)
        if at + length > end:
            raise BadExport(_NO_EXPORT)
        yield tag >> 3, at, at + length
        at += length


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = body[at] if at < len(body) else 128
    if value < 128:  # nearly all of them
        return value, at + 1
    value = 0
    for place, byte in enumerate(body[at : at + 10]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise BadExport(_NO_EXPORT)
