"""Letting the worker in where a busy thread keeps it out, without a word of either.

A thread that waits for the interpreter's lock asks for it after 5 ms, and gets it then. But it begins to wait
anew whenever the lock was free in between, and a thread that gives it up for a microsecond in each call, as
for a random number of the system, has it again before the other one has woken. So a loop of calls that never
wait for a network would keep the worker out for as long as it lasts, and pay for waking it in vain each time.
"""

from __future__ import annotations

import math
import threading
import time

_PATIENCE_S = 0.006
"""A little more than the time after which a thread that runs Python gives way when it is asked to."""
_LONGEST_S = 0.005
"""No longer than any thread may keep another one waiting."""
_IN_VAIN_S = 0.1
"""How long nobody stands aside again after that has led to nothing: the worker waits for a disk."""


class Turn:
    """When the worker wants to run, and who stands aside for it."""

    def __init__(self) -> None:
        self.overdue_at = math.inf
        """By `time.monotonic()`: who comes by later than this should stand aside."""
        self._patience_s = _PATIENCE_S
        self._bystanders: list[threading.Lock] = []

    def wanted(self, at: float | None) -> None:
        """The worker sleeps, and wants to run from then on; without a moment, when it is called."""
        self.overdue_at = math.inf if at is None else at + self._patience_s

    def works(self) -> None:
        """The worker runs, or waits for a disk: who is kept out of what looks the same from outside."""
        self.overdue_at = time.monotonic() + _PATIENCE_S

    def stand_aside(self, overdue_at: float) -> None:
        """Wait until the worker has had its turn; not at all if that is not the one that was overdue."""
        if self.overdue_at != overdue_at:
            return
        self.overdue_at = time.monotonic() + _IN_VAIN_S
        over = threading.Lock()
        over.acquire()
        self._bystanders.append(over)
        over.acquire(timeout=_LONGEST_S)

    def begins(self) -> None:
        """The worker is awake; if somebody had to stand aside, it need not wait in vain the next time."""
        self._patience_s = 0.0 if self._bystanders else _PATIENCE_S

    def ends(self) -> None:
        """The worker has done what it had to."""
        while self._bystanders:
            self._bystanders.pop().release()
