"""What is not delivered yet, where there is no disk for it: an outbox that ends with the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from promptlayer_patch._outbox.items import Item, Order


class MemorySpool:
    """A spool in memory."""

    on_disk = False

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._items: dict[int, Item] = {}
        self._arriving: list[Item] = []
        self._order = Order()
        self._keys: set[str] = set()
        self._followers: dict[str, list[Item]] = {}
        self._parked: dict[str, list[int]] = {}
        self.size = 0

    @property
    def count(self) -> int:
        return len(self._items) + len(self._arriving)

    @property
    def published(self) -> int:
        return len(self._items)

    def holds(self, key: str | None) -> bool:
        """Whether the item of this key is still here."""
        return key in self._keys

    def put(self, items: Sequence[Item]) -> None:
        with self._lock:
            self._arriving += items
            self.size += sum(item.size for item in items)
            self._keys.update(item.key for item in items)
            for item in items:
                if item.follows in self._keys:
                    self._followers.setdefault(item.follows or "", []).append(item)

    def publish(self) -> bool:
        with self._lock:
            arriving, self._arriving = self._arriving, []
            for item in arriving:
                self._order.last += 1
                item.row = self._order.last
                self._items[item.row] = item
            return bool(arriving)

    def take(self, *, fresh_first: bool = False) -> Item | None:
        with self._lock:
            item = self._next_fresh() if fresh_first else None
            if item is None and (row := self._order.due()) is not None:
                item = self._items[row]
            item = item or self._next_fresh()
        if item is not None:
            item.spool = self
        return item

    def take_along(self, first: Item, most: int, size: int) -> list[Item]:
        with self._lock:
            taken: list[Item] = []
            for item in self._due() if first.attempts else self._upcoming():
                size -= len(item.body)
                if size < 0 or len(taken) >= min(first.company(most), item.company(most)):
                    break
                self._order.take(item.row)
                item.spool = self
                taken.append(item)
            return taken

    def has(self, item: Item) -> bool:
        return item.row in self._items

    def delivered(self, item: Item, request_id: int | None) -> None:
        with self._lock:
            for follower in self._followers.pop(item.key, ()):
                follower.request_id = request_id
            for row in self._parked.pop(item.key, ()):
                self._order.put_off(row, 0.0)
            self._forget(item)

    def all_delivered(self, items: Sequence[tuple[Item, int | None]]) -> None:
        with self._lock:
            for item, request_id in items:
                self.delivered(item, request_id)

    def put_off(self, item: Item, after_s: float) -> None:
        with self._lock:
            if item.row in self._items:
                self._order.put_off(item.row, after_s)

    def remove(self, item: Item) -> list[Item]:
        with self._lock:
            gone = [item]
            for one in gone:  # which grows meanwhile: those that follow a follower go as well
                gone += self._followers.pop(one.key, ())
                self._parked.pop(one.key, None)
                self._forget(one)
            return gone[1:]

    def recall(self) -> None:
        with self._lock:
            self._order.recall()

    def next_due(self) -> float | None:
        with self._lock:
            return self._order.next_due()

    def empty(self) -> list[Item]:
        with self._lock:
            self.publish()
            left = list(self._items.values())
            for item in left:
                self._forget(item)
            self._followers.clear()
            self._parked.clear()
            self._order.cursor = self._order.last
            return left

    def note(self, name: str, value: str) -> None:
        """Nobody reads it after this process."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def _next_fresh(self) -> Item | None:
        order = self._order
        while order.cursor < order.last:
            item = self._items.get(order.cursor + 1)
            if item is None or order.waits(item.row):
                order.cursor += 1
                continue
            order.first_look(item.row)
            if item.follows is None or not self._is_held_back(item):
                return item
        return None

    def _due(self) -> Iterator[Item]:
        for row in self._order.due_rows():
            yield self._items[row]

    def _upcoming(self) -> Iterator[Item]:
        """The published items that nobody has looked at, in order; the cursor is moved by who takes them."""
        order = self._order
        while order.cursor < order.last:
            item = self._items.get(order.cursor + 1)
            if item is None or order.waits(item.row):
                order.cursor += 1
            else:
                yield item

    def _is_held_back(self, item: Item) -> bool:
        if item.follows not in self._keys:
            return False
        self._order.taken.discard(item.row)
        self._parked.setdefault(item.follows or "", []).append(item.row)
        return True

    def _forget(self, item: Item) -> None:
        if self._items.pop(item.row, None) is not None:
            self.size -= item.size
        elif len(arriving := [one for one in self._arriving if one is not item]) < len(self._arriving):
            self._arriving = arriving
            self.size -= item.size
        self._keys.discard(item.key)
        self._order.forget(item.row)
