"""What the worker handles: a finished call under way to one destination, and the account of all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from promptlayer_patch._guard import warn_once
from promptlayer_patch.annotations import Annotation, PromptLink
from promptlayer_patch.records import Delivered, Delivery, Outcome, Receipt, Record, Rejected, TryLater

if TYPE_CHECKING:
    from promptlayer_patch._capture.call import Call

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
_LONGEST_ASKED_WAIT_S = 3600.0
"""Whatever a destination asks for, it is asked again after this."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What became of the records and annotations so far.

    At any moment recorded = delivered + queued + outbox + rejected + dropped.
    """

    recorded: int = 0
    """Calls and annotations handed to the queue."""
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
    annotations: int = 0
    """How many of `recorded` are scores, metadata, prompts and groups for a request."""

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

    @property
    def prompt(self) -> PromptLink | None:
        return self.record.prompt

    def lighten(self) -> bool:
        """Its content belongs to whoever made it."""
        return False


@dataclass(slots=True)
class PendingAnnotation:
    """An annotation under way to one destination, in the place of a `Call`."""

    annotation: Annotation
    known: Callable[[], Outcome | None] | None = None
    """What became of its request there, as far as it is known."""
    size: int = 1024
    """About how many bytes it holds in memory."""
    in_finalizer: bool = False

    def lighten(self) -> bool:
        """There is nothing large in it."""
        return False

    def resolved(self) -> Annotation | Delivery:
        """With the id of its request; or what becomes of it without."""
        if self.annotation.request_id is not None:
            return self.annotation
        match self.known() if self.known is not None else Rejected("it was not delivered from here"):
            case Delivered(request_id):
                return replace(self.annotation, request_id=request_id)
            case Rejected(reason):
                return Rejected(f"an annotation has no request: {reason}")
            case _:
                return NotYet()


@dataclass(frozen=True, slots=True)
class NotYet(TryLater):
    """Nothing went wrong: what it belongs to is still under way."""

    after_s: float | None = 0.1


Cargo: TypeAlias = "Call | FinishedCall | PendingAnnotation"
"""What is handed to a destination."""
Load: TypeAlias = Record | PendingAnnotation
"""What it is on the worker's thread."""


class Parcel:
    """A finished call or an annotation on its way to one destination."""

    # Defaults of the class: making one is on the way of every call.
    load: Load | None = None
    attempts = 0
    due = 0.0
    is_done = False
    """Delivered, rejected or given up."""

    def __init__(self, cargo: Cargo, settle: Callable[[Outcome], None]) -> None:
        self.cargo = cargo
        self.settle = settle
        self.size = cargo.size


def wait_before(attempt: int, after_s: object) -> float:
    """Seconds until the next try: what the destination asked for, if that is sane, else a random backoff."""
    if isinstance(after_s, (int, float)) and after_s >= 0:
        return float(min(after_s, _LONGEST_ASKED_WAIT_S))
    # Full jitter, so that many processes do not come back in step.
    return random.uniform(0.0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(attempt, 10)))


def requests_first(batch: Sequence[Parcel]) -> list[Sequence[Parcel]]:
    """In parts to be settled one after the other: an annotation needs the id of its request."""
    annotations = [parcel for parcel in batch if isinstance(parcel.cargo, PendingAnnotation)]
    requests = [parcel for parcel in batch if not isinstance(parcel.cargo, PendingAnnotation)]
    return [part for part in (requests, annotations) if part]


def log_troubles(deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        match delivery:
            case Dropped() | NotYet():
                pass  # said by who dropped it; nothing to be said
            case Rejected(reason):
                warn_once(f"rejected: {reason}", "a record was rejected: %s", reason)
            case TryLater(reason=reason):
                warn_once(f"later: {reason}", "delivery will be tried again: %s", reason or "not now")
