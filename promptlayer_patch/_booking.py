"""What the answer to an item that was sent means: for the account, the circuit, the spool, whoever waits."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass, field

from promptlayer_patch._circuit import Circuit
from promptlayer_patch._guard import quietly
from promptlayer_patch._outbox import Item
from promptlayer_patch._parcels import Counts, NotYet, wait_before
from promptlayer_patch._spooling import Spooling
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Delivered, Delivery, Rejected, TryLater


@dataclass(slots=True)
class State:
    """What the senders share, under one lock that may be entered again by a signal handler."""

    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    news: int = 0
    """Counts what happened, so that nothing is missed between looking and waiting."""
    circuit: Circuit = field(default_factory=Circuit)
    threads: int = 0
    idle: int = 0
    under_way: dict[int, Item] = field(default_factory=dict)
    ending: bool = False
    closed: bool = False
    hopeless: bool = False
    """While the process ends: what was tried since has failed."""
    counts: Counts = field(default_factory=Counts)


def book(state: State, spooling: Spooling, item: Item, delivery: Delivery, began_at_the_end: bool) -> None:
    """What became of the item, for the account, the circuit, the spool and whoever waits for it.

    It is under way until all of them know.
    """
    own, was_out = spooling.owns(item), False
    on_disk = item.spool is not None and item.spool.on_disk
    told = isinstance(delivery, Delivered) and on_disk and spooling.has(item)
    if told:
        # Before the spool forgets it: an annotation that is put meanwhile asks for the outcome, or else
        # finds the request still there.
        was_out = _account(state, item, delivery, int(own))
        quietly("settling a receipt", spooling.outcomes.settle, item.key, delivery)
    settled = _settled(state, spooling, item, delivery)
    if settled is None:
        with state.changed:
            state.circuit.gave_up(item.key)
    elif not told:
        with state.changed:
            state.hopeless = state.hopeless or (_has_failed(delivery) and began_at_the_end)
        was_out = _account(state, item, delivery, own * len(settled))
    if was_out:
        quietly("recalling", spooling.recall)
    for one in settled or ():
        if not isinstance(delivery, TryLater):
            quietly("settling a receipt", spooling.outcomes.settle, one.key, delivery)
    with state.changed:
        state.under_way.pop(id(item), None)
        state.news += 1
        state.changed.notify_all()


def _account(state: State, item: Item, delivery: Delivery, own: int) -> bool:
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


def _settled(state: State, spooling: Spooling, item: Item, delivery: Delivery) -> list[Item] | None:
    """Let the spool know; what is settled by that, `None` if it was given up while it was under way."""
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


def _has_failed(delivery: Delivery) -> bool:
    return isinstance(delivery, TryLater) and not isinstance(delivery, NotYet)


def _asked(after_s: object) -> float | None:
    """What a destination asked for, if that is a time."""
    return float(after_s) if isinstance(after_s, (int, float)) and after_s >= 0 else None
