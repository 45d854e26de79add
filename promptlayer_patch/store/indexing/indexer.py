"""Making requests findable after they were stored: text, facets, rollups, suggestions, cost.

Whoever reads the store does this, not the user's process, which only inserts. A batch is prepared without a
lock and written in one transaction, so an indexer may die at any moment, and several may be at it: what the
transaction finds changed since, it leaves for the next batch.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from promptlayer_patch.store.charting import rollups
from promptlayer_patch.store.fresh import Fresh
from promptlayer_patch.store.indexing import derived
from promptlayer_patch.store.indexing.documents import Change, Document, change_of, document_then
from promptlayer_patch.store.indexing.narrow import NARROW
from promptlayer_patch.store.indexing.sources import source_of, sources, waiting
from promptlayer_patch.store.messages import keep
from promptlayer_patch.store.multirow import bounded, insertion, run
from promptlayer_patch.store.repeats import Repeats
from promptlayer_patch.store.transaction import transaction

if TYPE_CHECKING:
    from promptlayer_patch.store.sqlite import Store

__all__ = ["Indexer", "withdraw"]

_DOCUMENTS_BYTES = 1_000_000
_MOST = 256
"""Requests in one transaction: it keeps other writers waiting for some 50 ms."""


class Indexer:
    """Brings the index of a store up to date, a batch at a time, the newest requests first."""

    def __init__(self, store: Store, fresh: Fresh | None = None, repeats: Repeats | None = None) -> None:
        self._store = store
        self._fresh = Fresh() if fresh is None else fresh
        self._repeats = Repeats() if repeats is None else repeats
        self._is_current = False

    def behind(self) -> int:
        """How many requests the index has not seen, or not as they are now."""
        self._prepare()
        return self._store.run(_behind)

    def begin(self) -> None:
        """Make the index of a store that has no requests, which takes no time: what it has is indexed."""
        if self._store.run(_is_empty):
            self._prepare()

    def step(self, limit: int = _MOST, meanwhile: Callable[[], None] | None = None) -> int:
        """Index one batch, and say how many requests that were; 0 if none waits.

        `meanwhile` is called when the batch is prepared and not yet written.
        """
        self._prepare()
        while batch := self._store.run(partial(self._batch, limit=min(limit, _MOST))):
            if meanwhile is not None:
                meanwhile()
            if done := self._store.run(partial(_write, batch=batch)):
                return done
        return 0

    def catch_up(
        self, progress: Callable[[int, int], None] | None = None, *, at_most: int | None = None
    ) -> None:
        """Index all that waits, or `at_most` so many; `progress` is told how many are done, of how many."""
        done, total = 0, self.behind()
        if at_most is not None:
            total = min(total, at_most)
        while done < total and (indexed := self.step(total - done)):
            done += indexed
            if progress is not None:
                progress(min(done, total), total)

    def _batch(self, connection: sqlite3.Connection, limit: int) -> _Batch | None:
        # One view of the file: what is said about a request, and the mark that it was said, belong together.
        with transaction(connection, "DEFERRED"):
            marks = waiting(connection, limit)
            self._repeats.learn(connection)
            again = self._repeats.has
            fresh = self._fresh.take(marks)
            changes = [change_of(source_of(one), again) for one in fresh.values()]
            rest = [request_id for request_id in marks if request_id not in fresh]
            if rest:
                changes += [change_of(source, again) for source in sources(connection, rest)]
        changes.sort(key=attrgetter("request_id"))
        return _Batch(marks, changes) if marks else None

    def _prepare(self) -> None:
        if not self._is_current:
            self._store.run(_make_current)
            self._is_current = True


def withdraw(connection: sqlite3.Connection, request_ids: Sequence[int]) -> None:
    """Take requests out of the index, before they are deleted or their bodies replaced.

    To be called in the same transaction; at most some hundreds at once.
    """
    if not request_ids or not derived.is_current(connection):
        return  # of another version there is nothing to take out: the tables are made anew
    documents = [then for source in sources(connection, request_ids) if (then := document_then(source))]
    for document in documents:
        connection.execute(_DELETE_DOCUMENT, document.row)
    rollups.remove(connection, [document.indexed for document in documents])
    _count_terms(connection, documents, ())
    connection.executemany(
        "DELETE FROM indexed WHERE request_id = ?", [(request_id,) for request_id in request_ids]
    )


# Those that are not as they were: to be told of each of the others would give the interpreter away as often.
_CHANGED = """
    SELECT column1 FROM {rows} WHERE column1 IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM unindexed WHERE request_id = column1 AND change = column2)
