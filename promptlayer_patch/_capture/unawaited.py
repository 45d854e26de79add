"""Wrapping a coroutine in one of ours without the interpreter noticing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from promptlayer_patch._guard import report


class Owner(Protocol):
    """Who is told that the coroutine was never awaited."""

    def unused(self) -> None: ...


class Holder(Protocol):
    """Holds the client's coroutine until ours is awaited.

    If that never happens, its finaliser closes the client's, so that the interpreter warns once, as it would
    without us, and not about both. It is made before the client's coroutine, so that a collection finalises
    it first.
    """

    coroutine: Any


class Unawaited:
    """A holder for where there is no call that could be one."""

    __slots__ = ("coroutine", "owner")

    def __init__(self, owner: Owner | None = None) -> None:
        self.coroutine: Any = None
        self.owner = owner

    def __del__(self) -> None:
        try:
            if self.coroutine is not None:
                self.coroutine.close()
                if self.owner is not None:
                    self.owner.unused()
        except Exception as fault:  # also if `__init__` never ran
            report("closing an unawaited coroutine", fault)


def standing_for(
    theirs: Any,
    holder: Holder,
    awaiting: Callable[..., Coroutine[Any, Any, Any]],
    *arguments: Any,
) -> Any:
    """`awaiting(holder, *arguments)`, which is to await `theirs`, under its name, for warnings and debuggers.

    On a fault of ours it is `theirs` itself.
    """
    ours: Any = None
    try:
        holder.coroutine = theirs
        ours = awaiting(holder, *arguments)
        ours.__name__, ours.__qualname__ = theirs.__name__, theirs.__qualname__
    except Exception as fault:
        report("wrapping a coroutine", fault)
        holder.coroutine = None  # it is the caller's again
        if ours is not None:
            ours.close()
        return theirs
    return ours
