"""How long records wait for company before they are delivered together."""

from __future__ import annotations

import time

_CROWD_PER_S, _STILL_ONE_PER_S = 1000, 500


class Rhythm:
    """When the next batch is due: soon after its first record or, while records come in a crowd, seldom.

    What a batch takes beside its records, and to wake up for it, is less for each of them the more they are.
    """

    def __init__(self, linger_s: float, pause_s: float) -> None:
        """`pause_s` is how long a record of a crowd waits."""
        self._linger_s, self._pause_s = linger_s, pause_s
        self.next_at = 0.0
        """By `time.monotonic()`."""
        self.is_crowded = False
        """Whether records come faster of late than they could be delivered one by one."""

    def begins(self, now: float) -> None:
        """There is a record after a rest."""
        self.next_at = now + self._linger_s

    def took(self, count: int) -> None:
        """A batch of so many records is on its way."""
        least = self._pause_s * _STILL_ONE_PER_S if self.is_crowded else self._linger_s * _CROWD_PER_S
        self.is_crowded = count >= least

    def delivered(self) -> None:
        """The batch is done."""
        self.next_at = time.monotonic() + (self._pause_s if self.is_crowded else self._linger_s)
