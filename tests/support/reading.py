"""What SQLite reads for a statement: by ids, or all that a table has."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["statements", "whole_tables"]

_HAS_ALL_REQUESTS = re.compile(r"request\w*|linked|scores|bodies|t")
"""Tables with rows for every request, and how statements call them."""


@contextmanager
def statements(connection: sqlite3.Connection) -> Iterator[list[str]]:
    """Those that the connection runs in the block, with their arguments in them."""
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    try:
        yield asked
    finally:
        connection.set_trace_callback(None)


def whole_tables(connection: sqlite3.Connection, statement: str) -> list[str]:
    """What a SELECT does not look up by ids, of what has rows for every request."""
    if not statement.startswith("SELECT"):
        return []
    plan = [step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    read = [
        match[1]
        for step in plan
        if not re.search(r"(rowid|request_id)=\?", step)
        and (match := re.match(r"(?:SCAN|SEARCH) (?:TABLE )?(\w+)", step))
    ]
    return [name for name in read if _HAS_ALL_REQUESTS.fullmatch(name)]
