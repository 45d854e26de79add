"""How long records wait for company before they are delivered together."""

from __future__ import annotations

import time
from typing import NamedTuple

_CROWD_PER_S, _STILL_ONE_PER_S = 1000, 500
_LATE_S = 0.002 + time.get_clock_info("monotonic").resolution
"""Who wakes so much later than it wanted to has waited for the interpreter: nobody gives that up before 5 ms
are over. By a coarse clock, as Windows has one, everybody is late."""
_HEAVY = 4 * 1024 * 1024
"""Bytes of a batch that had better be free for the next calls."""


class Lingers(NamedTuple):
    """How many seconds a record waits for company."""

    alone_s: float
    in_a_crowd_s: float
    kept_out_s: float
    """While threads of the program leave the worker no time: what it does then, a call has to wait for."""


class Rhythm:
    """When the next batch is due: soon after its first record, but later where that spares the program more.

    What a batch takes beside its records, and to wake up for it, is less for each of them the more they are.
    """

    def __init__(self, lingers: Lingers) -> None:
        self._lingers = lingers
        self._since = 0.0
        """When the next batch had its first record, or could have had it."""
        self.next_at = 0.0
        """By `time.monotonic()`."""
        self.is_crowded = False
        """Whether records come faster of late than they could be delivered one by one."""
        self.is_kept_out = False
        """Whether the worker had to wait for the interpreter when it last woke by itself."""
        self._is_heavy = False

    def begins(self, now: float) -> None:
        """There is a record after a rest."""
        self._since = now
        self.next_at = now + (self._lingers.kept_out_s if self.is_kept_out else self._lingers.alone_s)

    def woke(self, now: float, due: float) -> None:
        """The worker is awake, and wanted to be at `due`."""
        was_kept_out, self.is_kept_out = self.is_kept_out, now - due > _LATE_S
        if self.is_kept_out and not was_kept_out:
            self.next_at = max(self.next_at, self._since + self._linger_s)

    def took(self, count: int, size: int) -> None:
        """A batch of so many records is on its way, and of so many bytes."""
        lingers = self._lingers
        least = lingers.in_a_crowd_s * _STILL_ONE_PER_S if self.is_crowded else lingers.alone_s * _CROWD_PER_S
        self.is_crowded = count >= least
        self._is_heavy = size >= _HEAVY

    def delivered(self) -> None:
        """The batch is done."""
        self._since = time.monotonic()
        self.next_at = self._since + self._linger_s

    @property
    def _linger_s(self) -> float:
        lingers = self._lingers
        linger_s = lingers.in_a_crowd_s if self.is_crowded else lingers.alone_s
        is_to_spare = self.is_kept_out and not self._is_heavy
        return max(linger_s, lingers.kept_out_s) if is_to_spare else linger_s
