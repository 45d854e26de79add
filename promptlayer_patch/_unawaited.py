"""Wrapping a coroutine in one of ours without the interpreter noticing."""

from __future__ import annotations

from typing import Any, Protocol


class Owner(Protocol):
    """Who is told that the coroutine was never awaited."""

    def unused(self) -> None: ...


class Unawaited:
    """Holds the client's coroutine until ours is awaited.

    If that never happens, the client's is closed here, so that the interpreter warns once, as it would
    without us, and not about both.
    """

    __slots__ = ("coroutine", "owner")

    def __init__(self, coroutine: Any, owner: Owner | None = None) -> None:
        self.coroutine = coroutine
        self.owner = owner

    def __del__(self) -> None:
        if self.coroutine is not None:
            self.coroutine.close()
            if self.owner is not None:
                self.owner.unused()


def like(theirs: Any, ours: Any) -> Any:
    """Our coroutine under the name of the one it wraps, for warnings and debuggers."""
    ours.__name__, ours.__qualname__ = theirs.__name__, theirs.__qualname__
    return ours
