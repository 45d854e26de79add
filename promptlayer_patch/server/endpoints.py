"""What one row of the table of endpoints says, and what its handler gets and gives."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel

from promptlayer_patch.server.workspaces import Workspace

__all__ = ["Answer", "Auth", "Call", "Endpoint", "Handler", "RawBody", "Stream"]

BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT")


class Auth(Enum):
    """Who may call an endpoint."""

    KEY = "key"
    """Whoever has an API key, in the header `X-API-KEY` or as `api_key` in a JSON body."""
    SESSION = "session"
    """Whoever has opened the dashboard with this start's link or with a key; programs may send a key."""
    NONE = "none"
    """Anybody who reaches the server: what is answered says nothing about anybody's requests."""


@dataclass(frozen=True, slots=True)
class RawBody:
    """A body that the handler reads itself, already inflated."""

    content: bytes
    content_type: str
    """Without parameters, in lower case."""


@dataclass(frozen=True, slots=True)
class Call(Generic[BodyT, QueryT]):
    """One request as a handler sees it: authenticated, in size, and of the declared form."""

    workspace: Workspace
    """Of the key that came with it."""
    body: BodyT
    """An instance of the endpoint's `body`, a `RawBody` where it has `raw`, else `None`."""
    query: QueryT
    """An instance of the endpoint's `query`, else `None`."""
    path: Mapping[str, str] = field(default_factory=dict)
    """The parts of the path that the endpoint names, decoded."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Content of any length, made while it is sent; on threads, and closed when nobody wants it any more."""

    pieces: Generator[bytes, None, None]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with another status than the endpoint's `ok`, with headers, or that is not JSON."""

    content: Any
    """What becomes JSON, or bytes or a `Stream` if `content_type` says what they are."""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None


Handler: TypeAlias = "Callable[[Call[Any, Any]], Any] | Callable[[Call[Any, Any]], Awaitable[Any]]"
"""Gives what becomes JSON, or an `Answer`, or raises a `Refusal`.

Plain functions run on threads of their own; `async def` is for handlers that only wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One row: the route, who may use it, what it takes and what it answers."""

    method: str
    path: str
    """`{name}` stands for one part, of which a `%2F` is no end."""
    handler: Handler
    summary: str
    """One line for the OpenAPI document."""
    auth: Auth = Auth.KEY
    ok: int = 200
    also_ok: tuple[int, ...] = ()
    """Other statuses that the same answer comes with."""
    form: bool = False
    """Whether a browser's form may be the body, in place of JSON."""
    body: type[BaseModel] | None = None
    raw: tuple[str, ...] = ()
    """Content types of a body that the handler reads itself; any other is 415."""
    query: type[BaseModel] | None = None
    answers: Any = None
    """Type of the answer (a pydantic model or a `TypeAdapter`'s argument), for the OpenAPI document."""
    refuses: tuple[int, ...] = ()
    """Statuses beyond those that every endpoint may answer (400, 401, 413, 422, 503)."""
    is_async: bool = field(init=False)
    """Whether the handler is an `async def`; found out once, as asking costs as much as routing does."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_async", inspect.iscoroutinefunction(self.handler))
