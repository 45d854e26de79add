"""Delivers what is in the outbox, over several connections, for as long as it takes.

Each sender is a thread that takes one item at a time, so that a slow one holds up nobody; or, where the
exporter sends many records in one request, what waits. What an answer means for the items and for the
destination is decided in `booking`.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptlayer_patch._delivery.booking import State, book
from promptlayer_patch._delivery.lane import Lane
from promptlayer_patch._delivery.parcels import Counts, Load, PendingAnnotation, log_troubles
from promptlayer_patch._delivery.spooling import LEFT, Spooling
from promptlayer_patch._guard import quietly, report, warn_once
from promptlayer_patch._outbox import Item, Unusable
from promptlayer_patch.records import Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch.exporters import Exporter

_LONGEST_HOLD_S = 1.0
_LAST_ANSWERS_S = 0.25
"""How long the end of the process waits for what a destination that fails has yet to answer."""


class Courier:
    """Empties the spools of `spooling` with exporters from `open_exporter`, `connections` at a time."""

    def __init__(self, spooling: Spooling, open_exporter: Callable[[], Exporter], connections: int) -> None:
        self._spooling = spooling
        self._open_exporter = open_exporter
        self._connections = connections
        self._begin()
        if hasattr(os, "register_at_fork"):
            in_child = weakref.WeakMethod(self._in_forked_child)
            os.register_at_fork(after_in_child=lambda: (found := in_child()) and found())

    def _begin(self) -> None:
        self._state = State()

    def nudge(self) -> None:
        """There is something new to deliver, or what was held back may go."""
        state = self._state
        with state.changed:
            state.held_until = None
        self._tell(state)

    def hold_back(self) -> None:
        """There is something new, but delivering it would be in the way now.

        It waits for a `nudge`, but no longer than a second.
        """
        state = self._state
        with state.changed:
            now = time.monotonic()
            if state.held_until is None:  # told at once, so that a sender is there when the second is over
                state.held_until = now + _LONGEST_HOLD_S
            elif now < state.held_until and not state.awaited:
                return
        self._tell(state)

    def release(self) -> None:
        """Nothing more is coming for now."""
        if self._state.held_until is not None:
            self.nudge()

    def _tell(self, state: State) -> None:
        with state.changed:
            state.news += 1
            state.changed.notify()
        self._start_one_more(state)

    def flush(self, timeout_s: float) -> bool:
        """Deliver everything there is now; false if that did not work within `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        state = self._state
        with state.changed:
            state.circuit.try_now()
            state.awaited += 1
        try:
            self._begin_to_deliver(deadline)
            with state.changed:
                state.settled.wait_for(
                    lambda: not self._busy() or state.circuit.refusal is not None,
                    min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX),
                )
                return not self._busy()
        finally:
            with state.changed:
                state.awaited -= 1

    def end(self, timeout_s: float) -> int:
        """The process ends: deliver what can be within `timeout_s` seconds; how many of ours are left.

        What is left stays in the outbox. Nothing is tried at a destination that does not answer.
        """
        deadline = time.monotonic() + timeout_s
        state = self._state
        with state.changed:
            state.ending, state.hopeless = True, False
            state.news += 1
            state.changed.notify_all()
        if not state.circuit.is_open and timeout_s > 0:
            self._begin_to_deliver(deadline)
            with state.changed:
                state.settled.wait_for(
                    lambda: not self._busy() or state.hopeless or state.circuit.is_open,
                    min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX),
                )
        with state.changed:
            # What is under way may be answered in this moment; if nobody noted that, it would be sent again.
            state.settled.wait_for(
                lambda: not state.under_way, min(max(0.0, deadline - time.monotonic()), _LAST_ANSWERS_S)
            )
            given_up = self._spooling.give_up()
            state.counts.dropped += given_up
            return given_up + self._spooling.own_count()

    def close(self, timeout_s: float) -> None:
        """Let the threads end, and give the outboxes back when the last has. Call `end` first."""
        state = self._state
        with state.changed:
            state.closed = True
            state.news += 1
            state.changed.notify_all()
            if not state.threads:
                self._spooling.close()
            state.settled.wait_for(lambda: not state.threads, min(timeout_s, threading.TIMEOUT_MAX))
        self._spooling.outcomes.settle_all(Rejected(LEFT))

    def counts(self) -> tuple[Counts, int]:
        """What became of our items, and how many are in memory; both of one moment."""
        state = self._state
        with state.changed:
            counts = state.counts
            now = Counts(counts.delivered, counts.rejected, counts.dropped, counts.retried, counts.adopted)
            return now, self._spooling.in_memory()

    @property
    def is_refused(self) -> bool:
        return self._state.circuit.refusal is not None

    def _busy(self) -> bool:
        return bool(self._spooling.own_count() or self._state.under_way)

    def _begin_to_deliver(self, deadline: float) -> None:
        """What is ours, without waiting for when it is due."""
        self._spooling.recall()
        if self._spooling.own_count():
            self.nudge()
            if not self._state.threads:
                self._deliver_here(deadline)

    def _start(self, state: State) -> bool:
        thread = threading.Thread(target=self._run, args=(state,), name="promptlayer-sender", daemon=True)
        try:
            thread.start()
        except RuntimeError as fault:  # the interpreter shuts down, or there are no threads left
            if "interpreter shutdown" not in str(fault):
                report("starting a sender", fault)
            return False
        return True

    def _run(self, state: State) -> None:
        lane = Lane(self._open_exporter)
        try:
            while self._send_next(state, lane):
                pass
        except BaseException as fault:  # the next record starts a new thread
            report("delivering", fault)
        quietly("closing an exporter", lane.close)
        with state.changed:
            if state.closed and state.threads == 1:
                quietly("closing the outbox", self._spooling.close)
            state.threads -= 1
            state.settled.notify_all()

    def _send_next(self, state: State, lane: Lane) -> bool:
        """Wait for an item and deliver it; false when the courier is closed."""
        # A method of its own, so that no variable keeps items alive while the next ones are awaited.
        with state.changed:
            if state.closed:
                return False
            news, pause_s = state.news, state.pause_s()
            watches = pause_s == 0.0 and state.pace.is_enough()
            if pause_s == 0.0 and not watches:
                state.circuit.chooses()
        if watches:
            self._watch(state, news)
            return True
        if pause_s == 0.0:
            items = self._chosen(state, lane)
            if items:
                self._deliver(state, lane, items)
                return True
            state.end_hold()
            pause_s = self._until_due()
        self._wait(state, news, pause_s)
        return True

    def _chosen(self, state: State, lane: Lane) -> list[Item]:
        """The next item and what goes along with it; they are under way from now on."""
        # Not under the lock: the disk may be slow, and the worker must not wait for it to nudge us.
        item = self._next(state)
        items = [] if item is None else [item, *self._company(state, lane, item)]
        with state.changed:
            state.circuit.sends(item.key if item is not None else None)
            state.under_way.update((id(one), one) for one in items)
        if items and not (state.watchers and state.pace.is_quick) and self._spooling.has_more():
            self._call_another(state)
        return items

    def _company(self, state: State, lane: Lane, item: Item) -> list[Item]:
        """What goes in the same request: nothing where that is only to find out whether it is answered."""
        batch = lane.batch
        if batch is None or state.circuit.is_open:
            return []
        try:
            return self._spooling.take_along(item, batch.records - 1, batch.size)
        except Exception as fault:  # the item itself is taken already, and must go
            report("looking for what goes along", fault)
            return []

    def _watch(self, state: State, news: int) -> None:
        """Be there in case that those who are under way get stuck."""
        with state.changed:
            state.watchers += 1
            try:
                self._wait(state, news, state.pace.look_again_s)
            finally:
                state.watchers -= 1

    def _wait(self, state: State, news: int, pause_s: float | None) -> None:
        with state.changed:
            if state.news == news and not state.closed:
                state.idle += 1
                try:
                    state.changed.wait(pause_s)
                finally:
                    state.idle -= 1

    def _next(self, state: State) -> Item | None:
        try:
            return self._spooling.take(own_only=state.ending, fresh_first=state.circuit.is_open)
        except Unusable as trouble:
            warn_once("outbox", "the outbox cannot be read: %s", trouble)
            return None

    def _call_another(self, state: State) -> None:
        """There is more than this thread can take."""
        with state.changed:
            state.changed.notify()
        self._start_one_more(state)

    def _start_one_more(self, state: State) -> None:
        """Unless one is idle, or there are as many as there may be."""
        with state.changed:
            starts = not state.idle and state.threads < self._connections and not state.closed
            state.threads += starts
        if starts and not self._start(state):
            with state.changed:
                state.threads -= 1

    def _until_due(self) -> float | None:
        due = self._spooling.next_due()
        return None if due is None else max(0.0, due - time.monotonic())

    def _deliver_here(self, deadline: float) -> None:
        """On the caller's thread: late at the end of the process no thread can be started any more."""
        state, lane = self._state, Lane(self._open_exporter)
        while time.monotonic() < deadline and not state.hopeless and state.circuit.pause_s() == 0.0:
            state.circuit.chooses()
            items = self._chosen(state, lane)
            if not items:
                break
            self._deliver(state, lane, items)
        lane.close()

    def _deliver(self, state: State, lane: Lane, items: Sequence[Item]) -> None:
        began_at_the_end, sender = state.ending, threading.get_ident()
        quietly("taking the pace", state.pace.begins, sender)
        deliveries: list[Delivery] = [TryLater(reason="a fault of promptlayer_patch")] * len(items)
        try:
            if items[0].unreadable is not None:  # which nothing goes along with
                deliveries = [Rejected(items[0].unreadable)]
            else:
                deliveries = lane.export([_load_of(item) for item in items])
            log_troubles(deliveries)
        finally:
            quietly("taking the pace", state.pace.ends, sender)
            book(state, self._spooling, items, deliveries, began_at_the_end)

    def _in_forked_child(self) -> None:
        """Start empty: what is in the outbox is the parent's, and its threads do not exist here."""
        self._begin()
        quietly("forking", self._spooling.begin_anew)


def _load_of(item: Item) -> Load:
    if isinstance(item.load, Record):
        return item.load
    item.look_up()
    return PendingAnnotation(replace(item.load, request_id=item.request_id), item.known)
