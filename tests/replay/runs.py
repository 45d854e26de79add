"""All calls of a case, one after the other, with one client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .cases import Call, Case
from .clients import NotInThisVersion, arguments_for, method_of, open_client
from .playing import Account, drive, play
from .transport import Wire


@dataclass
class Played:
    """A call that was made, and everything known about it."""

    call: Call
    path: str
    """The method's name in this openai."""
    account: Account
    unasked: int
    strange: tuple[str, ...] = ()
    """Arguments this openai does not know by name."""
    began: float = 0.0
    ended: float = 0.0
    records: list[Any] = field(default_factory=list)


@dataclass
class Run:
    played: list[Played] = field(default_factory=list)
    left_out: list[Call] = field(default_factory=list)
    """Calls of methods that this openai does not have."""


def run_case(
    case: Case, loop: asyncio.AbstractEventLoop | None, new_records: Callable[[], list[Any]] | None = None
) -> Run:
    """Make every call of `case` and every variant of it: on `loop` with an async client, else without one."""
    wire = Wire()
    client = open_client(case, wire, is_async=loop is not None)
    run = Run()
    for call, variants in case.calls:
        for each in (call, *variants):
            try:
                method, path = method_of(client, each)
            except NotInThisVersion:
                run.left_out.append(each)
                continue
            played = _make(each, path, method, wire, loop)
            played.records = new_records() if new_records is not None else []
            run.played.append(played)
    _close(client, loop)
    return run


def _make(call: Call, path: str, method: Any, wire: Wire, loop: asyncio.AbstractEventLoop | None) -> Played:
    kwargs, strange = arguments_for(method, call.kwargs)
    wire.expect(call.exchanges, reads_requests=call.reads_request)
    began = time.time()
    coroutine = play(method, kwargs, wire)
    account = drive(coroutine) if loop is None else loop.run_until_complete(coroutine)
    return Played(call, path, account, wire.unasked, strange, began, time.time())


def _close(client: Any, loop: asyncio.AbstractEventLoop | None) -> None:
    if loop is None:
        client.close()
    else:
        loop.run_until_complete(client.close())
