"""Whether one sender gets through what several would.

Where the destination answers at once, most of what a record takes is the sender's own work, for which each
needs the interpreter. Several then fight for it, and take up to twice as much of it for each record.
"""

from __future__ import annotations

import time

_WAITS = 4.0
"""A record that takes so many times longer than the work for it is mostly waited for."""
_FORGETS = 0.2
_STUCK_S = 0.05
"""Who has been sending for so long does not get through anything."""


class Pace:
    """How long records took of late, and who is sending. Entered by all senders at once."""

    def __init__(self) -> None:
        self._took_s = self._worked_s = 0.0
        self._begun: dict[int, tuple[float, float]] = {}

    def begins(self, sender: int) -> None:
        """A thread begins to send."""
        self._begun[sender] = time.monotonic(), time.thread_time()

    def ends(self, sender: int) -> None:
        """The same thread has its answer."""
        began, worked = self._begun.pop(sender)
        self._took_s += _FORGETS * (time.monotonic() - began - self._took_s)
        self._worked_s += _FORGETS * (time.thread_time() - worked - self._worked_s)

    @property
    def is_quick(self) -> bool:
        """Whether most of what a record takes is work."""
        return self._took_s < _WAITS * self._worked_s

    def is_enough(self) -> bool:
        """Whether somebody is sending who needs no other."""
        since = time.monotonic() - _STUCK_S
        return self.is_quick and any(began > since for began, _ in [*self._begun.values()])

    @property
    def look_again_s(self) -> float:
        """Seconds until those who are sending may turn out to be stuck."""
        return _STUCK_S
