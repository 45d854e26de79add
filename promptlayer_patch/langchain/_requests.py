"""The requests a model makes: the scope they are made in, and their ids."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from promptlayer_patch import _scope
from promptlayer_patch._asking import asking
from promptlayer_patch._capture.call_options import ID_TIMEOUT_S, explain_none
from promptlayer_patch._guard import report
from promptlayer_patch.records import Receipt

KEY = "pl_request_id"

T = TypeVar("T")


def own_requests(tags: list[str] | None) -> _scope.scope:
    """A scope for what a model with these tags asks OpenAI. Never raises."""
    try:
        return asking(tags=tags or ())
    except Exception as fault:
        report("opening a scope", fault)
        return _scope.asking()


def ids_of(receipts: Iterable[Receipt]) -> list[int | None]:
    """The id of each request, `None` for one that has none; waits for all of them together `ID_TIMEOUT_S`."""
    deadline = time.monotonic() + ID_TIMEOUT_S
    return [_id_of(receipt, max(0.0, deadline - time.monotonic())) for receipt in receipts]


async def aids_of(receipts: Iterable[Receipt]) -> list[int | None]:
    """`ids_of` for coroutines."""
    deadline = time.monotonic() + ID_TIMEOUT_S
    return [await _aid_of(receipt, max(0.0, deadline - time.monotonic())) for receipt in receipts]


def last_id(receipts: list[Receipt]) -> int | None:
    """The id of the last request, `None` if there was none."""
    return ids_of(receipts[-1:])[0] if receipts else None


async def alast_id(receipts: list[Receipt]) -> int | None:
    """`last_id` for coroutines."""
    return (await aids_of(receipts[-1:]))[0] if receipts else None


def _id_of(receipt: Receipt, timeout_s: float) -> int | None:
    try:
        return receipt.request_id(timeout_s)
    except Exception as problem:
        explain_none(problem)
        return None


async def _aid_of(receipt: Receipt, timeout_s: float) -> int | None:
    try:
        return await receipt.arequest_id(timeout_s)
    except Exception as problem:
        explain_none(problem)
        return None


@dataclass(slots=True)
class Gathering:
    """The receipt of what one model asks, for whoever called it to hand out the id."""

    model: object
    receipts: list[Receipt] = field(default_factory=list)


_gathering: ContextVar[Gathering | None] = ContextVar("promptlayer_patch_langchain_gathering", default=None)


@contextmanager
def gathering(model: object) -> Iterator[list[Receipt]]:
    """Have `model` leave the receipt of its request here, in place of waiting for the id."""
    before, own = _gathering.get(), Gathering(model)
    _gathering.set(own)
    try:
        yield own.receipts
    finally:
        # Not by a token: a coroutine that is never finished may be closed in another context.
        _gathering.set(before)


def gathered_for(model: object) -> list[Receipt] | None:
    """Where the receipts of what `model` asks now go, if its caller hands out the ids.

    Once only: callbacks of the same call may use the model too, for requests of their own.
    """
    found = _gathering.get()
    if found is None or found.model is not model:
        return None
    _gathering.set(None)
    return found.receipts


def stepwise(
    calls: _scope.scope, steps: Iterator[T], ending: Callable[[], list[T]]
) -> Generator[T, None, None]:
    """`steps`, each taken in the scope, and after the last one what `ending` gives; none if there were none.

    A generator shares the context of its consumer, so the scope must not be open where it yields.
    """
    begun = False
    try:
        while True:
            with calls:
                try:
                    step = next(steps)
                except StopIteration:
                    break
            begun = True
            yield step
    finally:
        _close(steps)
    try:
        more = ending() if begun else []
    except Exception as fault:
        report("ending a stream", fault)
        return
    yield from more


async def astepwise(
    calls: _scope.scope, steps: AsyncIterator[T], ending: Callable[[], Awaitable[list[T]]]
) -> AsyncGenerator[T, None]:
    """`stepwise` for asynchronous generators."""
    begun = False
    try:
        while True:
            with calls:
                try:
                    step = await anext(steps)
                except StopAsyncIteration:
                    break
            begun = True
            yield step
    finally:
        await _aclose(steps)
    try:
        more = await ending() if begun else []
    except Exception as fault:
        report("ending a stream", fault)
        return
    for step in more:
        yield step


def _close(steps: Any) -> None:
    if hasattr(steps, "close"):
        steps.close()


async def _aclose(steps: Any) -> None:
    if hasattr(steps, "aclose"):
        await steps.aclose()


class Outside:
    """A run manager whose callbacks run outside of the scope: what they ask is not the model's request."""

    def __init__(self, manager: Any, calls: _scope.scope) -> None:
        self._manager = manager
        self._calls = calls

    def on_llm_new_token(self, *args: Any, **kwargs: Any) -> Any:
        """Tell the callbacks of a new token."""
        self._calls.__exit__()
        try:
            return self._manager.on_llm_new_token(*args, **kwargs)
        finally:
            self._calls.__enter__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)


class AsyncOutside(Outside):
    """`Outside` for an asynchronous run manager."""

    async def on_llm_new_token(self, *args: Any, **kwargs: Any) -> Any:
        """Tell the callbacks of a new token."""
        self._calls.__exit__()
        try:
            return await self._manager.on_llm_new_token(*args, **kwargs)
        finally:
            self._calls.__enter__()


def outside(kind: type[Outside], manager: Any, calls: _scope.scope) -> Any:
    """`manager` as an `Outside` of this kind; `None` stays `None`."""
    return None if manager is None else kind(manager, calls)
