"""Delivering before a signal ends the process that nobody else handles.

By default a SIGTERM ends Python at once, without `atexit`. So a handler of ours stands where the default
action was: it delivers, puts the default back and sends the signal again, and the process ends as it would
have. A handler of the application's is never touched, whether it came before or comes after.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from promptlayer_patch._guard import log, quietly, report

_SIGNALS = ("SIGTERM", "SIGINT")
"""Python's own handler of an interrupt raises, and the process ends by way of `atexit`: it stays."""
_STEP_ASIDE_S = 0.001


class Terminations:
    """Calls `end()` before a signal ends the process; `busy()` says that it cannot be called just now."""

    def __init__(self, end: Callable[[], None], busy: Callable[[], bool]) -> None:
        self._end = end
        self._busy = busy

    def watch(self) -> None:
        """Stand in for the default action. Only the main thread can; elsewhere nothing happens."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _numbers():
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self.handle)
                log.debug("%s delivers what is queued before it ends the process", number.name)

    def forget(self) -> None:
        """Put the default action back, where we still stand for it."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _numbers():
            if signal.getsignal(number) == self.handle:
                signal.signal(number, signal.SIG_DFL)

    def handle(self, number: int, _: FrameType | None) -> None:
        """The handler. Also called by applications that chain to the handler they found."""
        try:
            if self._busy():
                # The signal came while this very thread is inside our queue: let it get out first.
                threading.Thread(target=_again, args=(number,), daemon=True).start()
                return
        except Exception as fault:
            report("handling a signal", fault)
        quietly("delivering the rest", self._end)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _again(number: int) -> None:
    threading.Event().wait(_STEP_ASIDE_S)
    os.kill(os.getpid(), number)


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
