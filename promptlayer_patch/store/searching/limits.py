"""How long one query may take."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from promptlayer_patch.store.connection import StoreError

__all__ = ["TIME_LIMIT_S", "QueryTooSlow", "time_limit"]

TIME_LIMIT_S = 5.0
_STEPS = 10_000  # of SQLite's machine, between two looks at the clock: a fraction of a millisecond


class QueryTooSlow(StoreError):
    """A query took longer than it may; a narrower one, for example of less time, is faster."""


@contextmanager
def time_limit(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Stop what the block asks of the connection when the time is up, with `QueryTooSlow`.

    Full-text search cannot be stopped while it looks for the first match of an expression.
    """
    end = time.monotonic() + seconds
    over = False

    def look() -> bool:
        nonlocal over
        over = time.monotonic() > end
        return over

    connection.set_progress_handler(look, _STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if over:
            raise QueryTooSlow(f"the query took longer than {seconds:g} s: ask for less") from error
        raise
    finally:
        connection.set_progress_handler(None, 0)
