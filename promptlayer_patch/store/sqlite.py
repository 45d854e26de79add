"""The store itself: one file, any number of processes and threads."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from promptlayer_patch.annotations import Content
from promptlayer_patch.records import Record
from promptlayer_patch.store import annotating, reading
from promptlayer_patch.store.connection import StoreError, connect, plain_errors
from promptlayer_patch.store.encoding import encode
from promptlayer_patch.store.reading import StoredRequest, Summary
from promptlayer_patch.store.writing import insert_all

__all__ = ["Store"]

_T = TypeVar("_T")
_FORK_WAIT_S = 1.0

_stores: set[weakref.ref[Store]] = set()
_inherited: list[sqlite3.Connection] = []


class Store:
    """Requests kept in one SQLite file. Get one from `Store.open`; threads and processes may share the file.

    Every method raises `StoreError` when the file cannot be used, and `StoreUnavailable`, which is one, when
    trying again later makes sense.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._read_only = read_only
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        _stores.add(weakref.ref(self, _stores.discard))
        with self._lock:  # and so not while the process is forked
            self._connection = connect(path, read_only=read_only)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, read_only: bool = False) -> Store:
        """Open the store at `path`.

        What is missing, file or directory, is created for this user alone, unless `read_only`.
        """
        if not os.fspath(path):
            raise StoreError("the path of the local store is empty")
        # Resolved, so that a link to a file that does not exist yet creates that file with our modes.
        return cls(Path(os.path.realpath(path)), read_only=read_only)

    def add(self, records: Sequence[Record]) -> list[int]:
        """Store all the records, or none, and give their request ids in the same order.

        A record that is stored already keeps its id. Raises `Unstorable` if one of them can never be stored.
        """
        rows = [encode(record) for record in records]
        return self._use(lambda connection: insert_all(connection, rows)) if rows else []

    def annotate(self, request_id: int, content: Content) -> bool:
        """Keep what is said about a request, in place of what was said before; false if it is not here.

        Raises `Unstorable` if it can never be stored.
        """
        return self._use(lambda connection: annotating.annotate(connection, request_id, content))

    def create_group(self) -> int:
        """A new group to put requests into, by its id."""
        return self._use(annotating.create_group)

    def recent(self, limit: int = 50, *, before: int | None = None) -> list[Summary]:
        """The newest requests, newest first; the next page is the one `before` this page's last id."""
        return self._use(lambda connection: reading.recent(connection, limit, before))

    def get(self, request_id: int) -> StoredRequest | None:
        """The request with this id, whole."""
        return self._use(lambda connection: reading.get(connection, request_id))

    def count(self) -> int:
        """How many requests are stored."""
        return self._use(reading.count)

    def close(self) -> None:
        """Let go of the file. What was added is safe without it."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def _use(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._lock, plain_errors(self.path):
            if self._closed:
                raise StoreError(f"{self.path} is closed")
            if self._connection is None:
                self._connection = connect(self.path, read_only=self._read_only)
            return work(self._connection)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _before_fork(self) -> bool:
        """Close the connection and hold the lock until the fork is over; False if it is busy for too long."""
        if not self._lock.acquire(timeout=_FORK_WAIT_S):
            return False
        self._disconnect()
        return True

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        if self._connection is not None:  # nothing closed it before the fork: not ours to use, nor to close
            _inherited.append(self._connection)
            self._connection = None


# SQLite keeps, per process, a table of the files and locks it has. A child that inherits an open connection
# takes the parent's locks for its own; when the parent then closes, it removes the write-ahead log under the
# child, and what the child stores is lost without an error. So nothing is open while a process forks; the
# next use on either side connects again.
_held: list[Store] = []


def _before_fork() -> None:
    for store in [reference() for reference in _stores.copy()]:
        if store is not None and store._before_fork():
            _held.append(store)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop()._lock.release()


def _after_fork_in_child() -> None:
    _held.clear()
    for store in [reference() for reference in _stores.copy()]:
        if store is not None:
            store._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
