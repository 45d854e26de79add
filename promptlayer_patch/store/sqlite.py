"""The store itself: one file, any number of processes and threads."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from promptlayer_patch._encoding import encoded
from promptlayer_patch._imports import around_forks
from promptlayer_patch._query import And, Cursor, Filter, Query
from promptlayer_patch.annotations import Content
from promptlayer_patch.records import Record
from promptlayer_patch.store import annotating, reading
from promptlayer_patch.store.connection import StoreError, connect, located, plain_errors
from promptlayer_patch.store.encoding import encode
from promptlayer_patch.store.entries import Entry
from promptlayer_patch.store.fresh import Fresh
from promptlayer_patch.store.reading import StoredRequest, Summary
from promptlayer_patch.store.repeats import Repeats
from promptlayer_patch.store.results import FacetCounts, Page, Suggestion, Total
from promptlayer_patch.store.searching import lookups
from promptlayer_patch.store.writing import insert_all

if TYPE_CHECKING:
    from promptlayer_patch.store.pruning import Pruned

__all__ = ["Store"]

_T = TypeVar("_T")
_ALL = And(())
_FORK_WAIT_S = 1.0

_stores: set[weakref.ref[Store]] = set()
_inherited: list[sqlite3.Connection] = []


class Store:
    """Requests kept in one SQLite file. Get one from `Store.open`; threads and processes may share the file.

    Every method raises `StoreError` when the file cannot be used, and `StoreUnavailable`, which is one, when
    trying again later makes sense.
    """

    def __init__(self, path: Path, *, read_only: bool, only_adds: bool) -> None:
        self.path = path
        self._read_only = read_only
        self._only_adds = only_adds
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        _stores.add(weakref.ref(self, _stores.discard))
        with self._lock:  # and so not while the process is forked
            self._connection = self._connect()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, read_only: bool = False, only_adds: bool = False) -> Store:
        """Open the store at `path`.

        What is missing, file or directory, is created for this user alone, unless `read_only`. One that
        `only_adds` is quicker at it, and refuses to delete requests.
        """
        if not os.fspath(path):
            raise StoreError("the path of the local store is empty")
        # So that a link to a file that does not exist yet creates that file with our modes.
        return cls(located(path), read_only=read_only, only_adds=only_adds)

    def add(
        self,
        records: Sequence[Record | Entry],
        *,
        fresh: Fresh | None = None,
        repeats: Repeats | None = None,
        to_json: Callable[[Record], bytes] = encoded,
        compress: bool = True,
    ) -> list[int]:
        """Store all the records, or none, and give their request ids in the same order.

        A record that is stored already keeps its id; what is new is kept in `fresh`, too. With `repeats`,
        what comes again is stored once from the start. `to_json` writes what `_encoding.decoded` reads. With
        `compress` false, that is left to whoever indexes them. Raises `Unstorable` if a record can never be
        stored.
        """
        entries = [one if isinstance(one, Entry) else Entry.of(one) for one in records]
        again = None if repeats is None else self.met(repeats)
        rows = [encode(entry, to_json, compress=compress, again=again) for entry in entries]
        return self.run(lambda connection: insert_all(connection, rows, fresh)) if rows else []

    def met(self, repeats: Repeats) -> Callable[[bytes], bool]:
        """What says of a part's digest whether it has been met before, by this process or in this store."""
        self.run(repeats.learn)
        return repeats.has

    def annotate(self, request_id: int, content: Content) -> bool:
        """Keep what is said about a request, in place of what was said before; false if it is not here.

        Raises `Unstorable` if it can never be stored.
        """
        return self.run(lambda connection: annotating.annotate(connection, request_id, content))

    def take_away(
        self,
        request_id: int,
        *,
        metadata: Iterable[str] = (),
        scores: Iterable[str] = (),
        groups: Iterable[int] = (),
    ) -> bool:
        """Let go of what was said about a request: these metadata keys, scores by name, groups by id.

        False if nothing of it was there.
        """
        return self.run(
            lambda connection: annotating.take_away(
                connection, request_id, metadata=metadata, scores=scores, groups=groups
            )
        )

    def create_group(self) -> int:
        """A new group to put requests into, by its id."""
        return self.run(annotating.create_group)

    def has_group(self, group_id: int) -> bool:
        """Whether `create_group` gave this id."""
        return self.run(lambda connection: annotating.has_group(connection, group_id))

    def keep_group(self, group_id: int) -> None:
        """Let there be a group of this id: requests that come from another store bring theirs along."""
        self.run(lambda connection: annotating.keep_group(connection, group_id))

    def recent(self, limit: int = 50, *, before: int | None = None) -> list[Summary]:
        """The newest requests, newest first; the next page is the one `before` this page's last id."""
        return self.run(lambda connection: reading.recent(connection, limit, before))

    def get(self, request_id: int) -> StoredRequest | None:
        """The request with this id, whole."""
        return self.run(lambda connection: reading.get(connection, request_id))

    def id_of(self, record_id: str) -> int | None:
        """The request id of the record, if it is stored."""
        return self.run(lambda connection: lookups.id_of(connection, record_id))

    def count(self, *, before: float | None = None) -> int:
        """How many requests are stored; of those that began before then, in seconds since the epoch."""
        if before is None:
            return self.run(reading.count)
        return self.run(lambda connection: lookups.count_before(connection, before))

    def version(self) -> int:
        """A number that is another one as soon as another process or store has changed the file."""
        return self.run(lookups.version)

    # What follows is for those who read the store. It is imported when it is asked for: a program that only
    # writes pays nothing for it.

    def catch_up(
        self, progress: Callable[[int, int], None] | None = None, *, at_most: int | None = None
    ) -> None:
        """Index what was stored, the newest first, so that it can be found; all of it, or `at_most` so many.

        `progress` is told how many are done, of how many.
        """
        from promptlayer_patch.store.indexing.indexer import Indexer

        Indexer(self).catch_up(progress, at_most=at_most)

    def search(self, query: Query, limit: int = 50, after: Cursor | None = None, *, skip: int = 0) -> Page:
        """A page of the requests that the query asks for; `after` is the `next` of the page before.

        `skip` leaves out as many before the page begins, and takes longer the more they are. Raises
        `QueryTooSlow` after five seconds, as all that looks for requests does.
        """
        from promptlayer_patch.store.searching import searching

        return self.run(lambda connection: searching.search(connection, query, limit, after, skip))

    def total(self, query: Query, at_most: int = 10_000) -> Total:
        """How many requests the query asks for, counted no further than `at_most`."""
        from promptlayer_patch.store.searching import searching

        return self.run(lambda connection: searching.total(connection, query.filter, at_most))

    def suggest(
        self,
        field: str,
        prefix: str = "",
        key: str | None = None,
        filter: Filter = _ALL,
        limit: int = 20,
    ) -> tuple[Suggestion, ...]:
        """The most frequent values of `field`, or under the key of a nested one, that begin with `prefix`.

        With a filter, of the newest 10,000 requests that it matches.
        """
        from promptlayer_patch.store.searching import suggesting

        return self.run(lambda connection: suggesting.suggest(connection, field, prefix, key, filter, limit))

    def facet_counts(self, filter: Filter, fields: Sequence[str], limit: int = 10) -> FacetCounts:
        """The most frequent values of each of these fields among the newest 10,000 requests of the filter."""
        from promptlayer_patch.store.searching import suggesting

        return self.run(lambda connection: suggesting.facet_counts(connection, filter, fields, limit))

    def tag(self, request_ids: Iterable[int], add: Iterable[str] = (), remove: Iterable[str] = ()) -> int:
        """Give these requests tags, and take some away; how many requests there were."""
        from promptlayer_patch.store.tagging import tag

        return tag(self, request_ids, add, remove)

    def delete(self, request_ids: Iterable[int], *, cleans: bool = True) -> int:
        """Delete these requests and leave no trace of them in the file; how many there were.

        In a large store the traces take a while. With `cleans` false they are left to `clean`.
        """
        from promptlayer_patch.store.pruning import clean, delete

        self._refuse_to_delete()
        count = delete(self, request_ids)
        if cleans:
            clean(self)
        return count

    def clean(self, goes_on: Callable[[], bool] = lambda: True) -> bool:
        """Remove the traces of what was deleted, if there are any left in the file.

        `goes_on` is asked every now and then. False if it said no, or others read for too long: then there is
        more to do.
        """
        from promptlayer_patch.store.pruning import clean

        self._refuse_to_delete()
        return clean(self, goes_on)

    def prune(self, older_than: float, progress: Callable[[int, int], None] | None = None) -> Pruned:
        """Delete what began before `older_than`, in seconds since the epoch, and leave no trace of it.

        Full-text search is merged and the file made smaller: of a large store that takes a while. Others may
        read and write meanwhile.
        """
        from promptlayer_patch.store.pruning import prune

        self._refuse_to_delete()
        return prune(self, older_than, progress)

    def backup(
        self, path: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Copy the store as it is now to a new file, which must not exist; others may write meanwhile."""
        from promptlayer_patch.store.backup import backup

        backup(self.path, Path(path), progress)

    def close(self) -> None:
        """Let go of the file. What was added is safe without it."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do `work` with the connection, alone: for the other modules of this room."""
        with self._lock, plain_errors(self.path):
            if self._closed:
                raise StoreError(f"{self.path} is closed")
            if self._connection is None:
                self._connection = self._connect()
            return work(self._connection)

    def _refuse_to_delete(self) -> None:
        if self._only_adds:
            raise StoreError(
                "requests cannot be deleted by what only adds: all that refers to them would stay"
            )

    def _connect(self) -> sqlite3.Connection:
        return connect(self.path, read_only=self._read_only, only_adds=self._only_adds)

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


around_forks(_before_fork, _after_fork_in_parent, _after_fork_in_child)
