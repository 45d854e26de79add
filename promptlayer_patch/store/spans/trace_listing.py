"""The traces of a store, the newest first, and what is known of each without reading a span's attributes."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlayer_patch.store.results import Total
from promptlayer_patch.store.searching.limits import TIME_LIMIT_S, time_limit
from promptlayer_patch.store.transaction import transaction

if TYPE_CHECKING:
    from promptlayer_patch.store.sqlite import Store

__all__ = ["TraceCursor", "TraceLine", "TracePage", "Traces"]

COUNTED_MOST = 1_000
"""So many spans and requests of a trace are looked at: a list must not wait for the largest of them."""
WALKED_MOST = 20_000
"""So many spans are passed for one page; those of a large trace are between the beginnings of others."""
_ROOT_IN = 100
_ANY = (2**63 - 1, "\U0010ffff")

_WALK = f"""
    SELECT start_ns, trace_id FROM spans WHERE (start_ns, trace_id) < (?, ?)
    ORDER BY start_ns DESC, trace_id DESC LIMIT {WALKED_MOST}
"""
_BEGINS = "SELECT min(start_ns) FROM spans WHERE trace_id = ?"
# Without a parent, else what began first: its parent may be the span of a program that sends us none.
_ROOT = f"""
    SELECT name FROM (
        SELECT name, parent_id, start_ns, id FROM spans WHERE trace_id = ?
        ORDER BY start_ns, id LIMIT {_ROOT_IN}
    ) ORDER BY parent_id IS NOT NULL, start_ns, id LIMIT 1
"""
_SPANS = f"""
    SELECT count(*), max(end_ns), sum(status_code = 2) FROM (
        SELECT end_ns, status_code FROM spans WHERE trace_id = ? ORDER BY start_ns LIMIT {COUNTED_MOST + 1}
    )
"""
_REQUESTS = f"""
    SELECT count(*), sum(cost) FROM (
        SELECT cost FROM requests WHERE trace_id = ? LIMIT {COUNTED_MOST + 1}
    )
"""


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One trace; what is counted and summed is of its first spans where they are more than are counted."""

    id: str
    name: str
    """Of its root."""
    started_at: float
    """Seconds since the epoch."""
    duration_s: float
    spans: Total
    errors: int
    """Spans that say so."""
    requests: Total
    cost: float | None
    """US dollars, of the requests whose price is known; `None` if none is."""


@dataclass(frozen=True, slots=True)
class TraceCursor:
    """Where a page ended."""

    start_ns: int
    trace_id: str


@dataclass(frozen=True, slots=True)
class TracePage:
    """Some traces, those that began last first."""

    items: tuple[TraceLine, ...]
    next: TraceCursor | None
    """Where the next page begins, which may have no traces; `None` behind the last one."""


class Traces:
    """The traces of one store. Every method raises what `Store`'s do."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(self, limit: int = 50, *, after: TraceCursor | None = None) -> TracePage:
        """The traces that began last, or those behind the cursor; perhaps fewer than `limit`."""

        def work(connection: sqlite3.Connection) -> TracePage:
            with transaction(connection, "DEFERRED"), time_limit(connection, TIME_LIMIT_S):
                found, following = _beginnings(connection, limit, after)
                return TracePage(tuple(_line(connection, one) for one in found), following)

        return self._store.run(work)

    def get(self, trace_id: str) -> TraceLine | None:
        """What is known of this trace, if there is one."""

        def work(connection: sqlite3.Connection) -> TraceLine | None:
            with transaction(connection, "DEFERRED"), time_limit(connection, TIME_LIMIT_S):
                (start_ns,) = connection.execute(_BEGINS, (trace_id,)).fetchone()
                return None if start_ns is None else _line(connection, TraceCursor(start_ns, trace_id))

        return self._store.run(work)


def _beginnings(
    connection: sqlite3.Connection, limit: int, after: TraceCursor | None
) -> tuple[list[TraceCursor], TraceCursor | None]:
    """The first spans of traces, and where to look for more."""
    found: list[TraceCursor] = []
    begins: dict[str, int] = {}
    place = None
    walked = 0
    rows = connection.execute(_WALK, _ANY if after is None else (after.start_ns, after.trace_id))
    for start_ns, trace_id in rows:
        if len(found) == limit:
            return found, found[-1]
        walked += 1
        place = TraceCursor(start_ns, trace_id)
        if trace_id not in begins:
            (begins[trace_id],) = connection.execute(_BEGINS, (trace_id,)).fetchone()
        # Of several spans that begin a trace together the others are its neighbours here.
        if begins[trace_id] == start_ns and (not found or found[-1] != place):
            found.append(place)
    return found, place if walked == WALKED_MOST else None


def _line(connection: sqlite3.Connection, begins: TraceCursor) -> TraceLine:
    key = (begins.trace_id,)
    (name,) = connection.execute(_ROOT, key).fetchone()
    spans, end_ns, errors = connection.execute(_SPANS, key).fetchone()
    requests, cost = connection.execute(_REQUESTS, key).fetchone()
    return TraceLine(
        id=begins.trace_id,
        name=name,
        started_at=begins.start_ns / 1e9,
        duration_s=max(0, end_ns - begins.start_ns) / 1e9,
        spans=_counted(spans),
        errors=errors,
        requests=_counted(requests),
        cost=cost,
    )


def _counted(count: int) -> Total:
    return Total(min(count, COUNTED_MOST), exact=count <= COUNTED_MOST)
