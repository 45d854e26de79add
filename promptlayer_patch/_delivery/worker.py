"""The one thread that empties the backlog of a destination.

The caller's thread adds and, if the worker sleeps, rings; everything else happens here. The bell is a
`SimpleQueue`, whose `put` may be entered again by a garbage collection or a signal handler.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

from promptlayer_patch._capture.call import FORKED
from promptlayer_patch._delivery.backlog import Backlog
from promptlayer_patch._delivery.parcels import Cargo, Load, Parcel, Stats, log_troubles, requests_first
from promptlayer_patch._delivery.rhythm import Lingers, Rhythm
from promptlayer_patch._delivery.spent import LONG, Spent
from promptlayer_patch._delivery.turn import Turn
from promptlayer_patch._delivery.waits import Wait
from promptlayer_patch._guard import log, quietly, report, warn_once
from promptlayer_patch.records import Delivery, Outcome, Rejected, TryLater

_BATCH = 256
_LINGERS = Lingers(alone_s=0.05, in_a_crowd_s=0.1, kept_out_s=0.25)
"""How long a record may wait for company; less when somebody waits for its id."""
_ENDED = "the process ended before it was delivered"


class Sink(Protocol):
    """Where the worker hands on what it takes from the queue."""

    def export(self, loads: Sequence[Load]) -> list[Delivery]:
        """A delivery for each of them, in order; never raises."""

    def close(self) -> None:
        """Let go of what is held; it is opened again by the next `export`."""

    def forget(self) -> None:
        """In a forked child: what is held is the parent's."""


