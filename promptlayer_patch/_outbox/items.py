"""What an outbox holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from promptlayer_patch._encoding import encoded
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Delivered, Outcome, Record

LONGEST_WAIT_S = 3600.0
"""Whatever a destination asks for and whatever the clock does, an item is tried again after this."""


PAGE = 4096
_FEWER_BITS = 3
"""An eighth as many."""
_ROW = 256
"""What a row takes beside its body."""


def footprint(body_size: int) -> int:
    return -(-(body_size + _ROW) // PAGE) * PAGE


@dataclass(slots=True)
class Item:
    """One thing to deliver."""

    load: Record | Annotation
    body: bytes
    """The load, encoded."""
    follows: str | None = None
    """Key of the item that comes before it: it is held back until that one has been delivered."""
    request_id: int | None = None
    """The request that an annotation is about, as soon as its id is known."""
    attempts: int = 0
    row: int = 0
    """Where it stands in its spool, which numbers in order of arrival."""
    unreadable: str | None = None
    """Why the body cannot be read; `load` is an empty record then."""
    spool: Spool | None = None
    """Where it was taken from."""
    known: Callable[[], Outcome | None] | None = None
    """In the process that made an annotation: what became of its request, as far as it is known."""

    @classmethod
    def of(
        cls,
        load: Record | Annotation,
        follows: str | None = None,
        known: Callable[[], Outcome | None] | None = None,
    ) -> Item:
        """Raises `ValueError` or `RecursionError` if the load cannot be encoded."""
        request_id = None
        if isinstance(load, Annotation):
            request_id = load.request_id
            follows = load.after or (load.record_id if request_id is None else None)
        return cls(load, encoded(load), follows, request_id, known=known)

    @property
    def key(self) -> str:
        return self.load.id

    def look_up(self) -> None:
        """Take the id of the request if it has been delivered meanwhile.

        To be called where that request cannot be forgotten at the same moment.
        """
        outcome = self.known() if self.known is not None and self.request_id is None else None
        if isinstance(outcome, Delivered):
            self.request_id = outcome.request_id

    def company(self, most: int) -> int:
        """How many others may go in the same request.

        What was tried before may be what the destination fails over: after each try it takes fewer with it.
        """
        if not isinstance(self.load, Record) or self.follows is not None or self.unreadable is not None:
            return 0
        return most >> min(_FEWER_BITS * self.attempts, most.bit_length())

    def addressed(self) -> Item:
        """The same, with the id of its request in the body: for where nothing follows anything."""
        if not isinstance(self.load, Annotation) or self.load.request_id == self.request_id:
            return self
        load = replace(self.load, request_id=self.request_id)
        return replace(self, load=load, body=encoded(load))

    @property
    def size(self) -> int:
        """About how many bytes it takes on disk, where it fills whole pages; in memory it is hardly less."""
        return footprint(len(self.body))


class Unusable(Exception):
    """A spool cannot take or give anything now: the disk is full, the file is locked, unreadable, gone."""


class Damaged(Unusable):
    """The file is not what it was, or never was an outbox."""


class Spool(Protocol):
    """Keeps items until they are delivered. Each is waiting or taken; its methods raise `Unusable`."""

    @property
    def on_disk(self) -> bool: ...

    @property
    def count(self) -> int: ...

    @property
    def size(self) -> int: ...

    def put(self, items: Sequence[Item]) -> None:
        """Keep the items, all or none, and number them. They can be taken from the next `publish` on."""

    def publish(self) -> bool:
        """Let everything that was put be taken; whether there was something."""

    def take(self, *, fresh_first: bool = False) -> Item | None:
        """The next item that is due: what was put off and is due again, then what was never tried.

        With `fresh_first` the other way round.
        """

    def take_along(self, first: Item, most: int, size: int) -> list[Item]:
        """Records to go with `first`, which was just taken, `size` bytes in all; as many as each allows."""

    def has(self, item: Item) -> bool:
        """Whether an item that was taken is still its to settle."""

    def delivered(self, item: Item, request_id: int | None) -> None:
        """Forget the item, and let those that follow it go, with its id."""

    def all_delivered(self, items: Sequence[tuple[Item, int | None]]) -> None:
        """`delivered` for each of them and its id, in one go."""

    def put_off(self, item: Item, after_s: float) -> None:
        """Give the item back, to be tried again in so many seconds."""

    def remove(self, item: Item) -> list[Item]:
        """Forget the item and those that follow it, which can never go now; they are returned."""

    def recall(self) -> None:
        """Let everything be due that was put off."""

    def next_due(self) -> float | None:
        """When the next item that was put off is due, by `time.monotonic()`; now, if some are fresh."""

    def empty(self) -> list[Item]:
        """Give up all that is waiting."""

    def note(self, name: str, value: str) -> None:
        """Write down a fact about the spool itself."""

    def close(self) -> None:
        """Let go of it."""


class Order:
    """Which row is next: the fresh ones in order, and the ones that were put off when they are due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._put_off: dict[int, float] = {}
        self.taken: set[int] = set()
        self.cursor = 0
        """The last row that was looked at for the first time."""
        self.last = 0
        """The last row there is."""

    def due(self) -> int | None:
        """Of the rows that were put off and are due, the one that was put off first; it is taken."""
        # Not the first row: one that always fails would keep the others from being tried.
        now = self._clock()
        row = next((row for row, due in self._put_off.items() if due <= now), None)
        if row is not None:
            del self._put_off[row]
            self.taken.add(row)
        return row

    def due_rows(self) -> list[int]:
        """All that were put off and are due."""
        now = self._clock()
        return [row for row, due in self._put_off.items() if due <= now]

    def take(self, row: int) -> None:
        """One that is due, or the next one to be looked at."""
        if self._put_off.pop(row, None) is None:
            self.cursor = row
        self.taken.add(row)

    def first_look(self, row: int) -> None:
        self.cursor = row
        self.taken.add(row)

    def put_off(self, row: int, after_s: float) -> None:
        self.taken.discard(row)
        self._put_off[row] = self._clock() + min(max(0.0, after_s), LONGEST_WAIT_S)

    def forget(self, row: int) -> None:
        self.taken.discard(row)
        self._put_off.pop(row, None)

    def waits(self, row: int) -> bool:
        """Whether it was put off, or is taken: nothing for a first look."""
        return row in self._put_off or row in self.taken

    def recall(self) -> None:
        now = self._clock()
        self._put_off = dict.fromkeys(self._put_off, now)

    def next_due(self) -> float | None:
        if self.cursor < self.last:
            return self._clock()
        return min(self._put_off.values(), default=None)
