"""Where items wait for the courier: in this process's outbox, in memory where there is no disk for one, and
in the outboxes of processes that are gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptlayer_patch._capture.call import FORKED
from promptlayer_patch._delivery.outcomes import Outcomes
from promptlayer_patch._delivery.parcels import Dropped, Load
from promptlayer_patch._delivery.room import Room
from promptlayer_patch._guard import log, warn_once
from promptlayer_patch._outbox import (
    Address,
    Damaged,
    Item,
    MemorySpool,
    OutboxDirectory,
    Spool,
    Unusable,
)
from promptlayer_patch.annotations import Annotation
from promptlayer_patch.records import Delivered, Delivery, Record, Rejected

if TYPE_CHECKING:
    from promptlayer_patch._outbox.file import OutboxFile

ENDED = "the process ended before it was delivered"
LEFT = "it is still in the outbox, and a later process will deliver it"

_DISK_AGAIN_S = 30.0
"""After the disk could not be written, how long everything is kept in memory."""
_STUCK_S = 0.2
_LOOK_AROUND_S = 60.0
"""How often a living process looks for outboxes whose process is gone."""


class Spooling:
    """The spools of one destination. Put into by the worker, emptied by the courier."""

    def __init__(
        self, directory: OutboxDirectory | None, address: Address, on_disk: Room, in_memory: Room
    ) -> None:
        """Without a `directory` everything stays in memory."""
        self._directory = directory
        self._address = address
        self._disk_room, self._memory_room = on_disk, in_memory
        self._begin()

    def begin_anew(self) -> None:
        """Start empty, in a forked child: what there is belongs to the parent."""
        theirs = self.outcomes
        self._begin()
        theirs.settle_all(FORKED)

    def _begin(self) -> None:
        self.outcomes = Outcomes()
        self._lock = threading.RLock()
        """Held while something is put, and while the own outbox changes."""
        self._others = threading.RLock()
        """Held while outboxes are adopted, which may take long: nothing is put under it."""
        self._own: OutboxFile | None = None
        self._memory = MemorySpool()
        self._adopted: list[OutboxFile] = []
        self._elsewhere = 0
        """Bytes in the directory that are not ours, when it was last looked at."""
        self._disk_again_at = self._look_around_at = 0.0
        self.shortened = 0

    def put(self, loads: Sequence[Load]) -> list[Delivery]:
        """Keep what there is room for: `Delivered` means that it is here, and waits for `publish`."""
        with self._lock:
            room, used = self._room()
            answers: list[Item | Rejected] = []
            for load in loads:
                answers.append(answer := self._item_of(load, room, used))
                used += answer.size if isinstance(answer, Item) else 0
            items = [answer for answer in answers if isinstance(answer, Item)]
            beside = [item for item in items if self._memory.holds(item.follows)]
            others = [item for item in items if not self._memory.holds(item.follows)]
            kept = self._kept_on_disk(others) or self._kept_in_memory(others)
            if beside:  # what follows something in memory could not wait for it on disk
                kept |= self._kept_in_memory(beside)
            self.shortened += sum(
                _is_shorter(item, load)
                for item, load in zip(answers, loads, strict=True)
                if isinstance(item, Item) and id(item) in kept
            )
        dropped = {id(item) for item in items if id(item) not in kept}
        return [
            (Dropped("dropped: the outbox is full") if id(answer) in dropped else Delivered())
            if isinstance(answer, Item)
            else answer
            for answer in answers
        ]

    def publish(self) -> bool:
        """Let what was put be delivered; whether there was something."""
        with self._lock:
            published = [spool.publish() for spool in self._ours()]
        return any(published)

    def take(self, *, own_only: bool, fresh_first: bool) -> Item | None:
        """The next item that is due; ours before those of others."""
        for spool in self._ours():
            item = self._taken(spool, fresh_first)
            if item is not None:
                return item
        if own_only:
            return None
        with self._others:
            self._look_around()
            for file in list(self._adopted):
                item = self._taken(file, fresh_first)
                if item is not None:
                    return item
                if not file.count:
                    self._adopted.remove(file)
                    file.close()
            return None

    def take_along(self, first: Item, most: int, size: int) -> list[Item]:
        """What may go with `first`, which was just taken: at most so many records, with so many bytes."""
        if first.spool is None or not first.company(most):
            return []
        return first.spool.take_along(first, most, size - len(first.body))

    def has_more(self) -> bool:
        due = self._first_due(self._spools())
        return due is not None and due <= time.monotonic()

    def next_due(self) -> float | None:
        """When there is something to do next, by `time.monotonic()`."""
        due = self._first_due(self._spools())
        if self._directory is None:
            return due
        return self._look_around_at if due is None else min(due, self._look_around_at)

    def has_orphans(self) -> bool:
        """Whether there may be outboxes to adopt; they are looked for at the next `take`."""
        self._look_around_at = 0.0
        return self._directory is not None and bool(self._directory.files())

    def is_entered(self) -> bool:
        """Whether the calling thread holds the lock that `put` needs."""
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]

    def owns(self, item: Item) -> bool:
        """Whether it is of this process."""
        return item.spool is self._own or item.spool is self._memory

    def has(self, item: Item) -> bool:
        return item.spool is not None and item.spool.has(item)

    def delivered(self, items: Sequence[tuple[Item, int | None]]) -> None:
        """Forget the items, which are of one spool, and tell those that follow them the ids."""
        _spool_of(items[0][0]).all_delivered(items)

    def put_off(self, item: Item, after_s: float) -> None:
        _spool_of(item).put_off(item, after_s)

    def reject(self, item: Item, reason: str) -> list[Item]:
        """Set the item aside, and the annotations of a request, which cannot go without it.

        The latter are returned.
        """
        spool = _spool_of(item)
        self._keep_rejected([item.addressed()], spool, reason)
        if isinstance(item.load, Annotation):
            spool.delivered(item, item.request_id)  # the next one of the same request may go all the same
            return []
        followers: list[Item] = []
        try:
            followers = spool.remove(item)
        except Unusable as trouble:
            warn_once("outbox", "the outbox cannot be written: %s", trouble)
        self._keep_rejected(followers, spool, "its request was rejected")
        return followers

    def _keep_rejected(self, items: Sequence[Item], spool: Spool, reason: str) -> None:
        try:
            if self._directory is not None and spool.on_disk and items:
                self._directory.rejected.add(
                    items, url=self._address.url, account=self._address.account, reason=reason
                )
        except Unusable as trouble:
            warn_once("setting aside", "a rejected record could not be set aside: %s", trouble)

    def key_was_refused(self, item: Item) -> None:
        """Note in the outbox that its key is not accepted: the same program may deliver it with another."""
        if item.spool is not None:
            item.spool.note("key_refused", f"{time.time():.3f}")

    def recall(self) -> None:
        for spool in self._spools():
            spool.recall()

    def own_count(self) -> int:
        return sum(spool.count for spool in self._ours())

    def in_memory(self) -> int:
        return self._memory.published

    def give_up(self) -> int:
        """The process ends: what is only in memory is lost. Lets go of an outbox that is empty."""
        left = self._memory.empty()
        for item in left:
            self.outcomes.settle(item.key, Rejected(ENDED))
        # Whoever puts may be stuck in a disk that does not answer: the end of the process must not be.
        if self._lock.acquire(timeout=_STUCK_S):
            try:
                if self._own is not None and not self._own.count:
                    own, self._own = self._own, None
                    own.close()
            finally:
                self._lock.release()
        return len(left)

    def close(self) -> None:
        """Give the outboxes back."""
        with self._others:
            files, self._adopted = self._adopted, []
        if self._lock.acquire(timeout=_STUCK_S):
            try:
                files += [self._own] if self._own is not None else []
                self._own = None
            finally:
                self._lock.release()
        for file in files:
            file.close()

    def _ours(self) -> list[Spool]:
        return [self._memory] if self._own is None else [self._own, self._memory]

    def _spools(self) -> list[Spool]:
        return [*self._ours(), *self._adopted]

    @staticmethod
    def _first_due(spools: Sequence[Spool]) -> float | None:
        dues = [spool.next_due() for spool in spools]
        return min((due for due in dues if due is not None), default=None)

    def _taken(self, spool: Spool, fresh_first: bool) -> Item | None:
        try:
            return spool.take(fresh_first=fresh_first)
        except Damaged as damage:
            self._set_aside(spool, damage)
        except Unusable as trouble:
            warn_once("outbox", "the outbox cannot be read: %s", trouble)
        return None

    @staticmethod
    def _item_of(load: Load, room: Room, used: int) -> Item | Rejected:
        try:
            return room.fitted(load, used)
        except (ValueError, RecursionError) as error:
            return Rejected(f"cannot be written as JSON: {type(error).__name__}")

    def _room(self) -> tuple[Room, int]:
        if self._uses_disk():
            return self._disk_room, (self._own.size if self._own else 0) + self._elsewhere
        return self._memory_room, self._memory.size

    def _uses_disk(self) -> bool:
        return self._directory is not None and time.monotonic() >= self._disk_again_at

    def _kept_on_disk(self, items: Sequence[Item]) -> set[int]:
        """Which of the items are kept now; none if the disk cannot be used."""
        if not items or not self._uses_disk():
            return set()
        used = (self._own.size if self._own else 0) + self._elsewhere
        fitting = self._disk_room.fitting(items, self._own.count if self._own else 0, used)
        if len(fitting) < len(items):
            warn_once("outbox full", "records are dropped: the outbox is full")
        if not fitting:
            return {0}
        for _ in range(2):
            try:
                self._open_own().put(fitting)
            except Damaged as damage:
                if self._own is not None:
                    self._set_aside(self._own, damage)
            except Unusable as trouble:
                self._disk_again_at = time.monotonic() + _DISK_AGAIN_S
                warn_once("outbox", "the outbox cannot be used, records are kept in memory: %s", trouble)
                return set()
            else:
                return {id(item) for item in fitting}
        return set()

    def _kept_in_memory(self, items: Sequence[Item]) -> set[int]:
        fitting = self._memory_room.fitting(items, self._memory.count, self._memory.size)
        if len(fitting) < len(items):
            warn_once("memory full", "records are dropped: the queue is full")
        self._memory.put(fitting)
        return {id(item) for item in fitting}

    def _open_own(self) -> OutboxFile:
        if self._own is None:
            assert self._directory is not None
            self._own = self._directory.create(self._address)
        return self._own

    def _set_aside(self, spool: Spool, damage: Damaged) -> None:
        with self._lock:
            file = next((file for file in (self._own, *self._adopted) if file is spool), None)
            if file is None:
                return
            if file is self._own:
                self._own = None
            else:
                self._adopted.remove(file)
        try:
            log.warning("the outbox was damaged (%s) and is kept as %s", damage, file.set_aside())
        except OSError as error:
            log.warning("the outbox was damaged (%s) and cannot be set aside: %s", damage, error.strerror)

    def _look_around(self) -> None:
        """Adopt the outboxes of processes that are gone, from time to time."""
        now = time.monotonic()
        if self._directory is None or now < self._look_around_at:
            return
        self._look_around_at = now + _LOOK_AROUND_S
        adopted = list(self._directory.orphans(self._address))
        for file in adopted:
            file.recall()  # in order from the first on: what another process waited for says little here
        self._adopted += adopted
        self._elsewhere = self._directory.size(besides=self._own.path if self._own else None)


def _spool_of(item: Item) -> Spool:
    if item.spool is None:
        raise Unusable("the item was taken from nowhere")
    return item.spool


def _is_shorter(item: Item, load: Load) -> bool:
    if isinstance(load, Record) and isinstance(item.load, Record):
        return item.load.shortened_from != load.shortened_from
    return False
