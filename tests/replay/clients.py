"""Clients of the installed openai, and its methods by the names the recordings use."""

from __future__ import annotations

import inspect
from typing import Any

import openai

from .cases import Call, Case
from .transport import AsyncTransport, Transport, Wire

_OLD_HOMES = {
    "chat.completions.parse": "beta.chat.completions.parse",
    "chat.completions.stream": "beta.chat.completions.stream",
}


class NotInThisVersion(Exception):
    """The installed openai has no such method."""


def open_client(case: Case, wire: Wire, *, is_async: bool) -> Any:
    """A client for `case` whose requests end in `wire`."""
    arguments = {"max_retries": 0, "api_key": "sk-not-a-key", **case.client}
    azure = arguments.pop("type", None) == "azure"
    name = f"{'Async' if is_async else ''}{'Azure' if azure else ''}OpenAI"
    arguments["http_client"] = (
        openai.DefaultAsyncHttpxClient(transport=AsyncTransport(wire), trust_env=False)
        if is_async
        else openai.DefaultHttpxClient(transport=Transport(wire), trust_env=False)
    )
    return getattr(openai, name)(**arguments)


def method_of(client: Any, call: Call) -> tuple[Any, str]:
    """The bound method for `call`, and the dotted name under which this openai has it."""
    for path in (call.method, _OLD_HOMES.get(call.method)):
        found = None if path is None else _follow(client, path, call.style)
        if path is not None and found is not None:
            return found, path
    raise NotInThisVersion(call.name)


def arguments_for(method: Any, kwargs: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The arguments as this openai takes them, and the names of those it does not know by name yet.

    A user of an older openai sends a newer parameter through `extra_body`; so do we.
    """
    known = inspect.signature(method).parameters
    strange = tuple(name for name in kwargs if name not in known)
    if not strange:
        return dict(kwargs), ()
    named = {name: value for name, value in kwargs.items() if name in known}
    extra = {name: kwargs[name] for name in strange}
    return {**named, "extra_body": {**(named.get("extra_body") or {}), **extra}}, strange


def _follow(client: Any, path: str, style: str | None) -> Any:
    *resources, method = path.split(".")
    found = client
    for name in [*resources, *([style] if style else []), method]:
        found = getattr(found, name, None)
    return found
