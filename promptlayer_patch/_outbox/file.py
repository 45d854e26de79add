"""One outbox: an SQLite file that one process writes, and a later one empties if that process is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from promptlayer_patch._encoding import decoded_load
from promptlayer_patch._outbox.database import plainly, write_safely
from promptlayer_patch._outbox.items import Item, Order, Unusable, footprint
from promptlayer_patch._outbox.ledger import Ledger
from promptlayer_patch._outbox.locking import FileLock
from promptlayer_patch.records import Record

_FRESH_ITEMS, _FRESH_BYTES = 256, 8 * 1024 * 1024
"""What is kept in memory as well, for the case that it can be delivered at once."""

_INSERT = "INSERT INTO items (row, key, follows, request_id, body) VALUES "
_ITEM = "SELECT row, key, follows, request_id, attempts, body FROM items"


class OutboxFile(Ledger):
    """A spool on disk. Whoever has one holds its lock; any thread may use it."""

    on_disk = True

    def __init__(self, path: Path, lock: FileLock, facts: Mapping[str, str] | None = None) -> None:
        """Open the outbox at `path`, or make it if there are `facts` to write into it."""
        self._order = Order()
        self._fresh: dict[int, Item] = {}
        self._fresh_bytes = 0
        self._parked: dict[str, list[int]] = {}
        """Rows that follow a request which has not been delivered, by its key."""
        self._arrived = 0
        self._unpublished: set[int] = set()
        self.size = 0
        super().__init__(path, lock, facts)

    def put(self, items: Sequence[Item]) -> None:
        with self._lock:
            row = max(self._arrived, self._order.last)
            values: list[object] = []
            for item in items:
                row += 1
                item.row = row
                item.look_up()
                values += (row, item.key, item.follows, item.request_id, item.body)
            # One statement: each gives up the interpreter's lock, and beside a busy thread it takes up to
            # 5 ms to get it back.
            self._write(_INSERT + ", ".join(["(?, ?, ?, ?, ?)"] * len(items)), values)
            if not self._arrived:
                with plainly():
                    write_safely(self._connected())
            for item in items:
                self.count += 1
                self.size += item.size
                self._keep_fresh(item)
                self._unpublished.add(item.row)
                if item.follows is not None:
                    self._followed.add(item.follows)
            self._arrived = row

    def publish(self) -> bool:
        with self._lock:
            news = bool(self._unpublished)
            self._unpublished.clear()
            self._order.last = max(self._order.last, self._arrived)
            return news

    def take(self, *, fresh_first: bool = False) -> Item | None:
        with self._lock, plainly():
            item = self._next_fresh() if fresh_first else None
            while item is None and (row := self._order.due()) is not None:
                item = self._loaded(row)
            item = item or self._next_fresh()
        if item is not None:
            item.spool = self
            if item.request_id is None and item.follows in self._owed:
                item.request_id = self._owed[item.follows][1]
        return item

    def take_along(self, first: Item, most: int, size: int) -> list[Item]:
        taken: list[Item] = []
        try:
            with self._lock, plainly():
                for item in self._due() if first.attempts else self._upcoming(most):
                    size -= len(item.body)
                    if size < 0 or len(taken) >= min(first.company(most), item.company(most)):
                        break
                    self._order.take(item.row)
                    self._let_go(item.row)
                    item.spool = self
                    taken.append(item)
        except Unusable:
            pass  # what was taken is taken; who takes next is told
        return taken

    def has(self, item: Item) -> bool:
        with self._lock:
            return self._connection is not None and item.row in self._order.taken

    def delivered(self, item: Item, request_id: int | None) -> None:
        self.all_delivered([(item, request_id)])

    def all_delivered(self, items: Sequence[tuple[Item, int | None]]) -> None:
        with self._lock:
            self._settle(items)
            for item, _ in items:
                for row in self._parked.pop(item.key, ()):
                    self._order.put_off(row, 0.0)

    def put_off(self, item: Item, after_s: float) -> None:
        with self._lock:
            self._order.put_off(item.row, after_s)
            self._write_if_possible(
                "UPDATE items SET attempts = ?, due_at = ? WHERE row = ?",
                (item.attempts, time.time() + after_s, item.row),
            )

    def remove(self, item: Item) -> list[Item]:
        with self._lock, plainly():
            gone = [item]
            for one in gone:  # which grows meanwhile: those that follow a follower go as well
                rows = self._connected().execute(f"{_ITEM} WHERE follows = ?", (one.key,)).fetchall()
                gone += [_item(row) for row in rows]
                self._parked.pop(one.key, None)
            self._settle([(one, None) for one in gone])
        return gone[1:]

    def recall(self) -> None:
        with self._lock:
            self._order.recall()

    def next_due(self) -> float | None:
        with self._lock:
            return self._order.next_due()

    def empty(self) -> list[Item]:
        """Nothing is given up here: a later process delivers it."""
        return []

    def items(self) -> list[Item]:
        """All that is in it, for who wants to look; nothing is taken."""
        with self._lock, plainly():
            return [_item(row) for row in self._connected().execute(f"{_ITEM} ORDER BY row")]

    def _resume(self) -> None:
        """Find out what is there."""
        connection = self._connected()
        self.count, self.size, self._order.last = connection.execute(
            "SELECT count(*), 0, coalesce(max(row), 0) FROM items"
        ).fetchone()
        sizes = connection.execute("SELECT length(body), count(*) FROM items GROUP BY length(body)")
        self.size = sum(footprint(size) * count for size, count in sizes)
        self._followed.update(
            key for (key,) in connection.execute("SELECT DISTINCT follows FROM items WHERE follows NOT NULL")
        )
        write_safely(connection)
        now = time.time()
        waiting = connection.execute("SELECT row, due_at FROM items WHERE due_at > ?", (now,)).fetchall()
        for row, due_at in waiting:
            self._order.put_off(row, due_at - now)

    def _keep_fresh(self, item: Item) -> None:
        if len(self._fresh) < _FRESH_ITEMS and self._fresh_bytes + item.size <= _FRESH_BYTES:
            self._fresh[item.row] = item
            self._fresh_bytes += item.size

    def _next_fresh(self) -> Item | None:
        order = self._order
        while order.cursor < order.last:
            item = self._fresh.get(order.cursor + 1) or self._first_after(order.cursor)
            if item is None or item.row > order.last:  # none, or one that is not published
                order.cursor = order.last
                return None
            if order.waits(item.row) or item.key in self._owed:
                order.cursor = item.row
                continue
            order.first_look(item.row)
            self._let_go(item.row)
            if item.follows is None or not self._is_held_back(item):
                return item
        return None

    def _due(self) -> Iterator[Item]:
        for row in self._order.due_rows():
            item = self._loaded(row)
            if item is not None:
                yield item

    def _upcoming(self, most: int) -> Iterator[Item]:
        """The published items that nobody has looked at, in order; the cursor is moved by who takes them."""
        order = self._order
        with closing(self._connected().cursor()) as rows:
            begun = False
            while order.cursor < order.last:
                item = self._fresh.get(order.cursor + 1)
                if item is None:
                    if not begun:
                        # Read one by one: who has enough of them leaves the rest on the disk.
                        rows.execute(f"{_ITEM} WHERE row > ? ORDER BY row LIMIT ?", (order.cursor, most))
                        begun = True
                    found = next((row for row in rows if row[0] > order.cursor), None)
                    if found is None:
                        return
                    item = self._fresh.get(found[0]) or _item(found)
                if item.row > order.last:
                    return
                if order.waits(item.row) or item.key in self._owed:
                    order.cursor = item.row
                else:
                    yield item

    def _first_after(self, row: int) -> Item | None:
        found = self._connected().execute(f"{_ITEM} WHERE row > ? ORDER BY row LIMIT 1", (row,)).fetchone()
        return None if found is None else _item(found)

    def _loaded(self, row: int) -> Item | None:
        found = self._connected().execute(f"{_ITEM} WHERE row = ?", (row,)).fetchone()
        if found is None:
            self._order.forget(row)
            return None
        return _item(found)

    def _is_held_back(self, item: Item) -> bool:
        """Whether the request that `item` follows is still here; then `item` is parked behind it."""
        connection = self._connected()
        followed = connection.execute("SELECT 1 FROM items WHERE key = ?", (item.follows,)).fetchone()
        if followed is None or item.follows in self._owed:
            if followed is None:
                self._followed.discard(item.follows or "")
            if item.request_id is None:
                # One that was kept in memory as well does not know what has been written since.
                (item.request_id,) = connection.execute(
                    "SELECT request_id FROM items WHERE row = ?", (item.row,)
                ).fetchone()
            return False
        self._order.taken.discard(item.row)
        self._parked.setdefault(item.follows or "", []).append(item.row)
        return True

    def _let_go(self, row: int) -> None:
        item = self._fresh.pop(row, None)
        if item is not None:
            self._fresh_bytes -= item.size

    def _settle(self, items: Sequence[tuple[Item, int | None]]) -> None:
        """Forget the items; they are deleted now or, where the disk refuses, with the next write."""
        self._connected()
        for item, _ in items:
            self._order.forget(item.row)
            self._let_go(item.row)
            self._unpublished.discard(item.row)
            self.count -= 1
            self.size -= item.size
        self._delete(items)


def _item(row: tuple[int, str, str | None, int | None, int, bytes]) -> Item:
    number, key, follows, request_id, attempts, body = row
    unreadable = None
    try:
        load = decoded_load(body)
    except Exception as error:  # of one item: its neighbours are delivered all the same
        load, unreadable = Record(id=key, function_name=""), f"cannot be read: {type(error).__name__}"
    return Item(load, body, follows, request_id, attempts, number, unreadable)
