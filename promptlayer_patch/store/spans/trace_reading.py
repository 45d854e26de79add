"""One trace: its spans as a tree needs them, and a single span whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from promptlayer_patch.store.reading import Summary, summaries
from promptlayer_patch.store.searching.limits import TIME_LIMIT_S, time_limit
from promptlayer_patch.store.spans.encoding import COLUMNS, decode_span
from promptlayer_patch.store.spans.spans import StoredSpan
from promptlayer_patch.store.sqlite import Store
from promptlayer_patch.store.transaction import transaction

__all__ = ["Outline", "SpanLine", "outline", "span"]

_PLAIN = ("span_id", "parent_id", "name", "kind", "start_ns", "end_ns", "status_code")
_REQUEST = """(
    SELECT max(request_id) FROM requests
    WHERE requests.span_id = spans.logged_as
        AND (requests.trace_id = spans.trace_id OR requests.trace_id IS NULL)
)"""
_LINES = f"""
    SELECT {", ".join(_PLAIN)}, {_REQUEST} FROM spans
    WHERE trace_id = ? ORDER BY start_ns, id LIMIT ?
"""
_COUNT = "SELECT count(*) FROM spans WHERE trace_id = ?"
_CLOSED = "SELECT closed_at FROM closed_traces WHERE trace_id = ?"
_WHOLE = f"SELECT id, {_REQUEST}, {', '.join(COLUMNS)} FROM spans WHERE trace_id = ? AND span_id = ?"


@dataclass(frozen=True, slots=True)
class SpanLine:
    """A span without what is said in it."""

    span_id: str
    parent_id: str | None
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status_code: int
    request_id: int | None


@dataclass(frozen=True, slots=True)
class Outline:
    """The first spans of a trace."""

    spans: tuple[SpanLine, ...]
    count: int
    """How many spans there are."""
    closed_at: float | None
    """When the trace was ended for good, in seconds since the epoch."""
    requests: Mapping[int, Summary]
    """Those that belong to these spans, by id."""


def outline(store: Store, trace_id: str, limit: int) -> Outline:
    """The spans in the order they began; none of a trace that is not here."""

    def work(connection: sqlite3.Connection) -> Outline:
        with transaction(connection, "DEFERRED"), time_limit(connection, TIME_LIMIT_S):
            lines = tuple(SpanLine(*row) for row in connection.execute(_LINES, (trace_id, limit)))
            (count,) = connection.execute(_COUNT, (trace_id,)).fetchone()
            closed = connection.execute(_CLOSED, (trace_id,)).fetchone()
            ids = dict.fromkeys(line.request_id for line in lines if line.request_id is not None)
            found = {one.request_id: one for one in summaries(connection, list(ids))}
        return Outline(lines, count, None if closed is None else closed[0], found)

    return store.run(work)


def span(store: Store, trace_id: str, span_id: str) -> StoredSpan | None:
    """The span with this id, with all that is said in it."""
    row = store.run(lambda connection: connection.execute(_WHOLE, (trace_id, span_id)).fetchone())
    return None if row is None else StoredSpan(row[0], decode_span(row[2:]), row[1])
