"""Giving tags to requests that are stored already, and taking them away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from promptlayer_patch.store.indexing.indexer import withdraw
from promptlayer_patch.store.text import writable
from promptlayer_patch.store.transaction import transaction

if TYPE_CHECKING:
    from promptlayer_patch.store.sqlite import Store

__all__ = ["tag"]

_BATCH = 100
"""Requests in one transaction, so that other writers are kept waiting for some 50 ms."""


def tag(store: Store, request_ids: Iterable[int], add: Iterable[str], remove: Iterable[str]) -> int:
    """Change the tags of these requests; how many there were."""
    ids = sorted(set(request_ids))
    gone = frozenset(map(writable, remove))
    new = [name for name in dict.fromkeys(map(writable, add)) if name not in gone]
    return sum(
        store.run(partial(_tag, request_ids=ids[at : at + _BATCH], new=new, gone=gone))
        for at in range(0, len(ids), _BATCH)
    )


def _tag(
    connection: sqlite3.Connection, request_ids: Sequence[int], new: Sequence[str], gone: frozenset[str]
) -> int:
    with transaction(connection, "IMMEDIATE"):
        there = [one for one in request_ids if _is_there(connection, one)]
        # The index knows tags by what the request has, so it has to let go before that changes.
        withdraw(connection, there)
        connection.executemany("INSERT OR IGNORE INTO tags (name) VALUES (?)", [(name,) for name in new])
        for request_id in there:
            _retag(connection, request_id, new, gone)
        connection.executemany(
            "INSERT OR REPLACE INTO unindexed (request_id) VALUES (?)", [(one,) for one in there]
        )
        return len(there)


def _is_there(connection: sqlite3.Connection, request_id: int) -> bool:
    found = connection.execute("SELECT 1 FROM requests WHERE request_id = ?", (request_id,))
    return found.fetchone() is not None


def _retag(connection: sqlite3.Connection, request_id: int, new: Sequence[str], gone: frozenset[str]) -> None:
    known = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM request_tags JOIN tags ON tags.id = tag_id"
            " WHERE request_id = ? ORDER BY position",
            (request_id,),
        )
    ]
    names = dict.fromkeys(name for name in (*known, *new) if name not in gone)
    connection.execute("DELETE FROM request_tags WHERE request_id = ?", (request_id,))
    connection.executemany(
        "INSERT INTO request_tags (request_id, position, tag_id) SELECT ?, ?, id FROM tags WHERE name = ?",
        [(request_id, position, name) for position, name in enumerate(names)],
    )
