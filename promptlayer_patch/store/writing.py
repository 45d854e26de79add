"""Putting records into the store, and the ids they get."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from promptlayer_patch.store.annotating import link, say
from promptlayer_patch.store.encoding import Row, Unstorable
from promptlayer_patch.store.fresh import Fresh, Inserted
from promptlayer_patch.store.messages import keep_new
from promptlayer_patch.store.multirow import bounded, insertion, run
from promptlayer_patch.store.transaction import transaction

__all__ = ["first_id", "insert", "insert_all", "insert_bodies", "insert_labels"]

_EPOCH_MS = 1_735_689_600_000  # 2025-01-01 UTC
_SEQUENCE_BITS = 12
_SEQUENCE = (1 << _SEQUENCE_BITS) - 1
# 41 bits of milliseconds and 12 of sequence make 53, which JavaScript reads without rounding, until 2094.
_LAST_MS = (1 << 41) - 1

_TRACE_OF = """
    SELECT trace_id, id FROM spans WHERE span_id = ?
    UNION ALL SELECT trace_id, id FROM spans WHERE logged_as = ? ORDER BY id DESC LIMIT 1
"""
# Of records that nobody has seen in milliseconds when nothing else began, which most are, it finds nothing.
_LOOK = """
    SELECT * FROM (
        SELECT (SELECT request_id FROM requests WHERE record_id = column1) AS known, column1,
            (SELECT max(request_id) FROM requests WHERE request_id BETWEEN column2 AND column3) AS taken
        FROM {rows}
    )
    WHERE known IS NOT NULL OR taken IS NOT NULL
"""
_LAST = "SELECT max(request_id) FROM requests WHERE request_id BETWEEN ? AND ?"
_BODIES = insertion("bodies", ("request_id", "body"))
_UNINDEXED = insertion("unindexed", ("request_id", "change"))
_TAGS = "INSERT OR IGNORE INTO tags (name) SELECT * FROM {rows} WHERE column1 IS NOT NULL"
_REQUEST_TAGS = """
    INSERT OR ROLLBACK INTO request_tags (request_id, position, tag_id)
    SELECT column1, column2, tags.id FROM {rows} CROSS JOIN tags ON tags.name = column3
