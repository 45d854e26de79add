"""What charts need of SQLite that SQLite does not have."""

from __future__ import annotations

import sqlite3

from promptlayer_patch.store.charting.histograms import added, counted, latency_bucket, packed, taken

__all__ = ["register"]


class _Histogram:
    """The histogram of all buckets that are no null, as the store keeps it."""

    def __init__(self) -> None:
        self._number = 0

    def step(self, bucket: int | None) -> None:
        if bucket is not None:
            self._number += counted(bucket)

    def finalize(self) -> bytes:
        return packed(self._number)


def register(connection: sqlite3.Connection) -> None:
    """Let statements of this connection call the functions below."""
    try:
        connection.execute("SELECT latency_bucket(0)").close()
    except sqlite3.OperationalError:
        # Once only: SQLite refuses to define a function again while any statement runs, and full-text search
        # keeps some running for as long as a transaction lasts.
        connection.create_function("latency_bucket", 1, latency_bucket, deterministic=True)
        connection.create_function("added_histogram", 2, added, deterministic=True)
        connection.create_function("taken_histogram", 2, taken, deterministic=True)
        connection.create_aggregate("histogram", 1, _Histogram)  # type: ignore[arg-type]
