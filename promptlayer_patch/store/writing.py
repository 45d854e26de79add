"""Putting records into the store, and the ids they get."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Sequence
from functools import lru_cache

from promptlayer_patch.store.annotating import link, say
from promptlayer_patch.store.encoding import Row, Unstorable
from promptlayer_patch.store.fresh import Fresh, Inserted
from promptlayer_patch.store.transaction import transaction

__all__ = ["first_id", "insert", "insert_all", "insert_labels"]

_EPOCH_MS = 1_735_689_600_000  # 2025-01-01 UTC
_SEQUENCE_BITS = 12
# 41 bits of milliseconds and 12 of sequence make 53, which JavaScript reads without rounding, until 2094.
_LAST_MS = (1 << 41) - 1

_INSERT_TAG = """
    INSERT INTO request_tags (request_id, position, tag_id) SELECT ?, ?, id FROM tags WHERE name = ?
"""


_TRACE_OF = """
    SELECT trace_id, id FROM spans WHERE span_id = ?
    UNION ALL SELECT trace_id, id FROM spans WHERE logged_as = ? ORDER BY id DESC LIMIT 1
"""


def insert_all(connection: sqlite3.Connection, rows: Sequence[Row], fresh: Fresh | None = None) -> list[int]:
    """Write all rows in one transaction, or none of them; a record that is there keeps the id it has.

    What was new is kept in `fresh`, too.
    """
    # IMMEDIATE: ids are chosen by what is there, so nobody else may write between looking and inserting.
    with transaction(connection, "IMMEDIATE"):
        return [insert(connection, row, fresh) for row in rows]


def insert(connection: sqlite3.Connection, row: Row, fresh: Fresh | None = None) -> int:
    """Write one row in the transaction there is; a record that is there keeps the id it has."""
    record_id = row.columns["record_id"]
    request_id = _free_id(connection, row.columns["started_at"])
    try:
        inserted = _insert_new(connection, request_id, row)
    except (
        OverflowError,
        sqlite3.DataError,
        sqlite3.IntegrityError,
        sqlite3.InterfaceError,
        sqlite3.ProgrammingError,
    ) as error:
        raise Unstorable(f"record {record_id:.64} cannot be stored: {error}") from error
    if inserted is None:
        known = connection.execute("SELECT request_id FROM requests WHERE record_id = ?", (record_id,))
        return int(known.fetchone()[0])
    if fresh is not None:
        # Before it is committed, so that no indexer sees it sooner there than here. If it never is, its mark
        # fits nothing.
        fresh.put(inserted)
    return request_id


def _insert_new(connection: sqlite3.Connection, request_id: int, row: Row) -> Inserted | None:
    """Write the row; `None` if the record is there already."""
    columns = {"request_id": request_id, **row.columns}
    if columns["span_id"] is not None and columns["trace_id"] is None:
        columns["trace_id"] = _trace_of(connection, columns["span_id"])
    if not connection.execute(_insertion(tuple(columns)), tuple(columns.values())).rowcount:
        return None
    connection.execute("INSERT INTO bodies (request_id, body) VALUES (?, ?)", (request_id, row.body))
    insert_labels(connection, request_id, row)
    change = int.from_bytes(os.urandom(8), "little", signed=True)
    connection.execute("INSERT INTO unindexed (request_id, change) VALUES (?, ?)", (request_id, change))
    return Inserted(columns, change, row)


@lru_cache(maxsize=8)
def _insertion(columns: tuple[str, ...]) -> str:
    return f"""
        INSERT INTO requests ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})
        ON CONFLICT (record_id) DO NOTHING
    """


def insert_labels(connection: sqlite3.Connection, request_id: int, row: Row) -> None:
    """Write what a request says beside its columns; what has been said about it already gives way."""
    if row.tags:
        connection.executemany("INSERT OR IGNORE INTO tags (name) VALUES (?)", [(tag,) for tag in row.tags])
        positions = [(request_id, position, tag) for position, tag in enumerate(row.tags)]
        connection.executemany(_INSERT_TAG, positions)
    if row.metadata:
        connection.executemany(
            "INSERT OR REPLACE INTO request_metadata (request_id, key, value) VALUES (?, ?, ?)",
            [(request_id, key, value) for key, value in row.metadata.items()],
        )
    link(connection, request_id, row.group_id, row.prompt)
    if row.score is not None:
        say(connection, request_id, row.score)


def _trace_of(connection: sqlite3.Connection, span_id: str) -> str | None:
    """The trace of a request that names its span, if the span was here first."""
    found = connection.execute(_TRACE_OF, (span_id, span_id)).fetchone()
    return None if found is None else str(found[0])


def _free_id(connection: sqlite3.Connection, started_at: float) -> int:
    """The first free id of the record's millisecond or, where that one is full, of a later one."""
    first = first_id(started_at)
    while True:
        end = ((first >> _SEQUENCE_BITS) + 1) << _SEQUENCE_BITS
        taken = connection.execute(
            "SELECT max(request_id) FROM requests WHERE request_id >= ? AND request_id < ?", (first, end)
        ).fetchone()[0]
        if taken is None:
            return first
        if taken + 1 < end:
            return int(taken) + 1
        first = end


def first_id(started_at: float) -> int:
    """The lowest id that a request which began at this moment may get."""
    # A clock that is wrong by decades must not cost the record. Never 0: ids are tested for truth.
    milliseconds = min(max(started_at * 1000 - _EPOCH_MS, 0), _LAST_MS)
    return max(1, math.floor(milliseconds) << _SEQUENCE_BITS)