"""
_DONE = "DELETE FROM unindexed WHERE request_id IN (SELECT column1 FROM {rows})"
_INSERT_DOCUMENT = "INSERT INTO documents (rowid, input, output, facets) VALUES (?, ?, ?, ?)"
_INSERT_DOCUMENTS = """
    INSERT INTO documents (rowid, input, output, facets) SELECT * FROM {rows} WHERE column1 IS NOT NULL
"""
_INDEXED = insertion("indexed", ("request_id", "said"), instead=True)
_DELETE_DOCUMENT = """
    INSERT INTO documents (documents, rowid, input, output, facets) VALUES ('delete', ?, ?, ?, ?)
"""
_FILL = f"UPDATE requests SET {', '.join(f'{name} = ?' for name in NARROW)} WHERE request_id = ?"
_COUNT_TERMS = """
    INSERT INTO terms (field, key, value, uses) SELECT * FROM {rows} WHERE column1 IS NOT NULL
    ON CONFLICT (field, key, value) DO UPDATE SET uses = uses + excluded.uses
"""


def _make_current(connection: sqlite3.Connection) -> None:
    if derived.is_current(connection):
        return
    with transaction(connection, "IMMEDIATE"):
        if not derived.is_current(connection):  # another process may have made them a moment ago
            derived.make(connection)


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM requests LIMIT 1").fetchone() is None


def _behind(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM unindexed").fetchone()[0])


class _Batch(NamedTuple):
    marks: Mapping[int, int]
    """Of every request that waited, those included that are not there any more."""
    changes: Sequence[Change]


def _write(connection: sqlite3.Connection, batch: _Batch) -> int:
    with transaction(connection, "IMMEDIATE"):
        if not derived.is_current(connection):
            # Somebody has dropped them since: what was prepared takes out what is not in them any more.
            derived.make(connection)
            return 0
        changed = {request_id for (request_id,) in run(connection, _CHANGED, list(batch.marks.items()))}
        unchanged = batch.marks.keys() - changed
        run(connection, _DONE, [(request_id,) for request_id in unchanged])
        _apply(connection, [change for change in batch.changes if change.request_id in unchanged])
    return len(unchanged)


def _apply(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    _apply_documents(connection, changes)
    before = [change.before for change in changes if change.before is not None]
    after = [change.after for change in changes]
    rollups.remove(connection, [document.indexed for document in before])
    rollups.add(connection, [document.indexed for document in after])
    _count_terms(connection, before, after)
    connection.executemany(_FILL, [(*change.narrow, change.request_id) for change in changes])
    run(connection, _INDEXED, [(change.request_id, change.said) for change in changes])
    keep(connection, {change.request_id: change.split for change in changes if change.split is not None})


def _apply_documents(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    # In the order of the ids: full-text search writes to disk whenever it has to go back, and after each
    # statement of many rows. So all of a batch go in one, or each in its own.
    if all(change.before is None for change in changes):
        rows = [change.after.row for change in changes]
        for group in bounded(rows, lambda row: len(row[1]) + len(row[2]), _DOCUMENTS_BYTES):
            run(connection, _INSERT_DOCUMENTS, group, _MOST)
        return
    for change in changes:
        if change.before is not None:
            connection.execute(_DELETE_DOCUMENT, change.before.row)
        connection.execute(_INSERT_DOCUMENT, change.after.row)


def _count_terms(
    connection: sqlite3.Connection, before: Iterable[Document], after: Iterable[Document]
) -> None:
    uses: Counter[tuple[str, str, str]] = Counter()
    uses.update(chain.from_iterable([document.terms for document in after]))
    uses.subtract(chain.from_iterable([document.terms for document in before]))
    # In the order of the table, which is read and written in fewer places then.
    changed = sorted((term, count) for term, count in uses.items() if count)
    run(connection, _COUNT_TERMS, [(*term, count) for term, count in changed])
    connection.executemany(
        "DELETE FROM terms WHERE field = ? AND key = ? AND value = ? AND uses <= 0",
        [term for term, count in changed if count < 0],
    )
