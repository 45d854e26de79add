"""Makes one call and writes down everything the application could notice.

One body serves both kinds of client: what a sync client returns is never awaited, so `drive` can run it
without an event loop, just as an application would.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import openai
import pydantic
from openai._legacy_response import HttpxBinaryResponseContent, LegacyAPIResponse
from openai._response import BaseAPIResponse

from .transport import Sent, Wire, http

T = TypeVar("T")

_OUR_OWN = ("promptlayer_patch", "wrapt")
_FINALS = ("get_final_completion", "get_final_response", "get_final_run", "get_final_messages")


@dataclass
class Account:
    """What one call gave, in comparable form (`facts`) and as the objects themselves."""

    sent: list[Sent]
    facts: dict[str, Any] = field(default_factory=dict)
    value: Any = None
    """What was returned and parsed: a model, a text, bytes; `None` for a stream."""
    items: list[Any] | None = None
    """The chunks or events of a stream, in order."""
    final: Any = None
    """What a stream helper assembled from them."""
    error: Exception | None = None


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("a sync client made its caller wait")


async def play(method: Any, kwargs: dict[str, Any], wire: Wire) -> Account:
    """Call `method`, read whatever it returns to the end, and account for it."""
    account = Account(sent=wire.sent)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            await _read(await _settled(method(**kwargs), account), account, wire)
        except Exception as error:
            account.error = error
            account.facts["error"] = _error(error)
    account.facts["warnings"] = [(str(w.category), str(w.message), w.filename, w.lineno) for w in warned]
    account.facts["bodies"] = {"delivered": wire.delivered, "closed": wire.closed}
    return account


async def _settled(returned: Any, account: Account) -> Any:
    account.facts["returned"] = type(returned)
    return await returned if inspect.isawaitable(returned) else returned


async def _read(got: Any, account: Account, wire: Wire) -> None:
    facts = account.facts
    facts["type"] = type(got)
    if isinstance(got, LegacyAPIResponse):
        facts["raw"] = _raw(got)
        parsed = got.parse()
        facts["parsed once"] = got.parse() is parsed
        await _read(parsed, account, wire)
    elif isinstance(got, BaseAPIResponse):
        facts["raw"] = _raw(got)
        facts["read ahead"] = wire.delivered
        account.value = b"".join([piece async for piece in _each(_bytes_of(got))])
        facts["value"] = account.value
    elif isinstance(got, (openai.Stream, openai.AsyncStream)):
        facts["stream"] = sorted(vars(got))
        facts["http response"] = _response(got.response)
        await _read_items(got, account, wire)
        facts["class of the response afterwards"] = type(got.response)
    elif isinstance(got, (str, bytes, pydantic.BaseModel)):
        account.value = got
        facts["value"] = seen(got)
    elif isinstance(got, HttpxBinaryResponseContent):
        account.value = got.content
        facts["value"] = (got.content, _response(got.response))
    else:
        await _read_managed(got, account, wire)


def _bytes_of(unread: Any) -> Any:
    return unread.iter_bytes(1000)


async def _read_managed(manager: Any, account: Account, wire: Wire) -> None:
    if hasattr(manager, "__aenter__"):
        async with manager as inside:
            await _read_inside(inside, account, wire)
    else:
        with manager as inside:
            await _read_inside(inside, account, wire)


async def _read_inside(inside: Any, account: Account, wire: Wire) -> None:
    account.facts["manager"] = account.facts["type"]
    if isinstance(inside, BaseAPIResponse):
        await _read(inside, account, wire)
        return
    account.facts["type"] = type(inside)
    account.facts["stream"] = sorted(vars(inside))
    await _read_items(inside, account, wire)
    for name in _FINALS:
        if hasattr(inside, name):
            account.facts[name] = await _assembled(getattr(inside, name), account)


async def _assembled(get_final: Any, account: Account) -> Any:
    """What a stream helper makes of the whole. It raises on some that ended well, such as at `max_tokens`."""
    try:
        final = get_final()
        account.final = await final if inspect.isawaitable(final) else final
    except Exception as error:
        return _error(error)
    return seen(account.final)


async def _read_items(stream: Any, account: Account, wire: Wire) -> None:
    """Each item with the number of network chunks that had been asked for when it came."""
    account.items = []
    arrivals = account.facts["items"] = []
    async for item in _each(stream):
        account.items.append(item)
        arrivals.append((wire.delivered, seen(item)))


async def _each(many: Any) -> AsyncIterator[Any]:
    if hasattr(many, "__aiter__"):
        async for item in many:
            yield item
    else:
        for item in many:
            yield item


def seen(value: Any) -> Any:
    """`value` as data that two runs can compare: nested types, fields, and attributes beside them."""
    if isinstance(value, pydantic.BaseModel):
        hidden = getattr(value, "_request_id", None)
        fields = value.model_dump(warnings=False)
        return (type(value), sorted(vars(value)), fields, _shown(value), hidden)
    if isinstance(value, list):
        return [seen(item) for item in value]
    return (type(value), value)


def _shown(model: pydantic.BaseModel) -> str:
    # Names the classes of nested models, which a dump does not. A page also shows nothing of its client.
    return repr(model)


def _raw(raw: Any) -> dict[str, Any]:
    return {
        "response": _response(raw.http_response),
        "status": raw.status_code,
        "headers": list(raw.headers.multi_items()),
        "request": (raw.http_request.method, str(raw.http_request.url)),
        "request id": getattr(raw, "request_id", None),
        "retries": getattr(raw, "retries_taken", None),
        "attributes": sorted(vars(raw)),
        "closed": raw.is_closed,
    }


def _response(response: Any) -> dict[str, Any]:
    assert isinstance(response, http.Response)
    return {
        "class": type(response).__qualname__,
        "status": (response.status_code, response.reason_phrase),
        "headers": list(response.headers.multi_items()),
        "consumed": (response.is_stream_consumed, response.is_closed),
        "content": response.content if hasattr(response, "_content") else None,
    }


def _error(error: Exception) -> dict[str, Any]:
    told = {name: getattr(error, name, None) for name in ("status_code", "body", "code", "param", "type")}
    response = getattr(error, "response", None)
    return {
        **told,
        "class": type(error),
        "text": str(error),
        "args": error.args,
        "request id": getattr(error, "request_id", None),
        "attributes": sorted(vars(error)),
        "response": None if response is None else _response(response),
        "cause": _class_of(error.__cause__),
        "context": _class_of(error.__context__),
        "suppressed": error.__suppress_context__,
        "traceback": _frames(error),
    }


def _class_of(error: BaseException | None) -> type | None:
    return None if error is None else type(error)


def _frames(error: Exception) -> list[tuple[str, str, int]]:
    """The traceback without the frames instrumentation adds, which bare runs cannot have."""
    frames = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if not any(part in _OUR_OWN for part in Path(code.co_filename).parts):
            frames.append((code.co_filename, code.co_name, step.tb_lineno))
        step = step.tb_next
    return frames
