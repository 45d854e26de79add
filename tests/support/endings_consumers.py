"""What a consumer may do with a stream, on a sync and on an async client."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

from tests.support.endings import Talk


class Oops(Exception):
    """A consumer's own mistake."""


def read_it_all(talk: Talk) -> None:
    with talk.open() as handle:
        for chunk in talk.chunks(handle):
            talk.saw(chunk)
            talk.more()


async def aread_it_all(talk: Talk) -> None:
    async with await talk.aopen() as handle:
        async for chunk in talk.chunks(handle):
            talk.saw(chunk)
            talk.more()


def break_off(talk: Talk) -> None:
    with talk.open() as handle:
        for chunk in talk.chunks(handle):
            if talk.saw(chunk):
                break
            talk.more()


async def abreak_off(talk: Talk) -> None:
    async with await talk.aopen() as handle:
        async for chunk in talk.chunks(handle):
            if talk.saw(chunk):
                break
            talk.more()


def forget(talk: Talk) -> None:
    handle = talk.open()
    if talk.kind.raw:
        handle = handle.__enter__()
    for chunk in talk.chunks(handle):
        if talk.saw(chunk):
            break
        talk.more()
    del handle
    gc.collect()


async def aforget(talk: Talk) -> None:
    handle = await talk.aopen()
    if talk.kind.raw:
        handle = await handle.__aenter__()
    async for chunk in talk.chunks(handle):
        if talk.saw(chunk):
            break
        talk.more()
    del handle
    await collected()


def ignore(talk: Talk) -> None:
    with talk.open():
        pass


async def aignore(talk: Talk) -> None:
    async with await talk.aopen():
        pass


def stumble(talk: Talk) -> None:
    with talk.open() as handle:
        for chunk in talk.chunks(handle):
            if talk.saw(chunk):
                raise Oops("not like this")
            talk.more()


async def astumble(talk: Talk) -> None:
    async with await talk.aopen() as handle:
        async for chunk in talk.chunks(handle):
            if talk.saw(chunk):
                raise Oops("not like this")
            talk.more()


async def abe_cancelled(talk: Talk) -> None:
    """Cancelled while it waits for a chunk that does not come."""
    under_way = asyncio.Event()

    async def consume() -> None:
        async with await talk.aopen() as handle:
            async for chunk in talk.chunks(handle):
                if talk.saw(chunk):
                    under_way.set()
                talk.more()

    task = asyncio.create_task(consume())
    await either(task, under_way.wait())
    await turns()
    task.cancel()
    await task


async def either(task: asyncio.Task[Any], what: Coroutine[Any, Any, Any]) -> None:
    """Wait for something that a task does, or for the task to end before it has."""
    waiting = asyncio.create_task(what)
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def collected() -> None:
    """Collect garbage, and let the loop close the generators found in it."""
    gc.collect()
    await turns()
    gc.collect()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
