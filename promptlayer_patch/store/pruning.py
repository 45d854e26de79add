"""Deleting requests for good: rows, bodies, labels, search terms and sums, and their traces in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from promptlayer_patch._guard import warn_once
from promptlayer_patch.store.indexing import derived
from promptlayer_patch.store.indexing.indexer import withdraw
from promptlayer_patch.store.messages import remove_body
from promptlayer_patch.store.transaction import transaction
from promptlayer_patch.store.writing import first_id

if TYPE_CHECKING:
    from promptlayer_patch.store.sqlite import Store

__all__ = ["Pruned", "clean", "delete", "prune"]

_BATCH = 200
"""Requests in one transaction, so that other writers are kept waiting for some 50 ms."""
_MERGE_PAGES = 256
_VACUUM_PAGES = 1024
_INCREMENTAL = 2
_NOTE = "uncleaned"
"""The table in which a deletion notes that it has left traces."""
_TRIES = 5
"""To empty the write-ahead log; each waits for readers as long as the busy timeout is."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted."""

    requests: int
    bytes: int
    """By which the file has become smaller."""


def prune(store: Store, older_than: float, progress: Callable[[int, int], None] | None = None) -> Pruned:
    """Delete what began before `older_than`, seconds since the epoch, and leave no trace of it in the file.

    `progress` is told how many requests are deleted, and of how many.
    """
    before = _size(store.path)
    end = first_id(older_than)
    total = store.run(partial(_count, end=end))
    done = 0
    while batch := store.run(partial(_oldest, end=end)):
        done += _forget_all(store, batch)
        if progress is not None:
            progress(done, max(done, total))
    while store.run(partial(_delete_spans, older_than=older_than)):
        pass
    clean(store)
    return Pruned(done, max(0, before - _size(store.path)))


def delete(store: Store, request_ids: Iterable[int]) -> int:
    """Delete these requests; how many there were. Their traces in the file are for `clean` to remove."""
    ids = sorted(set(request_ids))
    return sum(_forget_all(store, ids[at : at + _BATCH]) for at in range(0, len(ids), _BATCH))


def clean(store: Store, goes_on: Callable[[], bool] = lambda: True) -> bool:
    """Remove what is left of deleted requests where nobody looks, and what only they needed.

    `goes_on` is asked between the steps. False if it said no, or others read for too long: then there is more
    to do.
    """
    while (deletion := store.run(_latest_deletion)) is not None:
        if not all(goes_on() for _ in _steps(store)):
            return False
        if not any(store.run(_empty_log) for _ in range(_TRIES)):
            warn_once(
                "write-ahead log",
                "others have read the store for so long that its write-ahead log could not be emptied: what "
                "was deleted is in it until they are done and somebody writes",
            )
            return False
        store.run(partial(_note_clean, deletion=deletion))
        store.run(_empty_log)  # once more, and of this note alone: a small file stays one
    return True


def _forget_all(store: Store, request_ids: Sequence[int]) -> int:
    return store.run(partial(_forget, request_ids=request_ids))


def _forget(connection: sqlite3.Connection, request_ids: Sequence[int]) -> int:
    with transaction(connection, "IMMEDIATE"):
        if not derived.is_current(connection):
            # An index of an older version: nothing can be taken out of it, and it is of no use to anybody.
            derived.drop(connection)
        withdraw(connection, request_ids)
        marks = ", ".join("?" for _ in request_ids)
        for request_id in request_ids:
            remove_body(connection, request_id)
        connection.execute(f"DELETE FROM unindexed WHERE request_id IN ({marks})", request_ids)
        # Labels go along with it, as their tables say.
        gone = connection.execute(f"DELETE FROM requests WHERE request_id IN ({marks})", request_ids)
        _note_deletion(connection)
        return gone.rowcount


def _note_deletion(connection: sqlite3.Connection) -> None:
    """Note that there is something to clean, for whoever goes on after a crash."""
    # Here, for a file of a version in which nobody made notes.
    connection.execute(f"CREATE TABLE IF NOT EXISTS {_NOTE} (deletion INTEGER NOT NULL)")
    connection.execute(f"DELETE FROM {_NOTE}")
    # Another number each time: what is deleted while somebody cleans may have escaped that.
    connection.execute(f"INSERT INTO {_NOTE} VALUES (random())")


def _latest_deletion(connection: sqlite3.Connection) -> int | None:
    """The number of the latest deletion that nobody has cleaned up after."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_NOTE,)).fetchone() is None:
        return None
    found = connection.execute(f"SELECT deletion FROM {_NOTE}").fetchone()
    return None if found is None else int(found[0])


def _note_clean(connection: sqlite3.Connection, deletion: int) -> None:
    connection.execute(f"DELETE FROM {_NOTE} WHERE deletion = ?", (deletion,))


def _count(connection: sqlite3.Connection, end: int) -> int:
    return int(connection.execute("SELECT count(*) FROM requests WHERE request_id < ?", (end,)).fetchone()[0])


def _oldest(connection: sqlite3.Connection, end: int) -> list[int]:
    found = connection.execute(
        "SELECT request_id FROM requests WHERE request_id < ? ORDER BY request_id LIMIT ?", (end, _BATCH)
    )
    return [request_id for (request_id,) in found]


def _delete_spans(connection: sqlite3.Connection, older_than: float) -> int:
    """Delete some of the spans that began before, and say how many those were."""
    with transaction(connection, "IMMEDIATE"):
        gone = connection.execute(
            "DELETE FROM spans WHERE id IN (SELECT id FROM spans WHERE start_ns < ? LIMIT ?)",
            (int(older_than * 1e9), _BATCH),
        ).rowcount
        if gone:
            _note_deletion(connection)
    return gone


def _steps(store: Store) -> Iterator[None]:
    """Clean, a step at a time: others may write between any two of them."""
    store.run(_delete_unused)
    yield
    pages = -_MERGE_PAGES  # negative to begin with: then all parts of the index are merged, old and new
    while store.run(partial(_merge, pages=pages)):
        yield
        pages = _MERGE_PAGES
    store.run(_make_shrinkable)
    while store.run(_shrink):
        yield


def _delete_unused(connection: sqlite3.Connection) -> None:
    # Or each tag would be looked for among those of all requests once more.
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        connection.execute("DELETE FROM tags WHERE id NOT IN (SELECT tag_id FROM request_tags)")
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(
        "DELETE FROM closed_traces WHERE NOT EXISTS"
        " (SELECT 1 FROM spans WHERE spans.trace_id = closed_traces.trace_id)"
    )


def _merge(connection: sqlite3.Connection, pages: int) -> bool:
    """Merge some of the index: what was taken out of it is in it until then. Whether there is more to do."""
    if not derived.is_current(connection):
        return False
    before = connection.total_changes
    connection.execute("INSERT INTO documents (documents, rank) VALUES ('merge', ?)", (pages,))
    return connection.total_changes - before >= 2  # as its documentation says


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Empty the write-ahead log, which holds pages as they were; false if somebody reads for too long."""
    (is_busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not is_busy


def _make_shrinkable(connection: sqlite3.Connection) -> None:
    """Files from before the store asked for it can be made smaller by a copy of the whole alone; once."""
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA temp_store = FILE")  # the copy is made there first
        try:
            connection.execute("VACUUM")
        finally:
            connection.execute("PRAGMA temp_store = MEMORY")


def _shrink(connection: sqlite3.Connection) -> bool:
    """Give back some of the free pages; whether there are more."""
    connection.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0]) > 0


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, path.with_name(f"{path.name}-wal")) if file.exists())
