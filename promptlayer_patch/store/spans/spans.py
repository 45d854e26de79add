"""Spans in the store: put together with the requests they tell of, and read by trace."""

from __future__ import annotations

import hashlib
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from promptlayer_patch._encoding import encoded
from promptlayer_patch._spans.model import Span
from promptlayer_patch.records import Record
from promptlayer_patch.store.connection import StoreError
from promptlayer_patch.store.encoding import Row, Unstorable, encode
from promptlayer_patch.store.entries import Entry
from promptlayer_patch.store.fresh import Fresh
from promptlayer_patch.store.multirow import bounded, insertion, run
from promptlayer_patch.store.repeats import Repeats
from promptlayer_patch.store.replacing import link_to_traces, replace
from promptlayer_patch.store.spans.encoding import COLUMNS, SpanRow, decode_span, encode_span
from promptlayer_patch.store.sqlite import Store
from promptlayer_patch.store.transaction import transaction
from promptlayer_patch.store.writing import insert

__all__ = ["Closure", "PutSpan", "PutSpans", "SpanEntry", "Spans", "StoredSpan", "TraceClosed"]


class TraceClosed(StoreError):
    """Traces that take no more spans."""

    def __init__(self, trace_ids: Iterable[str]) -> None:
        self.trace_ids = tuple(dict.fromkeys(trace_ids))
        super().__init__(f"Trace already closed: {', '.join(self.trace_ids)}")


@dataclass(frozen=True, slots=True)
class SpanEntry:
    """A span to be stored, and the request it tells of, if it tells of one."""

    span: Span
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class PutSpan:
    """A span that is stored."""

    id: int
    span: Span
    request_id: int | None
    """Of the request that came with it."""


@dataclass(frozen=True, slots=True)
class PutSpans:
    """What became of a batch of spans."""

    stored: tuple[PutSpan, ...]
    rejected: tuple[Span, ...] = ()
    """Those of closed traces."""


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """A span as it is read."""

    id: int
    span: Span
    request_id: int | None
    """Of the newest request that names this span, or the one that this span is managed by, as its own."""


@dataclass(frozen=True, slots=True)
class Closure:
    """The end of a trace."""

    id: str
    trace_id: str
    closed_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    span: SpanRow
    request: Row | None
    digest: bytes | None
    """What the request says, in 16 bytes: to find out whether it is the same, however it is kept by now."""

    @classmethod
    def of(
        cls,
        one: SpanEntry,
        to_json: Callable[[Record], bytes],
        again: Callable[[bytes], bool] | None,
    ) -> _Prepared:
        row = None if one.entry is None else encode(one.entry, to_json, again=again)
        return cls(encode_span(one.span), row, None if row is None else _digest(row))


class Spans:
    """The spans of one store. Every method raises what `Store`'s do."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(
        self,
        batch: Sequence[SpanEntry],
        *,
        drop_closed: bool = False,
        close: bool = False,
        fresh: Fresh | None = None,
        repeats: Repeats | None = None,
        to_json: Callable[[Record], bytes] = encoded,
    ) -> PutSpans:
        """Store all spans and their requests, or nothing; `close` ends their traces afterwards.

        Of spans with the same id the first one of a batch is taken. One that is stored already is replaced,
        and so is its request, which keeps its id. `fresh`, `repeats` and `to_json` are as in `Store.add`.
        Raises `TraceClosed` for spans of closed traces unless they are to be dropped, and `Unstorable` if one
        can never be stored.
        """
        distinct: dict[tuple[str, str], SpanEntry] = {}
        for one in batch:
            distinct.setdefault((one.span.trace_id, one.span.span_id), one)
        # Before the transaction: nobody else can write as long as that lasts.
        again = None if repeats is None else self._store.met(repeats)
        prepared = [_Prepared.of(one, to_json, again) for one in distinct.values()]

        def work(connection: sqlite3.Connection, at_once: int = max(1, len(prepared))) -> PutSpans:
            with transaction(connection, "IMMEDIATE"):
                return _put(connection, prepared, drop_closed, close, fresh, at_once)

        try:
            return self._store.run(work)
        except Unstorable:  # one by one, which says whose fault it is
            return self._store.run(partial(work, at_once=1))

    def trace(self, trace_id: str, *, limit: int = -1) -> tuple[StoredSpan, ...]:
        """All spans of a trace in the order they started, or the first `limit` of them."""
        rows = self._store.run(lambda connection: connection.execute(_TRACE, (trace_id, limit)).fetchall())
        return tuple(StoredSpan(row[0], decode_span(row[2:]), row[1]) for row in rows)

    def close(self, trace_id: str) -> Closure | None:
        """End a trace for good; `None` if there is no such trace. Raises `TraceClosed` if it is closed."""

        def work(connection: sqlite3.Connection) -> Closure | None:
            with transaction(connection, "IMMEDIATE"):
                known = connection.execute("SELECT 1 FROM spans WHERE trace_id = ? LIMIT 1", (trace_id,))
                if known.fetchone() is None:
                    return None
                if _closed(connection, [trace_id]):
                    raise TraceClosed([trace_id])
                return _close(connection, trace_id)

        return self._store.run(work)


_TRACE = f"""
    SELECT id, (
        SELECT max(request_id) FROM requests
        WHERE requests.span_id = spans.logged_as
            AND (requests.trace_id = spans.trace_id OR requests.trace_id IS NULL)
    ), {", ".join(COLUMNS)} FROM spans WHERE trace_id = ? ORDER BY start_ns, id LIMIT ?
