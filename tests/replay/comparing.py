"""Where two accounts of the same call differ, said in one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .cases import Call, Exchange
from .multipart import parts_of
from .transport import Sent

_LONGEST = 300


def first_difference(left: Any, right: Any, at: str = "") -> str | None:
    """Path of the first difference and both sides of it; `None` when the two are equal, in type as well."""
    if left is right or (type(left) is type(right) and left == right):
        return None
    for step, one, other in _inside(left, right):
        deeper = first_difference(one, other, f"{at}.{step}")
        if deeper is not None:
            return deeper
    return f"{at or 'value'}: {_short(left)} != {_short(right)}"


def differs_from_recording(call: Call, sent: list[Sent]) -> str | None:
    """Whether the client sent what had been recorded; else the replay would prove nothing."""
    if len(sent) != len(call.exchanges):
        return f"{len(sent)} requests for {len(call.exchanges)} recorded"
    for request, exchange in zip(sent, call.exchanges, strict=True):
        recorded = (exchange.method, _plain_url(exchange), _content(exchange, call.ignore_body_keys))
        replayed = (request.method, _plain_url(request), _content(request, call.ignore_body_keys))
        difference = first_difference(recorded, replayed)
        if difference is not None:
            return difference
    return None


def _plain_url(message: Exchange | Sent) -> tuple[str, list[str]]:
    """The URL without what never mattered: the host's case and the order of the query."""
    address, _, query = message.url.partition("?")
    return address.lower(), sorted(query.split("&"))


def _content(message: Exchange | Sent, ignored: Iterable[str]) -> Any:
    """A request's body without the client's choices of layout."""
    if isinstance(message, Sent):
        content_type, body = message.content_type, message.body
    else:
        content_type, body = message.request_headers.get("content-type", ""), message.request_body
    if content_type.startswith("multipart/"):
        return sorted(parts_of(content_type, body), key=lambda part: (part.name, part.content))
    if not body:
        return None
    return {name: value for name, value in json.loads(body).items() if name not in ignored}


def _inside(left: Any, right: Any) -> Iterator[tuple[object, Any, Any]]:
    if isinstance(left, Sent) and isinstance(right, Sent):
        left, right = vars(left), vars(right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in [*left, *(key for key in right if key not in left)]:
            yield key, left.get(key, "(absent)"), right.get(key, "(absent)")
    elif isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        for number in range(max(len(left), len(right))):
            pair = [side[number] if number < len(side) else "(absent)" for side in (left, right)]
            yield number, pair[0], pair[1]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
