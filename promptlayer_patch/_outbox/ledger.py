"""The table of an outbox: what is written into it and deleted from it, whatever the disk says meanwhile."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from promptlayer_patch._guard import warn_once
from promptlayer_patch._imports import around_forks
from promptlayer_patch._outbox import database
from promptlayer_patch._outbox.database import (
    APPLICATION_ID,
    SCHEMA,
    VERSION,
    connected,
    delete,
    plainly,
    renamed_aside,
)
from promptlayer_patch._outbox.items import Damaged, Item, Unusable
from promptlayer_patch._outbox.locking import FileLock

_WORTH_SHRINKING = 16 * 1024 * 1024
_FORK_WAIT_S = 1.0
"""The longest a fork waits until no thread of ours is inside SQLite."""

_open_files: weakref.WeakSet[Ledger] = weakref.WeakSet()
_inherited: list[sqlite3.Connection] = []


class Ledger:
    """One open outbox, and the lock that makes it this process's own."""

    def __init__(self, path: Path, lock: FileLock, facts: Mapping[str, str] | None) -> None:
        self.path = path
        self.count = 0
        self._file_lock = lock
        self._lock = threading.RLock()
        self._followed: set[str] = set()
        """Keys that some row follows."""
        self._owed: dict[str, tuple[int, int | None]] = {}
        """Rows and request ids of what is settled and still to be deleted, by key."""
        self._connection: sqlite3.Connection | None = None
        _open_files.add(self)
        with plainly():
            self._connection = connected(path, new=facts is not None)
            try:
                if facts is not None:
                    self._begin(facts)
                elif self._is_begun():
                    self._resume()
            except BaseException:
                self._connection.close()
                raise

    def note(self, name: str, value: str) -> None:
        """Write a fact about this outbox into it."""
        self._write("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))

    def facts(self) -> dict[str, str]:
        with self._lock, plainly():
            return dict(self._connected().execute("SELECT name, value FROM facts").fetchall())

    def close(self) -> None:
        """Let others have it; an empty one is deleted."""
        with self._lock, database.inside:
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
        with self._lock, database.inside:
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

    def _is_begun(self) -> bool:
        """Whether there is anything to resume; refuses what is no outbox, or a newer one."""
        connection = self._connected()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not application and not version and not tables:
            connection.executescript(SCHEMA)  # its maker was killed before it had written anything
            return False
        if application != APPLICATION_ID:
            raise Damaged(f"{self.path} is not an outbox")
        if version > VERSION:
            raise Unusable(f"{self.path} was written by a newer promptlayer_patch")
        return True

    def _resume(self) -> None:
        """Find out what is there."""

    def _delete(self, items: Sequence[tuple[Item, int | None]]) -> None:
        """Delete what is settled with these ids, now or, where the disk refuses, with the next write."""
        if not self._deleted([item for item, _ in items]):
            self._owed |= {item.key: (item.row, request_id) for item, request_id in items}
            self._write_if_possible()
        if not self.count and not self._owed:
            self._shrink()

    def _deleted(self, items: Sequence[Item]) -> bool:
        """Delete items that nothing follows, in one statement; false if that must be done otherwise."""
        followed = self._followed.intersection(item.key for item in items) if self._followed else ()
        if self._owed or followed:
            self._followed.difference_update(followed)
            return False
        marks = ", ".join("?" * len(items))
        try:
            self._write(f"DELETE FROM items WHERE row IN ({marks})", [item.row for item in items])
        except Unusable:
            return False
        return True

    def _shrink(self) -> None:
        """Give back to the disk what a long outage took from it."""
        try:
            if self.path.stat().st_size <= _WORTH_SHRINKING:
                return
            with database.inside:
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


_held: list[threading.RLock] = []


def _before_fork() -> None:
    if database.inside.acquire(timeout=_FORK_WAIT_S):
        _held.append(database.inside)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()


def _after_fork_in_child() -> None:
    _held.clear()
    database.inside = threading.RLock()
    for file in list(_open_files):
        file._in_forked_child()
    _open_files.clear()


around_forks(_before_fork, _after_fork_in_parent, _after_fork_in_child)
