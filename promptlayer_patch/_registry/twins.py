"""The form of a call for programs that run on an event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["awaitable"]


def awaitable(call: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The same call, awaited: it waits in a thread of its own while the loop goes on."""

    @wraps(call)
    async def twin(*args: P.args, **kwargs: P.kwargs) -> T:
        import asyncio

        return await asyncio.to_thread(call, *args, **kwargs)

    twin.__name__ = f"a{call.__name__}"
    twin.__qualname__ = f"a{call.__qualname__}"
    twin.__doc__ = f"`{call.__name__}`, awaited. It waits in a thread, so that the event loop goes on."
    return twin
