"""Wrapping a coroutine in one of ours without the interpreter noticing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from promptlayer_patch._guard import report


class Owner(Protocol):
    """Who is told that the coroutine was never awaited."""

    def unused(self) -> None: ...


class Unawaited:
    """Holds the client's coroutine until ours is awaited.

    If that never happens, the client's is closed here, so that the interpreter warns once, as it would
    without us, and not about both.
    """

    __slots__ = ("coroutine", "owner")

    coroutine: Any
    owner: Owner | None

    def __init__(self, coroutine: Any, owner: Owner | None = None) -> None:
        self.coroutine = coroutine
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
    unawaited: Unawaited | None,
    awaiting: Callable[..., Coroutine[Any, Any, Any]],
    *arguments: Any,
) -> Any:
    """`awaiting(unawaited, *arguments)` holding `theirs`, under its name, for warnings and debuggers.

    On a fault of ours it is `theirs` itself.
    """
    ours: Any = None
    if unawaited is None:
        return theirs
    try:
        unawaited.coroutine = theirs
        ours = awaiting(unawaited, *arguments)
        ours.__name__, ours.__qualname__ = theirs.__name__, theirs.__qualname__
    except Exception as fault:
        report("wrapping a coroutine", fault)
        unawaited.coroutine = None  # it is the caller's again
        if ours is not None:
            ours.close()
        return theirs
    return ours
