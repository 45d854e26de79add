"""The tables of spans, for the migrations in `schema`."""

from __future__ import annotations

__all__ = ["SPAN_TABLES"]

SPAN_TABLES = (
    # The numbers are given to clients, so none is given twice. Which request a span has is not said here: the
    # request says its span (`requests.span_id`), and may come before it or after it.
    """
    CREATE TABLE spans (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        trace_id TEXT NOT NULL,
        span_id TEXT NOT NULL,
        parent_id TEXT,
        logged_as TEXT NOT NULL,
        name TEXT NOT NULL,
        kind INTEGER NOT NULL,
        start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL,
        status_code INTEGER NOT NULL,
        status_message TEXT NOT NULL,
        request_digest BLOB,
        body BLOB NOT NULL,
        UNIQUE (span_id, trace_id)
    )
    """,
    # For requests, which know their span and not its trace, as is the constraint above.
    "CREATE INDEX spans_by_logged_as ON spans (logged_as, trace_id)",
    # Which traces began when, and when a trace began: lists of traces read no span for it.
    "CREATE INDEX spans_by_start ON spans (start_ns, trace_id)",
    "CREATE INDEX spans_by_trace ON spans (trace_id, start_ns)",
    """
    CREATE TABLE closed_traces (
        trace_id TEXT PRIMARY KEY,
        closure_id TEXT NOT NULL,
        closed_at REAL NOT NULL
    ) WITHOUT ROWID
    """,
)
