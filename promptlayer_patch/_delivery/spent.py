"""Bodies that have been delivered, for the next calls to free.

Were they freed by the worker, a batch at a time, the allocator would give their memory back to the system,
and each of the next calls would have to get it anew, page by page: for 100 KB that takes longer than all else
that is done for a call.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence

from promptlayer_patch._capture.call import Call
from promptlayer_patch._delivery.parcels import Parcel

LONG = 4096
"""Bytes of a body that is worth it: a page."""
_MOST = 8 * 1024 * 1024
_KEPT_S = 1.0
"""After a second without a call like those before, there is nobody to be spared."""


class Spent:
    """Filled by the worker, emptied by whoever puts the next record."""

    def __init__(self) -> None:
        self.bodies: deque[bytes] = deque()
        self.until = math.inf
        """By `time.monotonic()`: when the worker lets go of what is left, if there is anything."""

    def keep(self, done: Sequence[Parcel]) -> None:
        """Hold on to the bodies of these, as far as there is room."""
        calls = [parcel.cargo for parcel in done if parcel.size >= LONG and isinstance(parcel.cargo, Call)]
        if not calls:
            return
        room = _MOST - sum(map(len, [*self.bodies]))
        for body in (one for call in calls for one in (call.request_body, call.body)):
            if body is not None and LONG <= len(body) <= room:
                room -= len(body)
                self.bodies.append(body)
        self.until = time.monotonic() + _KEPT_S

    def give_back(self, size: int) -> None:
        """Free as many bytes as a call has taken: the next one gets these."""
        try:
            while size > 0:
                size -= len(self.bodies.popleft())
        except IndexError:
            pass  # all are given back, perhaps by another thread

    def expire(self, now: float) -> None:
        """Let go of what nobody has asked for."""
        if now >= self.until:
            self.until = math.inf
            self.bodies.clear()
