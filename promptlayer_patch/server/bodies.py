"""Reading what a client sends: in size, inflated, and as JSON of ordinary form."""

from __future__ import annotations

import asyncio
import re
import sys
import zlib
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from promptlayer_patch.server.protocol import arrived
from promptlayer_patch.server.refusals import BadRequest, Invalid, Refusal, TooLarge

__all__ = ["LARGE_BYTES", "Bodies", "Place", "UnsupportedMediaType", "checked", "json_in"]

MAX_BYTES = 10 * 1024 * 1024
MAX_INFLATED_BYTES = 50 * 1024 * 1024
"""Of what is not JSON."""
MAX_DEPTH = 64
MAX_KEYS = 10_000
"""Of one object."""
READ_TIMEOUT_S = 30.0

LARGE_BYTES = 256 * 1024
"""From here on a body is looked at on a thread of its own, and few at a time."""
_LARGE_AT_ONCE = 4
"""So that many large bodies at once take no more memory than a few."""
_MOST_OBJECTS = 200_000
_MOST_VALUES = 1_000_000
"""A small value takes fifty times as much memory as it has characters."""

_TEXTS = re.compile(rb'"[^"]*"')
"""In JSON without its escapes: to go on behind each, `re` would remember every one of them."""

_ENCODINGS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class UnsupportedMediaType(Refusal):
    status = 415


class BodyTimeout(Refusal):
    status = 408


if sys.version_info >= (3, 11):

    async def _within(seconds: float, work: Awaitable[bytes]) -> bytes:
        # `wait_for` would make a task of it, which is dearer than reading.
        async with asyncio.timeout(seconds):
            return await work

else:

    async def _within(seconds: float, work: Awaitable[bytes]) -> bytes:
        return await asyncio.wait_for(work, seconds)


class Place:
    """Of one request among the few whose bodies are large; taken when it turns out that its body is."""

    __slots__ = ("_all", "_taken")

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._all = places
        self._taken = False

    async def take(self) -> None:
        await self._all.acquire()
        self._taken = True

    def leave(self) -> None:
        """Let the next one have it; to be called when all that was made of the body is gone."""
        if self._taken:
            self._all.release()


class Bodies:
    """Reads the bodies of one server's requests, large ones few at a time."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    def place(self) -> Place:
        return Place(self._large)

    async def read(
        self,
        receive: Receive,
        headers: Mapping[str, str],
        place: Place,
        *,
        inflated_max: int = MAX_BYTES,
    ) -> bytes:
        """The whole body, inflated. Raises a `Refusal` as soon as it is too long, without reading on.

        A large one keeps others waiting for its `place`, for what is made of it takes memory too.
        """
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > MAX_BYTES:
            raise TooLarge(f"a body has at most {MAX_BYTES} bytes")
        here = arrived(receive)
        content = await _waited_for(receive, place) if here is None else await _sized(here, place)
        encoding = headers.get("content-encoding")
        if encoding:
            if len(content) <= LARGE_BYTES:
                await place.take()
            content = await asyncio.to_thread(_inflated, content, encoding, inflated_max)
        return content


async def _sized(content: bytes, place: Place) -> bytes:
    if len(content) > MAX_BYTES:
        raise TooLarge(f"a body has at most {MAX_BYTES} bytes")
    if len(content) > LARGE_BYTES:
        await place.take()
    return content


async def _waited_for(receive: Receive, place: Place) -> bytes:
    try:
        return await _within(READ_TIMEOUT_S, _whole(receive, place))
    except (asyncio.TimeoutError, TimeoutError):
        raise BodyTimeout("the body did not arrive in time") from None


async def _whole(receive: Receive, place: Place) -> bytes:
    pieces, length, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece, more = message.get("body", b""), message.get("more_body", False)
        if length <= LARGE_BYTES < length + len(piece):
            await place.take()
        length += len(piece)
        if length > MAX_BYTES:
            raise TooLarge(f"a body has at most {MAX_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def json_in(content: bytes) -> Any:
    """The JSON value in a body; `{}` for an empty one."""
    if not content:
        return {}
    if len(content) > _MOST_OBJECTS and _has_too_many_values(content):
        raise TooLarge("there are too many values in the body")
    try:
        value = from_json(content, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise BadRequest(f"the body is no JSON: {error}") from None
    if _objects(content) > MAX_DEPTH or (len(content) > MAX_KEYS and content.count(b":") > MAX_KEYS):
        _measure(value)
    return value


def checked(model: type[BaseModel], value: Any, place: str) -> Any:
    """`value` as the model wants it, or `Invalid` with every finding and none of the values."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Invalid([((place, *one["loc"]), one["msg"], one["type"]) for one in found]) from None


def _has_too_many_values(content: bytes) -> bool:
    # Counting bytes is cheap, and nearly always enough: only of many is it asked which stand in texts.
    objects, values = _objects(content), content.count(b",")
    if objects <= _MOST_OBJECTS and values <= _MOST_VALUES:
        return False
    for text in _TEXTS.finditer(content.replace(rb"\\", b"").replace(rb"\"", b"")):
        objects -= _objects(text[0])
        values -= text[0].count(b",")
    return objects > _MOST_OBJECTS or values > _MOST_VALUES


def _objects(content: bytes) -> int:
    return content.count(b"[") + content.count(b"{")


def _inflated(content: bytes, encoding: str, most: int) -> bytes:
    coded = [one for one in map(str.strip, encoding.lower().split(",")) if one not in ("", "identity")]
    if not coded:
        return content
    if len(coded) > 1 or coded[0] not in _ENCODINGS:
        raise UnsupportedMediaType("a body is sent plain, or in gzip or deflate")
    inflater = zlib.decompressobj(_ENCODINGS[coded[0]])
    try:
        inflated = inflater.decompress(content, most)
    except zlib.error:
        raise BadRequest(f"the body is no {coded[0]}") from None
    if inflater.unconsumed_tail:
        raise TooLarge(f"a body has at most {most} bytes when inflated")
    if not inflater.eof:
        raise BadRequest(f"the body is cut off: its {coded[0]} has no end")
    return inflated


def _measure(value: Any) -> None:
    """Refuse what is nested too deeply or has too many keys, without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise BadRequest(f"the body is nested more than {MAX_DEPTH} levels deep")


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if len(value) > MAX_KEYS:
            raise BadRequest(f"an object in the body has more than {MAX_KEYS} keys")
        return iter(value.values())
    return iter(value) if isinstance(value, list) else iter(())
