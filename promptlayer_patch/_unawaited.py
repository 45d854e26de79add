"""Wrapping a coroutine in one of ours without the interpreter noticing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlayer_patch.records import Ending

if TYPE_CHECKING:
    from promptlayer_patch._call import Call


class Unawaited:
    """Holds the client's coroutine until ours is awaited.

    If that never happens, the client's is closed here, so that the interpreter warns once, as it would
    without us, and not about both.
    """

    __slots__ = ("call", "coroutine")

    def __init__(self, coroutine: Any, call: Call | None = None) -> None:
        self.coroutine = coroutine
        self.call = call

    def __del__(self) -> None:
        if self.coroutine is not None:
            self.coroutine.close()
            if self.call is not None:
                self.call.finish(Ending.CANCELLED)


def like(theirs: Any, ours: Any) -> Any:
    """Our coroutine under the name of the one it wraps, for warnings and debuggers."""
    ours.__name__, ours.__qualname__ = theirs.__name__, theirs.__qualname__
    return ours
