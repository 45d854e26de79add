"""What the answer to items that were sent means: for the account, the circuit, the spool, whoever waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from promptlayer_patch._delivery.circuit import Circuit
from promptlayer_patch._delivery.pace import Pace
from promptlayer_patch._delivery.parcels import Counts, NotYet, wait_before
from promptlayer_patch._delivery.spooling import Spooling
from promptlayer_patch._guard import quietly
from promptlayer_patch._outbox import Item
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Delivered, Delivery, Rejected, TryLater


@dataclass(slots=True)
class State:
    """What the senders share, under one lock that may be entered again by a signal handler."""

    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    """There may be something to do for a sender."""
    settled: threading.Condition = field(init=False)
    """Of the same lock: something is done, for those who wait for that."""
    pace: Pace = field(default_factory=Pace)
    news: int = 0
    """Counts what happened, so that nothing is missed between looking and waiting."""
    circuit: Circuit = field(default_factory=Circuit)
    held_until: float | None = None
    """By `time.monotonic()`: what there is waits, since more is on its way, unless somebody waits for it."""
    awaited: int = 0
    """How many wait until everything is delivered."""
    threads: int = 0
    idle: int = 0
    watchers: int = 0
    """How many of the idle ones are only there in case that those who are under way get stuck."""
    under_way: dict[int, Item] = field(default_factory=dict)
    ending: bool = False
    closed: bool = False
    hopeless: bool = False
    """While the process ends: what was tried since has failed."""
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.settled = threading.Condition(self.changed._lock)  # type: ignore[attr-defined]

    def pause_s(self) -> float | None:
        """0 if something may be sent now, else the seconds until then; `None` if nobody can say."""
        pause_s = self.circuit.pause_s()
        if pause_s is None or self.held_until is None or self.awaited or self.ending:
            return pause_s
        return max(pause_s, self.held_until - time.monotonic())

    def end_hold(self) -> None:
        """There is nothing to send: a hold that is over may be followed by another."""
        with self.changed:
            if self.held_until is not None and self.held_until <= time.monotonic():
                self.held_until = None


def book(
    state: State,
    spooling: Spooling,
    items: Sequence[Item],
    deliveries: Sequence[Delivery],
    began_at_the_end: bool,
) -> None:
    """What became of items that were sent together, for the account, the circuit, the spool and who waits.

    They are under way until all of them know.
    """
    told = [
        (item, delivery)
        for item, delivery in zip(items, deliveries, strict=True)
        if isinstance(delivery, Delivered) and _is_on_disk(item) and spooling.has(item)
    ]
    was_out = bool(told) and _told(state, spooling, told)
    known = {id(item) for item, _ in told}
    failures = 0
    for item, delivery in zip(items, deliveries, strict=True):
        if id(item) not in known:
            failures += _has_failed(delivery)
            was_out |= _booked(state, spooling, item, delivery, began_at_the_end, is_news=failures <= 1)
    if was_out:
        quietly("recalling", spooling.recall)
    with state.changed:
        for item in items:
            state.under_way.pop(id(item), None)
        state.news += 1
        state.settled.notify_all()
        if was_out or not all(isinstance(delivery, Delivered) for delivery in deliveries):
            state.changed.notify_all()  # else who has delivered them looks for what there is to do now


def _told(state: State, spooling: Spooling, told: Sequence[tuple[Item, Delivered]]) -> bool:
    """What was delivered from the disk; whether that ends an outage."""
    # Before the spool forgets them: an annotation that is put meanwhile asks for the outcome, or else finds
    # the request still there.
    was_out = False
    for item, delivery in told:
        was_out |= _account(state, item, delivery, int(spooling.owns(item)))
        quietly("settling a receipt", spooling.outcomes.settle, item.key, delivery)
    settled = [(item, _id_for_followers(item, delivery)) for item, delivery in told]
    quietly("forgetting what was delivered", spooling.delivered, settled)
    return was_out


def _booked(
    state: State,
    spooling: Spooling,
    item: Item,
    delivery: Delivery,
    began_at_the_end: bool,
    *,
    is_news: bool,
) -> bool:
    """What became of one item; whether that ends an outage.

    A failure `is_news` for the circuit once for each request, however many records were in it.
    """
    own, was_out = spooling.owns(item), False
    settled = _settled(state, spooling, item, delivery)
    if settled is None:
        with state.changed:
            state.circuit.gave_up(item.key)
        return False
    with state.changed:
        state.hopeless = state.hopeless or (_has_failed(delivery) and began_at_the_end)
    was_out = _account(state, item, delivery, own * len(settled), is_news=is_news)
    if not isinstance(delivery, TryLater):
        for one in settled:
            quietly("settling a receipt", spooling.outcomes.settle, one.key, delivery)
    return was_out


def _account(state: State, item: Item, delivery: Delivery, own: int, *, is_news: bool = True) -> bool:
    """Count `own` items of this process; whether the answer ends an outage."""
    circuit, counts = state.circuit, state.counts
    with state.changed:
        match delivery:
            case NotYet():
                circuit.gave_up(item.key)
            case TryLater(after_s, reason, refuses_key):
                counts.retried += own
                if refuses_key:
                    circuit.refuse(reason)
                elif is_news:
                    circuit.failed(item.key, _asked(after_s))
            case Delivered():
                counts.delivered += own
                counts.adopted += not own
                return circuit.succeeded()
            case Rejected():
                counts.rejected += own
                return circuit.succeeded()
    return False


def _settled(state: State, spooling: Spooling, item: Item, delivery: Delivery) -> list[Item] | None:
    """Let the spool know; what is settled by that, `None` if it was given up while it was under way."""
    # In memory, `end` may give it up at any moment, under this lock; on disk it is not given up, and the
    # lock is not held while the disk is waited for.
    with nullcontext() if _is_on_disk(item) else state.changed:
        if not spooling.has(item):
            return None
        match delivery:
            case TryLater(after_s, _, refuses_key):
                item.attempts += not isinstance(delivery, NotYet)
                if refuses_key:
                    quietly("marking the outbox", spooling.key_was_refused, item)
                quietly("putting off", spooling.put_off, item, wait_before(item.attempts, after_s))
            case Delivered():
                settled = [(item, _id_for_followers(item, delivery))]
                quietly("forgetting what was delivered", spooling.delivered, settled)
            case Rejected(reason):
                return [item, *spooling.reject(item, reason)]
    return [item]


def _is_on_disk(item: Item) -> bool:
    return item.spool is not None and item.spool.on_disk


def _id_for_followers(item: Item, delivery: Delivered) -> int | None:
    """What follows an annotation is about the same request."""
    return item.request_id if isinstance(item.load, Annotation) else delivery.request_id


def _has_failed(delivery: Delivery) -> bool:
    return isinstance(delivery, TryLater) and not isinstance(delivery, NotYet)


def _asked(after_s: object) -> float | None:
    """What a destination asked for, if that is a time."""
    return float(after_s) if isinstance(after_s, (int, float)) and after_s >= 0 else None
