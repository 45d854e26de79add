"""Small questions that the store answers without reading a request."""

from __future__ import annotations

import sqlite3

from promptlayer_patch.store.text import writable
from promptlayer_patch.store.writing import first_id

__all__ = ["count_before", "id_of", "version"]


def id_of(connection: sqlite3.Connection, record_id: str) -> int | None:
    found = connection.execute("SELECT request_id FROM requests WHERE record_id = ?", (writable(record_id),))
    row = found.fetchone()
    return None if row is None else int(row[0])


def count_before(connection: sqlite3.Connection, moment: float) -> int:
    # The id carries the time of the start.
    found = connection.execute("SELECT count(*) FROM requests WHERE request_id < ?", (first_id(moment),))
    return int(found.fetchone()[0])


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