"""
_METADATA = insertion("request_metadata", ("request_id", "key", "value"))


def insert_all(connection: sqlite3.Connection, rows: Sequence[Row], fresh: Fresh | None = None) -> list[int]:
    """Write all rows in one transaction, or none of them; a record that is there keeps the id it has.

    What was new is kept in `fresh`, too.
    """
    # IMMEDIATE: ids are chosen by what is there, so nobody else may write between looking and inserting.
    try:
        with transaction(connection, "IMMEDIATE"):
            return insert(connection, rows, fresh)
    except Unstorable:
        if len(rows) == 1:
            raise
    with transaction(connection, "IMMEDIATE"):  # one by one, which says whose fault it is
        return [request_id for row in rows for request_id in insert(connection, [row], fresh)]


def insert(connection: sqlite3.Connection, rows: Sequence[Row], fresh: Fresh | None = None) -> list[int]:
    """Write rows in the transaction there is, as `insert_all` does; to fail ends it."""
    try:
        ids, new = _with_ids(connection, rows)
        if new:
            _insert_new(connection, new, fresh)
        return ids
    except (
        OverflowError,
        sqlite3.DataError,
        sqlite3.IntegrityError,
        sqlite3.InterfaceError,
        sqlite3.ProgrammingError,
    ) as error:
        which = ", ".join(f"{row.columns['record_id']:.64}" for row in rows)
        raise Unstorable(f"record {which} cannot be stored: {error}") from error


def _with_ids(connection: sqlite3.Connection, rows: Sequence[Row]) -> tuple[list[int], dict[int, Row]]:
    """The ids of all rows, and by their ids the rows that are new."""
    asked, last = [], {}
    for row in rows:
        first = first_id(row.columns["started_at"])
        last[first >> _SEQUENCE_BITS] = first - 1
        asked.append((row.columns["record_id"], first, first | _SEQUENCE))
    known = {}
    for request_id, record_id, taken in run(connection, _LOOK, asked):
        if request_id is not None:
            known[record_id] = request_id
        if taken is not None:
            last[taken >> _SEQUENCE_BITS] = taken
    ids, new = [], {}
    for row, (record_id, first, _) in zip(rows, asked, strict=True):
        if record_id not in known:
            known[record_id] = _free_id(connection, first, last)
            new[known[record_id]] = row
        ids.append(known[record_id])
    return ids, new


def _insert_new(connection: sqlite3.Connection, new: Mapping[int, Row], fresh: Fresh | None) -> None:
    columns = [_columns(connection, request_id, row) for request_id, row in new.items()]
    statement = insertion("requests", tuple(columns[0]))
    run(connection, statement, [tuple(one.values()) for one in columns])
    insert_bodies(connection, new)
    insert_labels(connection, new)
    change = int.from_bytes(os.urandom(8), "little", signed=True)
    run(connection, _UNINDEXED, [(request_id, change) for request_id in new])
    if fresh is not None:
        # Before it is committed, so that no indexer sees it sooner there than here. If it never is, its mark
        # fits nothing.
        for one, row in zip(columns, new.values(), strict=True):
            fresh.put(Inserted(one, change, row))


def _columns(connection: sqlite3.Connection, request_id: int, row: Row) -> dict[str, Any]:
    columns = {"request_id": request_id, **row.columns}
    if columns["span_id"] is not None and columns["trace_id"] is None:
        columns["trace_id"] = _trace_of(connection, columns["span_id"])
    return columns


def insert_bodies(connection: sqlite3.Connection, rows: Mapping[int, Row]) -> None:
    """Write the bodies of requests that have none; to be called in a transaction."""
    whole = [(request_id, row.body) for request_id, row in rows.items() if row.split is None]
    for bodies in bounded(whole, lambda row: len(row[1])):
        run(connection, _BODIES, bodies)
    keep_new(connection, {request_id: row.split for request_id, row in rows.items() if row.split is not None})


def insert_labels(connection: sqlite3.Connection, rows: Mapping[int, Row]) -> None:
    """Write what requests say beside their columns; of their tags and metadata nothing is there yet."""
    tags = [
        (request_id, position, tag)
        for request_id, row in rows.items()
        for position, tag in enumerate(row.tags)
    ]
    metadata = [
        (request_id, key, value) for request_id, row in rows.items() for key, value in row.metadata.items()
    ]
    run(connection, _TAGS, list(dict.fromkeys((tag,) for _, _, tag in tags)))
    run(connection, _REQUEST_TAGS, tags)
    run(connection, _METADATA, metadata)
    for request_id, row in rows.items():
        link(connection, request_id, row.group_id, row.prompt)
        if row.score is not None:
            say(connection, request_id, row.score)


def _trace_of(connection: sqlite3.Connection, span_id: str) -> str | None:
    """The trace of a request that names its span, if the span was here first."""
    found = connection.execute(_TRACE_OF, (span_id, span_id)).fetchone()
    return None if found is None else str(found[0])


def _free_id(connection: sqlite3.Connection, first: int, last: dict[int, int]) -> int:
    """The first free id of the record's millisecond or, where that one is full, of a later one.

    `last` has the last id of each millisecond that is known, and learns those that are not.
    """
    while True:
        millisecond = first >> _SEQUENCE_BITS
        if millisecond not in last:
            taken = connection.execute(_LAST, (first, first | _SEQUENCE)).fetchone()[0]
            last[millisecond] = first - 1 if taken is None else taken
        if last[millisecond] < first | _SEQUENCE:
            last[millisecond] += 1
            return last[millisecond]
        first = (millisecond + 1) << _SEQUENCE_BITS


def first_id(started_at: float) -> int:
    """The lowest id that a request which began at this moment may get."""
    # A clock that is wrong by decades must not cost the record. Never 0: ids are tested for truth.
    milliseconds = min(max(started_at * 1000 - _EPOCH_MS, 0), _LAST_MS)
    return max(1, math.floor(milliseconds) << _SEQUENCE_BITS)