"""
_CLOSED = "SELECT trace_id FROM {rows} CROSS JOIN closed_traces ON trace_id = column1"
_KNOWN = """
    SELECT trace_id, span_id, id, request_digest
    FROM {rows} CROSS JOIN spans ON span_id = column2 AND trace_id = column1
"""
_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'spans'"
_WRITTEN = (*COLUMNS, "request_digest")
_INSERT = insertion("spans", ("id", *_WRITTEN))
_BODY = 1 + COLUMNS.index("body")
_UPDATE = f"UPDATE spans SET {', '.join(f'{name} = ?' for name in _WRITTEN)} WHERE id = ?"


def _put(
    connection: sqlite3.Connection,
    batch: Sequence[_Prepared],
    drop_closed: bool,
    close: bool,
    fresh: Fresh | None,
    at_once: int,
) -> PutSpans:
    """`at_once` so many requests are inserted."""
    closed = _closed(connection, {one.span.span.trace_id for one in batch})
    if closed and not drop_closed:
        raise TraceClosed(sorted(closed))
    taken = [one for one in batch if one.span.span.trace_id not in closed]
    numbers = _put_spans(connection, taken)
    rows = [one.request for one in taken if one.request is not None]
    groups = (rows[begin : begin + at_once] for begin in range(0, len(rows), at_once))
    given = (request_id for group in groups for request_id in insert(connection, group, fresh))
    request_ids = [None if one.request is None else next(given) for one in taken]
    for one, (_, digest), request_id in zip(taken, numbers, request_ids, strict=True):
        if request_id is not None and one.request is not None and digest not in (None, one.digest):
            replace(connection, request_id, one.request)
    names = ((name, one.span.span) for one in taken for name in (one.span.span.span_id, one.span.logged_as))
    link_to_traces(connection, [(name, span.trace_id) for name, span in names])
    if close:
        for trace_id in dict.fromkeys(one.span.span.trace_id for one in taken):
            _close(connection, trace_id)
    rejected = tuple(one.span.span for one in batch if one.span.span.trace_id in closed)
    stored = (
        PutSpan(number, one.span.span, request_id)
        for one, (number, _), request_id in zip(taken, numbers, request_ids, strict=True)
    )
    return PutSpans(tuple(stored), rejected)


def _put_spans(connection: sqlite3.Connection, batch: Sequence[_Prepared]) -> list[tuple[int, bytes | None]]:
    """Of each its id, and the digest of the request that was stored with it before."""
    keys = [(one.span.span.trace_id, one.span.span.span_id) for one in batch]
    known = {(trace, span): (number, digest) for trace, span, number, digest in run(connection, _KNOWN, keys)}
    (last,) = connection.execute(_LAST).fetchone()
    new: list[tuple[Any, ...]] = []
    numbers = []
    for key, one in zip(keys, batch, strict=True):
        if key not in known:
            known[key] = last + 1 + len(new), None
            new.append((known[key][0], *one.span.values, one.digest))
        else:
            number, digest = known[key]
            connection.execute(_UPDATE, (*one.span.values, one.digest or digest, number))
        numbers.append(known[key])
    for rows in bounded(new, lambda row: len(row[_BODY])):
        run(connection, _INSERT, rows)
    return numbers


def _digest(row: Row) -> bytes:
    labels = row.tags, sorted(row.metadata.items()), row.group_id, row.prompt, row.score
    said = repr((sorted(row.columns.items()), labels)).encode("utf-8", "surrogatepass")
    found = hashlib.blake2b(row.text, digest_size=16)
    found.update(said)
    return found.digest()


def _closed(connection: sqlite3.Connection, trace_ids: Iterable[str]) -> set[str]:
    return {one for (one,) in run(connection, _CLOSED, [(trace_id,) for trace_id in trace_ids])}


def _close(connection: sqlite3.Connection, trace_id: str) -> Closure:
    closure = Closure(str(uuid.uuid4()), trace_id, time.time())
    connection.execute(
        "INSERT INTO closed_traces (trace_id, closure_id, closed_at) VALUES (?, ?, ?)",
        (trace_id, closure.id, closure.closed_at),
    )
    return closure
