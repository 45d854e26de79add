"""Tables that are made from the others and can be made again: the index, and what it counts.

They are no migrations: the user's process, whose SQLite may lack full-text search, writes without them.
Whoever indexes makes them, and makes them anew when `VERSION` says that what is put into them has changed.
"""

from __future__ import annotations

import sqlite3

from promptlayer_patch.store.charting import rollups
from promptlayer_patch.store.connection import StoreError

__all__ = ["VERSION", "drop", "is_current", "make"]

VERSION = 2
"""Grows with every change of what is derived from a request: its text, facets, terms or rollups. What an
older version has put into the index, a newer one could not take out again."""

_TABLES = {
    # Contentless, since the bodies have the text: a third of the size. What is put in must be put in again to
    # take it out. `columnsize` is for ranking only. The ascii tokenizer leaves the words of `segments` and
    # `facets` as they are: it parts at ASCII characters that are neither letter nor digit, and nowhere else.
    "documents": """
        CREATE VIRTUAL TABLE documents USING fts5(
            input, output, facets, content='', columnsize=0, detail=full, tokenize='ascii'
        )
    """,
    # What was said about a request when it was indexed, as JSON; null if no more than its record says. With
    # the body, all that was put into the index follows from it.
    "indexed": "CREATE TABLE indexed (request_id INTEGER PRIMARY KEY, said TEXT)",
    # Every value that there is, with how many requests have it: for suggestions.
    "terms": """
        CREATE TABLE terms (
            field TEXT NOT NULL,
            key TEXT NOT NULL,
            value TEXT NOT NULL,
            uses INTEGER NOT NULL,
            PRIMARY KEY (field, key, value)
        ) WITHOUT ROWID
    """,
    **rollups.TABLES,
    # Last: where it is, they all are.
    "derived": "CREATE TABLE derived (version INTEGER NOT NULL)",
}

_FULL_TEXT = {
    # Without it (4), each word is written about four times until the index is merged, half again as much work
    # as with 8; a search then looks into a few more parts of the index.
    "automerge": 8,
    # Without it (1 MiB), a batch of ordinary requests is written in several parts, which have to be merged.
    "hashsize": 4 * 1024 * 1024,
}


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the tables are there as this version makes them; refuses those of a newer one."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'derived'").fetchone() is None:
        return False
    (version,) = connection.execute("SELECT version FROM derived").fetchone()
    if version > VERSION:
        # Made anew by the older, they would be made anew by the newer, and so on.
        raise StoreError("the store is indexed by a newer promptlayer_patch: upgrade this one")
    return bool(version == VERSION)


def drop(connection: sqlite3.Connection) -> None:
    """Delete the tables. To be called in a transaction."""
    for name in _TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {name}")


def make(connection: sqlite3.Connection) -> None:
    """Make the tables, empty, and put every request before the indexer. To be called in a transaction."""
    try:
        drop(connection)
        for statement in _TABLES.values():
            connection.execute(statement)
        connection.executemany(
            "INSERT INTO documents (documents, rank) VALUES (?, ?)", list(_FULL_TEXT.items())
        )
    except sqlite3.OperationalError as error:
        if "no such module" not in str(error):
            raise
        raise StoreError(
            "this Python's SQLite has no full-text search (FTS5): requests are stored, and can be searched "
            "by a Python whose sqlite3 has it"
        ) from error
    connection.execute("INSERT INTO derived (version) VALUES (?)", (VERSION,))
    connection.execute("INSERT OR REPLACE INTO unindexed (request_id) SELECT request_id FROM requests")
