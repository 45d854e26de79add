"""Whether a destination is worth asking now: what keeps a dead endpoint from being hammered."""

from __future__ import annotations

import time
from collections.abc import Callable

from promptlayer_patch._delivery.parcels import wait_before

_FAILURES = 3
"""So many different records in a row could not be delivered: then it is not the records."""

_TO_BE_CHOSEN = ""


class Circuit:
    """Closed (everything goes), open (nothing goes for a while), or trying (one goes, to see).

    Not locked: whoever uses it does.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: set[str] = set()
        self._openings = 0
        self._opens_until: float | None = None
        self._trying: str | None = None
        self.refusal: str | None = None
        """Why nothing is sent any more: the key is not accepted."""

    @property
    def is_open(self) -> bool:
        """Whether the destination is not trusted to answer; also while one record tries it."""
        return self._opens_until is not None or self.refusal is not None

    def pause_s(self) -> float | None:
        """0 if something may be sent now, else the seconds until then; `None` if nobody can say."""
        if self.refusal is not None or self._trying is not None:
            return None
        return 0.0 if self._opens_until is None else max(0.0, self._opens_until - self._clock())

    def chooses(self) -> None:
        """A record is being looked for; if the circuit is open, nobody else may look for one."""
        if self._opens_until is not None:
            self._trying = _TO_BE_CHOSEN

    def sends(self, key: str | None) -> None:
        """The record is being sent, or there was none."""
        if self._trying == _TO_BE_CHOSEN or (key is not None and self._opens_until is not None):
            self._trying = key

    def succeeded(self) -> bool:
        """The destination answered; whether that ends an outage."""
        was_out = self._openings > 1
        self._failed.clear()
        self._openings = 0
        self._opens_until = self._trying = None
        return was_out

    def failed(self, key: str, after_s: float | None = None) -> None:
        """A record could not be delivered; `after_s`: the destination itself asks for so much time."""
        self._failed.add(key)
        tried = self._trying == key
        if tried:
            self._trying = None
        if tried or after_s is not None or len(self._failed) >= _FAILURES:
            if tried or self._opens_until is None:
                self._openings += 1
            until = self._clock() + wait_before(self._openings + 1, after_s)
            self._opens_until = until if tried else max(until, self._opens_until or 0.0)

    def gave_up(self, key: str) -> None:
        """Nobody will say what became of a record that was sent: another may try instead."""
        if self._trying == key:
            self._trying = None

    def refuse(self, reason: str) -> None:
        """Send nothing any more."""
        self.refusal = reason
        self._trying = None

    def try_now(self) -> None:
        """Somebody is in a hurry: an open circuit is tried at once."""
        if self._opens_until is not None:
            self._opens_until = self._clock()
