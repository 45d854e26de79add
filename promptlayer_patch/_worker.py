"""The queue of finished calls and the one thread that empties it.

The caller's thread appends and, if the worker sleeps, rings; everything else happens here. The queue may be
entered from anywhere Python runs code of its own accord (a garbage collection, a signal handler), also while
the same thread is already in it: so its lock is re-entrant and its bell a `SimpleQueue`.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from promptlayer_patch._guard import log, report, warn_once
from promptlayer_patch._lanes import Lanes
from promptlayer_patch._parcels import Parcel, Stats, log_troubles, wait_before
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch._call import Call
    from promptlayer_patch.exporters import Exporter

_BATCH = 64
_LINGER_S = 0.05
"""How long a record may wait for company; less when somebody waits for its id."""


class Worker:
    """Delivers to one destination, from a thread of its own that starts with the first record.

    `open_exporter` is called on the threads that export; `decode` turns a call into a record there.
    """

    def __init__(
        self,
        open_exporter: Callable[[], Exporter],
        decode: Callable[[Call], Record],
        *,
        max_records: int,
        max_bytes: int,
    ) -> None:
        self._decode = decode
        self._lanes = Lanes(open_exporter)
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._begin_anew()
        if hasattr(os, "register_at_fork"):
            # Weakly, or every worker there ever was would live as long as the process.
            begin_anew = weakref.WeakMethod(self._in_forked_child)
            os.register_at_fork(after_in_child=lambda: (found := begin_anew()) and found())

    def _begin_anew(self) -> None:
        self._lock = threading.RLock()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._idle = True
        self._urgent = False
        self._closing = False
        self._queue: deque[Parcel] = deque()
        self._waiting: list[Parcel] = []
        self._in_flight: list[Parcel] = []
        self._bytes = 0
        self._recorded = self._delivered = self._rejected = self._dropped = self._retried = 0
        self._all_done: list[threading.Event] = []

    def put(self, call: Call, settle: Callable[[Delivered | Rejected], None], *, may_start: bool) -> None:
        """Queue a finished call; `settle` is told its outcome. Never blocks, drops it when the queue is full.

        With `may_start` false no thread is started: a garbage collection may run while the interpreter
        holds the lock that starting a thread needs.
        """
        size = call.size
        with self._lock:
            self._recorded += 1
            refused = self._refusal(size)
            if refused is None:
                self._queue.append(Parcel(call, settle, size))
                self._bytes += size
                ring, self._idle = self._idle, False
            else:
                self._dropped += 1
        if refused is not None:
            warn_once(f"dropped: {refused}", "a record was dropped: %s", refused)
            settle(Rejected(f"dropped: {refused}"))
        elif ring:
            self._wake(may_start)

    def urge(self) -> None:
        """Deliver what is queued without waiting for more: somebody waits for an id."""
        with self._lock:
            self._urgent = True
        self._wake(may_start=True)

    def flush(self, timeout_s: float) -> bool:
        """Deliver everything now; false if `timeout_s` seconds were not enough."""
        done = threading.Event()
        with self._lock:
            if not self._left():
                return True
            self._all_done.append(done)
            for parcel in self._waiting:
                parcel.due = 0.0
        self.urge()
        done.wait(min(timeout_s, threading.TIMEOUT_MAX))
        with self._lock:
            return done.is_set() or not self._left()

    def close(self, timeout_s: float) -> bool:
        """Deliver what can be within `timeout_s` seconds, give up the rest; false if there was a rest."""
        with self._lock:
            self._closing = True
            thread = self._thread
            busy = bool(self._left())
        if busy and thread is None:
            thread = self._start()
        self._bell.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(min(timeout_s, threading.TIMEOUT_MAX))
        return self._give_up("the process ended before it was delivered")

    def stats(self) -> Stats:
        with self._lock:
            return Stats(
                recorded=self._recorded,
                delivered=self._delivered,
                queued=self._left(),
                rejected=self._rejected,
                dropped=self._dropped,
                retried=self._retried,
            )

    def _left(self) -> int:
        return len(self._queue) + len(self._waiting) + len(self._in_flight)

    def _refusal(self, size: int) -> str | None:
        if self._closing:
            return "promptlayer_patch was uninstalled"
        if self._left() >= self._max_records or self._bytes + size > self._max_bytes:
            return "the queue is full"
        return None

    def _wake(self, may_start: bool) -> None:
        if self._thread is None and (not may_start or self._start() is None):
            with self._lock:
                self._idle = True  # the next call tries again
            return
        self._bell.put(None)

    def _start(self) -> threading.Thread | None:
        with self._lock:
            if self._thread is not None:
                return self._thread
            thread = threading.Thread(target=self._run, name="promptlayer-worker", daemon=True)
            self._thread = thread
        try:
            thread.start()
        except RuntimeError as fault:  # the interpreter is shutting down, or the machine is out of threads
            self._thread = None
            report("starting the delivery thread", fault)
            return None
        return thread

    def _run(self) -> None:
        try:
            while self._deliver_next():
                pass
        except BaseException as fault:  # nobody but us runs here; the next record starts a new thread
            report("delivering", fault)
            self._requeue()
        finally:
            self._lanes.close()
            with self._lock:
                self._thread = None
                self._idle = True

    def _deliver_next(self) -> bool:
        """Wait for a batch and deliver it; false when the worker is closing and nothing is left."""
        # A method of its own, so that no variable keeps a batch alive while the next one is awaited.
        if not self._wait():
            return False
        batch = self._take()
        self._settle(batch, self._export(batch))
        return True

    def _wait(self) -> bool:
        """Until there is something to deliver; false when the worker is closing and nothing is left."""
        linger_until: float | None = None
        while True:
            with self._lock:
                now = time.monotonic()
                self._collect_due(now)
                if self._queue:
                    linger_until = linger_until or now + _LINGER_S
                    full = len(self._queue) >= _BATCH
                    if full or self._urgent or self._closing or now >= linger_until:
                        return True
                elif self._closing:
                    return False
                else:
                    self._idle = True
                    self._urgent = False
                pause = self._pause(now, linger_until)
            try:
                self._bell.get(timeout=pause)
            except Empty:
                pass

    def _collect_due(self, now: float) -> None:
        if self._waiting:
            due = [parcel for parcel in self._waiting if self._closing or parcel.due <= now]
            self._waiting = [parcel for parcel in self._waiting if not (self._closing or parcel.due <= now)]
            self._queue.extendleft(reversed(due))

    def _pause(self, now: float, linger_until: float | None) -> float | None:
        moments = [parcel.due for parcel in self._waiting]
        if self._queue and linger_until is not None:
            moments.append(linger_until)
        return max(0.0, min(moments) - now) if moments else None

    def _take(self) -> list[Parcel]:
        with self._lock:
            self._in_flight = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
            return list(self._in_flight)

    def _export(self, batch: Sequence[Parcel]) -> list[Delivery]:
        """Deliveries for `batch`, in order; a call that cannot be decoded does not hold back the others."""
        deliveries: list[Delivery | None] = [self._decoded(parcel) for parcel in batch]
        records = [parcel.record for parcel in batch if parcel.record is not None]
        exported = iter(self._lanes.export(records))
        return [next(exported) if delivery is None else delivery for delivery in deliveries]

    def _decoded(self, parcel: Parcel) -> Delivery | None:
        if parcel.record is None:
            try:
                parcel.record = self._decode(parcel.call)
            except BaseException as fault:  # data of the caller's may have a `__str__` that raises anything
                report("decoding a call", fault)
                return Rejected(f"could not be decoded: {type(fault).__name__}")
        return None

    def _settle(self, batch: Sequence[Parcel], deliveries: Sequence[Delivery]) -> None:
        outcomes: list[tuple[Parcel, Delivered | Rejected]] = []
        hopeless = self._closing and all(isinstance(delivery, TryLater) for delivery in deliveries)
        with self._lock:
            still_ours = {id(parcel) for parcel in self._in_flight}
            for parcel, delivery in zip(batch, deliveries, strict=True):
                if id(parcel) not in still_ours:
                    continue  # given up by `close` while it was under way
                match delivery:
                    case TryLater(after_s):
                        self._retried += 1
                        parcel.attempts += 1
                        parcel.due = time.monotonic() + wait_before(parcel.attempts, after_s)
                        self._waiting.append(parcel)
                        continue
                    case Delivered():
                        self._delivered += 1
                    case Rejected():
                        self._rejected += 1
                self._bytes -= parcel.size
                outcomes.append((parcel, delivery))
            self._in_flight = []
        log_troubles(deliveries)
        for parcel, outcome in outcomes:
            parcel.settle(outcome)
        if hopeless:
            self._give_up("the process ended before it was delivered")
        self._tell_if_done()

    def _tell_if_done(self) -> None:
        with self._lock:
            if self._left():
                return
            waiting, self._all_done = self._all_done, []
        for done in waiting:
            done.set()

    def _requeue(self) -> None:
        with self._lock:
            self._queue.extendleft(reversed(self._in_flight))
            self._in_flight = []

    def _give_up(self, reason: str) -> bool:
        """Drop whatever is left; true if there was nothing."""
        with self._lock:
            left = [*self._in_flight, *self._queue, *self._waiting]
            self._in_flight, self._waiting = [], []
            self._queue.clear()
            self._dropped += len(left)
            self._bytes = 0
        if left:
            log.warning("%d records were not delivered: %s", len(left), reason)
        for parcel in left:
            parcel.settle(Rejected(reason))
        return not left

    def _in_forked_child(self) -> None:
        """Start empty: the parent still has the queue, and its threads do not exist here."""
        left = [*self._in_flight, *self._queue, *self._waiting]
        closing = self._closing
        self._begin_anew()
        self._closing = closing
        self._lanes.forget()
        for parcel in left:
            parcel.settle(Rejected("the call belongs to the process this one was forked from"))
