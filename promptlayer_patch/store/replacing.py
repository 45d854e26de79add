"""Changing what a stored request says of itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from promptlayer_patch.store.encoding import Row
from promptlayer_patch.store.indexing.indexer import withdraw
from promptlayer_patch.store.messages import remove_body
from promptlayer_patch.store.multirow import run
from promptlayer_patch.store.writing import insert_bodies, insert_labels

__all__ = ["link_to_traces", "replace"]

_DERIVED = ("cost", "cached_tokens", "thinking_tokens", "shape", "turn_count", "tool_call_count")
"""What the indexer has found out, and finds out anew."""
_UNLINKED = """
    SELECT request_id, column2 FROM {rows} CROSS JOIN requests ON span_id = column1
    WHERE requests.trace_id IS NULL
"""


def replace(connection: sqlite3.Connection, request_id: int, row: Row) -> None:
    """Put `row` in the place of a request; it keeps its id and what was said about it since.

    To be called in a transaction.
    """
    # What the index has of it follows from the body, and can be taken out only as long as that is there.
    withdraw(connection, [request_id])
    _changing(connection, [request_id])
    columns = {**row.columns, **dict.fromkeys(_DERIVED)}
    changes = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(f"UPDATE requests SET {changes} WHERE request_id = ?", (*columns.values(), request_id))
    remove_body(connection, request_id)
    insert_bodies(connection, {request_id: row})
    connection.execute("DELETE FROM request_tags WHERE request_id = ?", (request_id,))
    connection.executemany(
        "DELETE FROM request_metadata WHERE request_id = ? AND key = ?",
        [(request_id, key) for key in row.metadata],
    )
    insert_labels(connection, {request_id: row})


def link_to_traces(connection: sqlite3.Connection, spans: Iterable[tuple[str, str]]) -> None:
    """Tell the requests that came before their span which trace they belong to. In a transaction.

    Of each span its id and that of its trace; the first that a request names wins.
    """
    linked: dict[int, str] = {}
    for request_id, trace_id in run(connection, _UNLINKED, list(dict.fromkeys(spans))):
        linked.setdefault(request_id, trace_id)
    _changing(connection, list(linked))
    connection.executemany(
        "UPDATE requests SET trace_id = ? WHERE request_id = ?",
        [(trace_id, request_id) for request_id, trace_id in linked.items()],
    )


def _changing(connection: sqlite3.Connection, request_ids: Sequence[int]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO unindexed (request_id) VALUES (?)", [(one,) for one in request_ids]
    )