class Worker:
    """Delivers to one destination, from a thread of its own that starts with the first record.

    `decode` turns what is put into what is exported, on that thread; `lane` exports there.
    """

    def __init__(
        self,
        lane: Sink,
        decode: Callable[[Cargo], Load],
        *,
        max_records: int,
        max_bytes: int,
        lingers: Lingers = _LINGERS,
        batch: int = _BATCH,
        rests: Callable[[], object] = lambda: None,
        decoded: Callable[[Parcel], object] = lambda parcel: None,
    ) -> None:
        """`batch` is how many go together. `decoded` is told of each parcel before it is exported; `rests` is
        called when there is nothing left to do.
        """
        self._lane = lane
        self._batch = batch
        self._lingers = lingers
        self._rests = rests
        self._on_decoded = decoded
        self._decode = decode
        self._begin_with(Backlog(max_records, max_bytes))
        self._ending = False
        self._closing = False
        if hasattr(os, "register_at_fork"):
            # Weakly, or every worker there ever was would live as long as the process.
            in_child = weakref.WeakMethod(self._in_forked_child)
            os.register_at_fork(after_in_child=lambda: (found := in_child()) and found())

    def _begin_with(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._lock = backlog.lock
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ended = threading.Lock()
        self._turn = Turn()
        self._spent = Spent()
        self._idle = True
        self._urgent = False
        self.rhythm = Rhythm(self._lingers)
        self._gave_up = False
        self._waits: list[Wait] = []
        self._delivering_here: set[int] = set()
        """The threads of callers that deliver."""

    def put(self, cargo: Cargo, settle: Callable[[Outcome], None], *, may_start: bool) -> None:
        """Queue a finished call or an annotation; `settle` is told its outcome.

        Drops it when the queue is full. Waits for nothing but a worker that was kept out, see `turn`.

        With `may_start` false no thread is started: a garbage collection may run while the interpreter
        holds the lock that starting a thread needs.
        """
        parcel, ring = Parcel(cargo, settle), False
        with self._lock:
            if self._closing:
                self._backlog.refuse(parcel)
                refusal = "promptlayer_patch was uninstalled"
            elif not self._backlog.add(parcel):
                refusal = "the queue is full"
            else:
                refusal = ""
                now = time.monotonic()
                if self._idle:
                    self._idle, ring = False, True
                    self.rhythm.begins(now)
                    self._turn.wanted(now)
        if ring:
            self._wake(may_start)
        elif not refusal:
            overdue_at = self._turn.overdue_at
            if may_start and now > overdue_at:
                quietly("standing aside", self._turn.stand_aside, overdue_at)
        else:
            warn_once(f"dropped: {refusal}", "a record was dropped: %s", refusal)
            settle(Rejected(f"dropped: {refusal}"))
        if self._spent.bodies and parcel.size >= LONG:
            quietly("giving memory back", self._spent.give_back, parcel.size)

    def urge(self) -> None:
        """Deliver what is queued without waiting for more: somebody waits for an id."""
        with self._lock:
            self._urgent = True
        self._wake(may_start=True)

    def flush(self, timeout_s: float) -> bool:
        """Deliver now what has been put so far; false if `timeout_s` seconds were not enough."""
        with self._lock:
            parcels = self._backlog.everything()
        return self._awaited(parcels, timeout_s)

    def end(self, timeout_s: float) -> bool:
        """The process ends: deliver what can be within `timeout_s` seconds and give up the rest.

        What is put after this is still taken, for exit handlers that run later and threads that call to the
        last; call `end` again then. False if there was a rest.
        """
        with self._lock:
            self._ending = True
            # What others put from now on is for their own `end` to give up.
            parcels = self._backlog.everything()
        try:
            self._awaited(parcels, timeout_s)
        except Exception as fault:
            report("delivering the rest", fault)
        return self._give_up(parcels)

    def close(self, timeout_s: float) -> bool:
        """`end`, and take nothing more."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._closing = True
        delivered = self.end(timeout_s)
        self._bell.put(None)
        if self._thread not in (None, threading.current_thread()):
            # Not `join`, which cannot be called before the thread has been started.
            left_s = min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
            if self._ended.acquire(timeout=left_s):
                self._ended.release()
        return delivered

    def is_entered(self) -> bool:
        """Whether the calling thread holds the lock of the queue, as under a signal handler."""
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]

    def stats(self) -> Stats:
        return self._backlog.stats()

    def _wake(self, may_start: bool) -> None:
        if self._thread is None and (not may_start or self._start() is None):
            with self._lock:
                self._idle = True  # the next call tries again
            return
        self._bell.put(None)

    def _start(self) -> threading.Thread | None:
        with self._lock:
            if self._thread is not None:
                return self._thread  # running, or being started, perhaps further up this very stack
            ended = threading.Lock()
            ended.acquire()
            self._ended = ended
            thread = threading.Thread(target=self._run, args=(ended,), name="promptlayer-worker", daemon=True)
            self._thread = thread
        try:
            # Not under the lock: this waits for the new thread, and a collection there may want to put.
            thread.start()
        except RuntimeError as fault:  # the interpreter shuts down, or there are no threads left
            with self._lock:
                self._thread = None
            if "interpreter shutdown" not in str(fault):  # then `flush` delivers on the thread that calls it
                report("starting the delivery thread", fault)
            return None
        return thread

    def _run(self, ended: threading.Lock) -> None:
        try:
            while self._deliver_next():
                pass
        except BaseException as fault:  # the next record starts a new thread
            report("delivering", fault)
        try:
            self._lane.close()
        except BaseException as fault:
            report("closing exporters", fault)
        with self._lock:
            self._thread = None
            self._idle = True
        ended.release()

    def _deliver_next(self) -> bool:
        """Wait for a batch and deliver it; false when the worker is closing and nothing is left."""
        # A method of its own, so that no variable keeps a batch alive while the next one is awaited.
        if not self._wait():
            return False
        self._deliver_batch()
        return True

    def _awaited(self, parcels: list[Parcel], timeout_s: float) -> bool:
        """Deliver at once; whether these parcels are done within the time."""
        deadline = time.monotonic() + timeout_s
        wait = Wait(list(parcels))
        with self._lock:
            if wait.is_over():
                return True
            self._waits.append(wait)
            self._backlog.call_back(everything=True)
        self.urge()
        if self._thread is None:
            self._deliver_here(deadline)
        if threading.get_ident() not in self._delivering_here:  # else it would wait for itself
            wait.over.wait(min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX))
        with self._lock:
            if wait in self._waits:
                self._waits.remove(wait)
            return wait.is_over()

    def _deliver_here(self, deadline: float) -> None:
        """On the caller's thread: late at the end of the process no thread can be started any more."""
        me = threading.get_ident()
        if me in self._delivering_here:
            return
        self._delivering_here.add(me)
        try:
            while self._backlog.queued() and time.monotonic() < deadline:
                self._deliver_batch()
        finally:
            self._delivering_here.discard(me)

    def _deliver_batch(self) -> None:
        self._turn.works()
        try:
            last_try = self._ending  # what is answered to a question from before is asked once more
            batch = self._backlog.take(self._batch)
            self.rhythm.took(len(batch), sum(parcel.size for parcel in batch))
            for part in requests_first(batch):
                self._settle(part, self._export(part), last_try)
        except BaseException as fault:  # nobody but us runs here, and somebody may wait for this thread
            report("delivering", fault)
            self._lane.close()
            self._backlog.put_off()
        self.rhythm.delivered()
        self._turn.ends()

    def _wait(self) -> bool:
        """Until there is something to deliver; false when the worker is closing and nothing is left.

        After a batch the thread stays awake until the next one could begin: where one call follows the other,
        none of them has to wake it, which takes the caller longer than all else.
        """
        while True:
            now = time.monotonic()
            # Not under the lock: callers need it, and to free megabytes takes a while.
            self._spent.expire(now)
            with self._lock:
                self._backlog.call_back(everything=self._ending)
                if queued := self._backlog.queued():
                    self._idle = False  # what was refused before is due again, and not all at once
                    if queued >= self._batch or self._urgent or self._ending or now >= self.rhythm.next_at:
                        return True
                elif self._closing:
                    return False
                elif self._urgent or now >= self.rhythm.next_at:
                    self._idle = True
                    self._urgent = False
                moments = [None if self._idle else self.rhythm.next_at, self._backlog.next_due()]
                moment = min((at for at in moments if at is not None), default=None)
                self._turn.wanted(moment)
                wakes_at = min(self._spent.until, math.inf if moment is None else moment)
            if self._idle:
                self._rests()
            self._turn.ends()
            try:
                self._bell.get(timeout=None if wakes_at == math.inf else max(0.0, wakes_at - now))
            except Empty:
                quietly("taking the time", self.rhythm.woke, time.monotonic(), wakes_at)
            self._turn.begins()

    def _export(self, batch: Sequence[Parcel]) -> list[Delivery]:
        """Deliveries for `batch`, in order; a call that cannot be decoded does not hold back the others."""
        deliveries: list[Delivery | None] = [self._decoded(parcel) for parcel in batch]
        loads = [parcel.load for parcel in batch if parcel.load is not None]
        self._turn.works()
        exported = iter(self._lane.export(loads) if loads else ())
        return [next(exported) if delivery is None else delivery for delivery in deliveries]

    def _decoded(self, parcel: Parcel) -> Delivery | None:
        if parcel.load is None:
            try:
                parcel.load = self._decode(parcel.cargo)
                self._on_decoded(parcel)
            except BaseException as fault:  # data of the caller's may have a `__str__` that raises anything
                parcel.load = None  # what has its delivery now must not be exported
                report("decoding a call", fault)
                return Rejected(f"could not be decoded: {type(fault).__name__}")
        return None

    def _settle(self, batch: Sequence[Parcel], deliveries: Sequence[Delivery], last_try: bool) -> None:
        outcomes = self._backlog.settle(batch, deliveries)
        log_troubles(deliveries)
        for parcel, outcome in outcomes:
            parcel.settle(outcome)
        quietly("keeping memory", self._spent.keep, [parcel for parcel, _ in outcomes])
        if last_try and all(isinstance(delivery, TryLater) for delivery in deliveries):
            with self._lock:
                everything = self._backlog.everything()
            self._give_up(everything)
        self._end_waits()

    def _end_waits(self) -> None:
        with self._lock:
            over = [wait for wait in self._waits if wait.is_over()]
            self._waits = [wait for wait in self._waits if wait not in over]
        for wait in over:
            wait.over.set()

    def _give_up(self, parcels: Sequence[Parcel]) -> bool:
        """Drop what is left of these; whether nothing ever was, since this is the end."""
        left = self._backlog.give_up(parcels)
        if left:
            self._gave_up = True
            log.warning("%d records were not delivered: %s", len(left), _ENDED)
        for parcel in left:
            parcel.settle(Rejected(_ENDED))
        self._end_waits()
        return not self._gave_up

    def _in_forked_child(self) -> None:
        """Start empty: the parent still has the backlog, and its threads do not exist here."""
        theirs = self._backlog.everything()  # without its lock, which may have been held by another thread
        self._begin_with(self._backlog.anew())
        self._lane.forget()
        for parcel in theirs:
            parcel.settle(FORKED)
