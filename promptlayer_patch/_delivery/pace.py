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
"""After so long without an answer it is not the pace any more."""


class Pace:
    """How long records took of late. Not locked: a figure that gets lost changes little."""

    def __init__(self) -> None:
        self._took_s = self._worked_s = 0.0
        self._latest = 0.0

    def answered(self, took_s: float, worked_s: float) -> None:
        """A record has been answered: how long that took, and how much of it was work of the sender's."""
        self._took_s += _FORGETS * (took_s - self._took_s)
        self._worked_s += _FORGETS * (worked_s - self._worked_s)
        self._latest = time.monotonic()

    def is_enough(self) -> bool:
        """Whether the senders that are under way need no other."""
        return self._took_s < _WAITS * self._worked_s and time.monotonic() < self._latest + _STUCK_S

    @property
    def look_again_s(self) -> float:
        """Seconds until those who are under way may turn out to be stuck."""
        return _STUCK_S
