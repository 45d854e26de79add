"""Delivers what is in the outbox, over several connections, for as long as it takes.

Each sender is a thread that takes one item at a time, so that a slow one holds up nobody. What an answer
means for the item and for the destination is decided in `_book`.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from promptlayer_patch._circuit import Circuit
from promptlayer_patch._guard import quietly, report, warn_once
from promptlayer_patch._lane import Lane
from promptlayer_patch._outbox import Item, Unusable
from promptlayer_patch._parcels import Counts, Load, NotYet, PendingAnnotation, log_troubles, wait_before
from promptlayer_patch._spooling import LEFT, Spooling
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch.exporters import Exporter

_SPOOL_TROUBLE_S = 5.0
"""When an outbox that could not be read is looked at again."""


@dataclass(slots=True)
class _State:
    """What the senders share, under one lock that may be entered again by a signal handler."""

    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    news: int = 0
    """Counts what happened, so that nothing is missed between looking and waiting."""
    threads: int = 0
    idle: int = 0
    under_way: dict[int, Item] = field(default_factory=dict)
    ending: bool = False
    closed: bool = False
    hopeless: bool = False
    """While the process ends: what was tried since has failed."""
    counts: Counts = field(default_factory=Counts)


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
        self._state = _State()
        self._circuit = Circuit()

    def nudge(self) -> None:
        """There is something new to deliver."""
        state = self._state
        with state.changed:
            state.news += 1
            state.changed.notify()
        self._start_one_more(state)

    def flush(self, timeout_s: float) -> bool:
        """Deliver everything there is now; false if that did not work within `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        state = self._state
        with state.changed:
            self._circuit.try_now()
        self._begin_to_deliver(deadline)
        with state.changed:
            state.changed.wait_for(
                lambda: not self._busy() or self._circuit.refusal is not None,
                min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX),
            )
            return not self._busy()

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
        if not self._circuit.is_open and timeout_s > 0:
            self._begin_to_deliver(deadline)
            with state.changed:
                state.changed.wait_for(
                    lambda: not self._busy() or state.hopeless or self._circuit.is_open,
                    min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX),
                )
        with state.changed:
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
            state.changed.wait_for(lambda: not state.threads, min(timeout_s, threading.TIMEOUT_MAX))
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
        return self._circuit.refusal is not None

    def _busy(self) -> bool:
        return bool(self._spooling.own_count() or self._state.under_way)

    def _begin_to_deliver(self, deadline: float) -> None:
        """What is ours, without waiting for when it is due."""
        self._spooling.recall()
        if self._spooling.own_count():
            self.nudge()
            if not self._state.threads:
                self._deliver_here(deadline)

    def _start(self, state: _State) -> bool:
        thread = threading.Thread(target=self._run, args=(state,), name="promptlayer-sender", daemon=True)
        try:
            thread.start()
        except RuntimeError as fault:  # the interpreter shuts down, or there are no threads left
            if "interpreter shutdown" not in str(fault):
                report("starting a sender", fault)
            return False
        return True

    def _run(self, state: _State) -> None:
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
            state.changed.notify_all()

    def _send_next(self, state: _State, lane: Lane) -> bool:
        """Wait for an item and deliver it; false when the courier is closed."""
        # A method of its own, so that no variable keeps an item alive while the next one is awaited.
        with state.changed:
            if state.closed:
                return False
            news, pause_s = state.news, self._circuit.pause_s()
            if pause_s == 0.0:
                self._circuit.chooses()
        if pause_s == 0.0:
            item = self._chosen(state)
            if item is not None:
                self._deliver(state, lane, item)
                return True
            pause_s = self._until_due()
        self._wait(state, news, pause_s)
        return True

    def _chosen(self, state: _State) -> Item | None:
        """The next item, which is under way from now on."""
        # Not under the lock: the disk may be slow, and the worker must not wait for it to nudge us.
        item = self._next(state)
        with state.changed:
            self._circuit.sends(item.key if item is not None else None)
            if item is not None:
                state.under_way[id(item)] = item
        return item

    def _wait(self, state: _State, news: int, pause_s: float | None) -> None:
        with state.changed:
            if state.news == news and not state.closed:
                state.idle += 1
                try:
                    state.changed.wait(pause_s)
                finally:
                    state.idle -= 1

    def _next(self, state: _State) -> Item | None:
        try:
            item = self._spooling.take(own_only=state.ending, fresh_first=self._circuit.is_open)
        except Unusable as trouble:
            warn_once("outbox", "the outbox cannot be read: %s", trouble)
            return None
        if item is not None and self._spooling.has_more():
            self._call_another(state)
        return item

    def _call_another(self, state: _State) -> None:
        """There is more than this thread can take."""
        with state.changed:
            state.changed.notify()
        self._start_one_more(state)

    def _start_one_more(self, state: _State) -> None:
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
        while time.monotonic() < deadline and not state.hopeless and self._circuit.pause_s() == 0.0:
            self._circuit.chooses()
            item = self._chosen(state)
            if item is None:
                break
            self._deliver(state, lane, item)
        lane.close()

    def _deliver(self, state: _State, lane: Lane, item: Item) -> None:
        began_at_the_end = state.ending
        delivery: Delivery = TryLater(reason="a fault of promptlayer_patch")
        try:
            if item.unreadable is not None:
                delivery = Rejected(item.unreadable)
            else:
                delivery = lane.export([_load_of(item)])[0]
            log_troubles([delivery])
        finally:
            self._book(state, item, delivery, began_at_the_end)

    def _book(self, state: _State, item: Item, delivery: Delivery, began_at_the_end: bool) -> None:
        """What became of the item, for the account, the circuit, the spool and whoever waits for it.

        It is under way until all of them know.
        """
        spooling, own, was_out = self._spooling, self._spooling.owns(item), False
        on_disk = item.spool is not None and item.spool.on_disk
        told = isinstance(delivery, Delivered) and on_disk and spooling.has(item)
        if told:
            # Before the spool forgets it: an annotation that is put meanwhile asks for the outcome, or else
            # finds the request still there.
            was_out = self._account(state, item, delivery, int(own))
            quietly("settling a receipt", spooling.outcomes.settle, item.key, delivery)
        settled = self._settled(state, item, delivery)
        if settled is None:
            with state.changed:
                self._circuit.gave_up(item.key)
        elif not told:
            with state.changed:
                state.hopeless = state.hopeless or (_has_failed(delivery) and began_at_the_end)
            was_out = self._account(state, item, delivery, own * len(settled))
        if was_out:
            quietly("recalling", spooling.recall)
        for one in settled or ():
            if not isinstance(delivery, TryLater):
                quietly("settling a receipt", spooling.outcomes.settle, one.key, delivery)
        with state.changed:
            state.under_way.pop(id(item), None)
            state.news += 1
            state.changed.notify_all()

    def _account(self, state: _State, item: Item, delivery: Delivery, own: int) -> bool:
        """Count `own` items of this process; whether the answer ends an outage."""
        circuit, counts = self._circuit, state.counts
        with state.changed:
            match delivery:
                case NotYet():
                    circuit.gave_up(item.key)
                case TryLater(after_s, reason, refuses_key):
                    counts.retried += own
                    if refuses_key:
                        circuit.refuse(reason)
                    else:
                        circuit.failed(item.key, _asked(after_s))
                case Delivered():
                    counts.delivered += own
                    counts.adopted += not own
                    return circuit.succeeded()
                case Rejected():
                    counts.rejected += own
                    return circuit.succeeded()
        return False

    def _settled(self, state: _State, item: Item, delivery: Delivery) -> list[Item] | None:
        """Let the spool know; what is settled by that, `None` if it was given up while it was under way."""
        spooling = self._spooling
        # In memory, `end` may give it up at any moment, under this lock; on disk it is not given up, and the
        # lock is not held while the disk is waited for.
        with nullcontext() if item.spool is not None and item.spool.on_disk else state.changed:
            if not spooling.has(item):
                return None
            match delivery:
                case TryLater(after_s, _, refuses_key):
                    item.attempts += not isinstance(delivery, NotYet)
                    if refuses_key:
                        quietly("marking the outbox", spooling.key_was_refused, item)
                    quietly("putting off", spooling.put_off, item, wait_before(item.attempts, after_s))
                case Delivered(request_id):
                    if isinstance(item.load, Annotation):
                        request_id = item.request_id
                    quietly("forgetting what was delivered", spooling.delivered, item, request_id)
                case Rejected(reason):
                    return [item, *spooling.reject(item, reason)]
        return [item]

    def _in_forked_child(self) -> None:
        """Start empty: what is in the outbox is the parent's, and its threads do not exist here."""
        self._begin()
        quietly("forking", self._spooling.begin_anew)


def _has_failed(delivery: Delivery) -> bool:
    return isinstance(delivery, TryLater) and not isinstance(delivery, NotYet)


def _asked(after_s: object) -> float | None:
    """What a destination asked for, if that is a time."""
    return float(after_s) if isinstance(after_s, (int, float)) and after_s >= 0 else None


def _load_of(item: Item) -> Load:
    if isinstance(item.load, Record):
        return item.load
    item.look_up()
    return PendingAnnotation(replace(item.load, request_id=item.request_id), item.known)
