"""What one destination has yet to receive, and the exact account of what became of everything else.

Entered from anywhere Python runs code of its own accord (a garbage collection, a signal handler), also while
the same thread is already in it: so its lock is re-entrant, and nothing blocks under it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from promptlayer_patch._delivery.parcels import Dropped, NotYet, Parcel, PendingAnnotation, Stats, wait_before
from promptlayer_patch.records import Delivered, Delivery, Outcome, Rejected, TryLater


class Backlog:
    """Bounded in records and in bytes. Each parcel is queued, waiting for its next try, or in flight."""

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self.lock = threading.RLock()
        self._queue: deque[Parcel] = deque()
        self._waiting: list[Parcel] = []
        self._in_flight: list[Parcel] = []
        self._left = 0
        """How many are in one of these three."""
        self._bytes = 0
        self._recorded = self._delivered = self._rejected = self._dropped = self._retried = 0
        self._annotations = 0

    def anew(self) -> Backlog:
        """An empty one with the same bounds."""
        return Backlog(self._max_records, self._max_bytes)

    def add(self, parcel: Parcel) -> bool:
        """Queue a parcel; false if there is no room for it. To be called under the lock."""
        self._recorded += 1
        if isinstance(parcel.cargo, PendingAnnotation):
            self._annotations += 1
        if self._left >= self._max_records or (
            self._bytes + parcel.size > self._max_bytes and not self._fits_when_lightened(parcel)
        ):
            self._dropped += 1
            return False
        self._queue.append(parcel)
        self._left += 1
        self._bytes += parcel.size
        return True

    def refuse(self, parcel: Parcel) -> None:
        """Count a parcel that is not taken any more. To be called under the lock."""
        self._recorded += 1
        self._annotations += isinstance(parcel.cargo, PendingAnnotation)
        self._dropped += 1

    def _fits_when_lightened(self, parcel: Parcel) -> bool:
        """Give up the largest parts of its content until it fits."""
        while self._bytes + parcel.size > self._max_bytes:
            if not parcel.cargo.lighten():
                return False
            parcel.size = parcel.cargo.size
        return True

    def take(self, most: int) -> list[Parcel]:
        """The oldest of the queue, to be delivered now."""
        with self.lock:
            taken = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
            self._in_flight += taken
            return taken

    def settle(self, batch: Sequence[Parcel], deliveries: Sequence[Delivery]) -> list[tuple[Parcel, Outcome]]:
        """Book what became of a batch; the parcels that are done, with their outcomes."""
        outcomes: list[tuple[Parcel, Outcome]] = []
        with self.lock:
            still_ours = {id(parcel) for parcel in self._in_flight}
            settled = {id(parcel) for parcel in batch}
            self._in_flight = [parcel for parcel in self._in_flight if id(parcel) not in settled]
            for parcel, delivery in zip(batch, deliveries, strict=True):
                if id(parcel) not in still_ours:
                    continue  # given up while it was under way
                match delivery:
                    case TryLater(after_s):
                        self._retried += not isinstance(delivery, NotYet)
                        self._put_off(parcel, after_s)
                        continue
                    case Delivered():
                        self._delivered += 1
                    case Dropped():
                        self._dropped += 1
                    case Rejected():
                        self._rejected += 1
                self._done(parcel)
                outcomes.append((parcel, delivery))
        return outcomes

    def put_off(self) -> None:
        """Try what is in flight again later: a fault of ours came in between."""
        with self.lock:
            self._retried += len(self._in_flight)
            for parcel in self._in_flight:
                self._put_off(parcel, None)
            self._in_flight = []

    def give_up(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Drop those of the parcels that are left; which these were."""
        with self.lock:
            left = [parcel for parcel in parcels if not parcel.is_done]
            for parcel in left:
                self._done(parcel)
            self._dropped += len(left)
            self._queue = deque(parcel for parcel in self._queue if not parcel.is_done)
            self._waiting = [parcel for parcel in self._waiting if not parcel.is_done]
            self._in_flight = [parcel for parcel in self._in_flight if not parcel.is_done]
            return left

    def call_back(self, *, everything: bool) -> None:
        """Queue what has waited long enough for its next try, or all that waits."""
        with self.lock:
            if self._waiting:
                now = time.monotonic()
                due = [parcel for parcel in self._waiting if everything or parcel.due <= now]
                self._waiting = [parcel for parcel in self._waiting if not everything and parcel.due > now]
                self._queue.extendleft(reversed(due))

    def next_due(self) -> float | None:
        """When the next try is due, by `time.monotonic()`."""
        with self.lock:
            return min((parcel.due for parcel in self._waiting), default=None)

    def queued(self) -> int:
        """How many could be delivered now."""
        return len(self._queue)

    def everything(self) -> list[Parcel]:
        """All that is left, oldest first. To be called under the lock, but for a forked child's sake."""
        return [*self._in_flight, *self._queue, *self._waiting]

    def stats(self) -> Stats:
        with self.lock:
            return Stats(
                recorded=self._recorded,
                delivered=self._delivered,
                queued=self._left,
                rejected=self._rejected,
                dropped=self._dropped,
                retried=self._retried,
                annotations=self._annotations,
            )

    def _done(self, parcel: Parcel) -> None:
        parcel.is_done = True
        self._left -= 1
        self._bytes -= parcel.size

    def _put_off(self, parcel: Parcel, after_s: float | None) -> None:
        parcel.attempts += 1
        parcel.due = time.monotonic() + wait_before(parcel.attempts, after_s)
        self._waiting.append(parcel)
