"""One outbox: an SQLite file that one process writes, and a later one empties if that process is gone."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from promptlayer_patch._encoding import decoded
from promptlayer_patch._guard import warn_once
from promptlayer_patch._outbox.database import (
    APPLICATION_ID,
    SCHEMA,
    VERSION,
    connected,
    delete,
    plainly,
    renamed_aside,
    write_safely,
)
from promptlayer_patch._outbox.items import Damaged, Item, Order, Unusable
from promptlayer_patch._outbox.locking import FileLock
from promptlayer_patch.records import Record

_FRESH_ITEMS, _FRESH_BYTES = 256, 8 * 1024 * 1024
"""What is kept in memory as well, for the case that it can be delivered at once."""
_WORTH_SHRINKING = 16 * 1024 * 1024
_FORK_WAIT_S = 1.0

_INSERT = "INSERT INTO items (row, key, follows, request_id, body) VALUES "
_ITEM = "SELECT row, key, follows, request_id, attempts, body FROM items"

_open_files: weakref.WeakSet[OutboxFile] = weakref.WeakSet()
_inherited: list[sqlite3.Connection] = []


class OutboxFile:
    """A spool on disk. Whoever has one holds its lock; any thread may use it."""

    on_disk = True

    def __init__(self, path: Path, lock: FileLock, facts: Mapping[str, str] | None = None) -> None:
        """Open the outbox at `path`, or make it if there are `facts` to write into it."""
        self.path = path
        self._file_lock = lock
        self._lock = threading.RLock()
        self._order = Order()
        self._fresh: dict[int, Item] = {}
        self._fresh_bytes = 0
        self._parked: dict[str, list[int]] = {}
        """Rows that follow a request which has not been delivered, by its key."""
        self._followed: set[str] = set()
        """Keys that some row follows."""
        self._owed: dict[str, tuple[int, int | None]] = {}
        """Rows and request ids of what is settled and still to be deleted, by key."""
        self._connection: sqlite3.Connection | None = None
        self._arrived = 0
        self.count = self.size = 0
        with plainly():
            self._connection = connected(path, new=facts is not None)
            try:
                if facts is not None:
                    self._begin(facts)
                else:
                    self._resume()
            except BaseException:
                self._connection.close()
                raise
        _open_files.add(self)

    def put(self, items: Sequence[Item]) -> None:
        with self._lock:
            row = max(self._arrived, self._order.last)
            values: list[object] = []
            for item in items:
                row += 1
                item.row = row
                values += (row, item.key, item.follows, item.request_id, item.body)
            # One statement: each gives up the interpreter's lock, and beside a busy thread it takes up to
            # 5 ms to get it back.
            self._write(_INSERT + ", ".join(["(?, ?, ?, ?, ?)"] * len(items)), values)
            if not self._arrived:
                write_safely(self._connected())
            for item in items:
                self.count += 1
                self.size += item.size
                self._keep_fresh(item)
                if item.follows is not None:
                    self._followed.add(item.follows)
            self._arrived = row

    def publish(self) -> bool:
        with self._lock:
            before, self._order.last = self._order.last, max(self._order.last, self._arrived)
            return self._order.last > before

    def take(self, *, fresh_first: bool = False) -> Item | None:
        with self._lock, plainly():
            item = self._next_fresh() if fresh_first else None
            while item is None and (row := self._order.due()) is not None:
                item = self._loaded(row)
            item = item or self._next_fresh()
        if item is not None:
            item.spool = self
            if item.follows in self._owed:
                item.request_id = self._owed[item.follows][1]
        return item

    def has(self, item: Item) -> bool:
        with self._lock:
            return self._connection is not None and item.row in self._order.taken

    def delivered(self, item: Item, request_id: int | None) -> None:
        with self._lock:
            self._settle([item], request_id)
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
            rows = self._connected().execute(f"{_ITEM} WHERE follows = ?", (item.key,)).fetchall()
            followers = [_item(row) for row in rows]
            self._parked.pop(item.key, None)
            self._settle([item, *followers], None)
        return followers

    def recall(self) -> None:
        with self._lock:
            self._order.recall()

    def next_due(self) -> float | None:
        with self._lock:
            return self._order.next_due()

    def empty(self) -> list[Item]:
        """Nothing is given up here: a later process delivers it."""
        return []

    def note(self, name: str, value: str) -> None:
        """Write a fact about this outbox into it."""
        self._write("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))

    def facts(self) -> dict[str, str]:
        with self._lock, plainly():
            return dict(self._connected().execute("SELECT name, value FROM facts").fetchall())

    def items(self) -> list[Item]:
        """All that is in it, for who wants to look; nothing is taken."""
        with self._lock, plainly():
            return [_item(row) for row in self._connected().execute(f"{_ITEM} ORDER BY row")]

    def close(self) -> None:
        """Let others have it; an empty one is deleted."""
        with self._lock:
            if self._owed and self._connection is not None:
                self._write_if_possible()
            connection, self._connection = self._connection, None
            if connection is None:
                return
            try:
                connection.close()
            except sqlite3.Error:
                pass  # what was committed is in the file or its log all the same
            if not self.count:
                delete(self.path)
            self._file_lock.release(remove=not self.count)

    def set_aside(self) -> Path:
        """Close a damaged file and keep it under another name, for a person to look at."""
        with self._lock:
            self.count = 0
            connection, self._connection = self._connection, None
            if connection is not None:
                try:
                    connection.close()
                except sqlite3.Error:
                    pass
            aside = renamed_aside(self.path)
            self._file_lock.release(remove=True)
            return aside

    def _begin(self, facts: Mapping[str, str]) -> None:
        if facts:
            marks = ", ".join(["(?, ?)"] * len(facts))
            values = [value for fact in facts.items() for value in fact]
            self._write(f"INSERT INTO facts (name, value) VALUES {marks}", values)

    def _resume(self) -> None:
        connection = self._connected()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not application and not version and not tables:
            self._connected().executescript(SCHEMA)  # its maker was killed before it had written anything
            return
        if application != APPLICATION_ID:
            raise Damaged(f"{self.path} is not an outbox")
        if version > VERSION:
            raise Unusable(f"{self.path} was written by a newer promptlayer_patch")
        self.count, self.size, self._order.last = connection.execute(
            "SELECT count(*), coalesce(sum(length(body)), 0), coalesce(max(row), 0) FROM items"
        ).fetchone()
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
            if item is None:
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

    def _settle(self, items: Sequence[Item], request_id: int | None) -> None:
        """Forget the items; they are deleted now or, where the disk refuses, with the next write."""
        self._connected()
        for item in items:
            self._order.forget(item.row)
            self._let_go(item.row)
            self.count -= 1
            self.size -= item.size
        if len(items) > 1 or not self._deleted(items[0]):
            self._owed |= {item.key: (item.row, request_id) for item in items}
            self._write_if_possible()
        if not self.count and not self._owed:
            self._shrink()

    def _deleted(self, item: Item) -> bool:
        """Delete an item that nothing follows, in one statement; false if that must be done otherwise."""
        if self._owed or item.key in self._followed:
            self._followed.discard(item.key)
            return False
        try:
            self._write("DELETE FROM items WHERE row = ?", (item.row,))
        except Unusable:
            return False
        return True

    def _shrink(self) -> None:
        """Give back to the disk what a long outage took from it."""
        try:
            if self.path.stat().st_size > _WORTH_SHRINKING:
                self._connected().execute("VACUUM")
                # Without it, the file has its size until somebody happens to merge the log into it.
                self._connected().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (sqlite3.Error, OSError):
            pass  # deleted, or in use: nothing depends on it

    def _write_if_possible(self, statement: str = "", values: Sequence[object] = ()) -> None:
        """Write what can also be written later, or never; and what is owed."""
        try:
            with self._writing() as connection:
                if statement:
                    connection.execute(statement, values)
        except Damaged:
            pass  # who takes or puts next is told, and sets it aside
        except Unusable as trouble:
            warn_once("outbox", "the outbox cannot be written: %s", trouble)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; what fails in it is an `Unusable`."""
        with self._lock, plainly():
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            try:
                for key, (row, request_id) in self._owed.items():
                    connection.execute("DELETE FROM items WHERE row = ?", (row,))
                    connection.execute("UPDATE items SET request_id = ? WHERE follows = ?", (request_id, key))
                yield connection
                connection.execute("COMMIT")
                self._owed.clear()
            except BaseException:
                if connection.in_transaction:  # SQLite may have rolled back by itself, as on a full disk
                    connection.execute("ROLLBACK")
                raise

    def _write(self, statement: str, values: Sequence[object]) -> None:
        """One statement, which is a transaction of its own unless something is owed."""
        if self._owed:
            with self._writing() as connection:
                connection.execute(statement, values)
        else:
            with self._lock, plainly():
                self._connected().execute(statement, values)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise Unusable(f"{self.path} is closed")
        return self._connection

    def _in_forked_child(self) -> None:
        # Neither used nor closed here: the connection and the lock are the parent's.
        self._lock = threading.RLock()
        if self._connection is not None:
            _inherited.append(self._connection)
            self._connection = None
            self._file_lock.abandon()


def _item(row: tuple[int, str, str | None, int | None, int, bytes]) -> Item:
    number, key, follows, request_id, attempts, body = row
    unreadable = None
    try:
        record = decoded(body)
    except Exception as error:  # of one item: its neighbours are delivered all the same
        record, unreadable = Record(id=key, function_name=""), f"cannot be read: {type(error).__name__}"
    return Item(record, body, follows, request_id, attempts, number, unreadable)


# A child must not be forked while a thread of ours is inside SQLite: its mutexes would stay locked there for
# ever. The forking thread waits for the commit under way, no longer than `_FORK_WAIT_S`.
_held: list[threading.RLock] = []


def _before_fork() -> None:
    for file in list(_open_files):
        if file._lock.acquire(timeout=_FORK_WAIT_S):
            _held.append(file._lock)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()


def _after_fork_in_child() -> None:
    _held.clear()
    for file in list(_open_files):
        file._in_forked_child()
    _open_files.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
