"""What the worker handles: a finished call under way to one destination, and the account of all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlayer_patch._guard import warn_once
from promptlayer_patch.records import Delivered, Delivery, Receipt, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch._call import Call

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
_LONGEST_ASKED_WAIT_S = 3600.0
"""Whatever a destination asks for, it is asked again after this."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What became of the records so far.

    At any moment recorded = delivered + queued + outbox + rejected + dropped.
    """

    recorded: int = 0
    """Calls handed to the queue."""
    delivered: int = 0
    queued: int = 0
    """In memory, waiting for their first or their next delivery."""
    outbox: int = 0
    """On disk, waiting likewise; what the process leaves there is delivered by a later one."""
    rejected: int = 0
    """Refused by the destination."""
    dropped: int = 0
    """Given up: the queue and the outbox were full, or the process ended first and there was no outbox."""
    retried: int = 0
    """Deliveries that had to be tried again, each try counted."""
    shortened: int = 0
    """Records whose content was shortened to fit."""
    adopted: int = 0
    """Delivered for processes that had ended before; counted in nothing else."""

    def __add__(self, other: Stats) -> Stats:
        return Stats(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(slots=True)
class Counts:
    """What became of what this process has put into its outbox."""

    delivered: int = 0
    rejected: int = 0
    dropped: int = 0
    retried: int = 0
    adopted: int = 0
    """Delivered for processes that are gone; not part of the account above."""

    @property
    def settled(self) -> int:
        return self.delivered + self.rejected + self.dropped


@dataclass(frozen=True, slots=True)
class Dropped(Rejected):
    """There was no room for the record."""


@dataclass(slots=True)
class FinishedCall:
    """A record that was made by others than our own capture, in the place of a `Call`."""

    record: Record
    receipt: Receipt
    size: int
    shared: bool = False
    in_finalizer: bool = False

    def lighten(self) -> bool:
        """Its content belongs to whoever made it."""
        return False


@dataclass(slots=True)
class Parcel:
    """A finished call on its way to one destination."""

    call: Call | FinishedCall
    settle: Callable[[Delivered | Rejected], None]
    size: int
    record: Record | None = None
    attempts: int = 0
    due: float = 0.0


def wait_before(attempt: int, after_s: object) -> float:
    """Seconds until the next try: what the destination asked for, if that is sane, else a random backoff."""
    if isinstance(after_s, (int, float)) and after_s >= 0:
        return float(min(after_s, _LONGEST_ASKED_WAIT_S))
    # Full jitter, so that many processes do not come back in step.
    return random.uniform(0.0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(attempt, 10)))


def log_troubles(deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        match delivery:
            case Dropped():
                pass  # said by who dropped it
            case Rejected(reason):
                warn_once(f"rejected: {reason}", "a record was rejected: %s", reason)
            case TryLater(reason=reason):
                warn_once(f"later: {reason}", "delivery will be tried again: %s", reason or "not now")
