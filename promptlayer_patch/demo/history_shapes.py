"""What belongs together in the invented month: chats as groups, and questions about orders as traces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from promptlayer_patch._spans.model import Event, Span
from promptlayer_patch.store import Entry, Store
from promptlayer_patch.store.spans.spans import SpanEntry, Spans

__all__ = ["add"]

_BATCH = 500


def add(store: Store, made: Iterable[Entry]) -> int:
    """Store the entries, with their groups and traces; how many there were."""
    plain: list[Entry] = []
    traced: list[SpanEntry] = []
    waiting: list[Entry] = []
    groups: dict[str, int] = {}
    for entry in made:
        if "orders" in entry.record.tags:
            waiting.append(entry)
            if len(waiting) == 2:
                traced += _question(waiting)
                waiting = []
        else:
            plain.append(_grouped(entry, groups, store))
    store.add([*plain, *waiting])
    spans = Spans(store)
    for first in range(0, len(traced), _BATCH):
        spans.put(traced[first : first + _BATCH])
    return len(plain) + len(waiting) + sum(one.entry is not None for one in traced)


def _grouped(entry: Entry, groups: dict[str, int], store: Store) -> Entry:
    """A turn of a chat, in the group of that chat."""
    session = entry.record.metadata.get("session")
    if session is None:
        return entry
    if session not in groups:
        groups[session] = store.create_group()
    return replace(entry, record=replace(entry.record, group_id=groups[session]))


def _question(calls: Sequence[Entry]) -> Iterator[SpanEntry]:
    """The spans of one question: the model asks for a tool, gets what it found, and answers."""
    first, last = (entry.record for entry in calls)
    trace_id = hashlib.blake2b(first.id.encode(), digest_size=16).hexdigest()
    begin, found, end = (int(moment * 1e9) for moment in (first.started_at, first.ended_at, last.ended_at))
    asked_again = max(found + 40_000_000, int(last.started_at * 1e9) - 3_000_000)
    failed = any(entry.status == "ERROR" for entry in calls)

    def span(
        number: int, name: str, start_ns: int, end_ns: int, parent: int | None = 1, kind: int = 1
    ) -> Span:
        return Span(
            trace_id=trace_id,
            span_id=_span_id(trace_id, number),
            parent_id=None if parent is None else _span_id(trace_id, parent),
            name=name,
            kind=kind,
            start_ns=start_ns,
            end_ns=end_ns,
            resource={"service.name": "lantern-desk"},
            scope_name="lantern.desk",
            scope_version="4.2",
        )

    customer = first.metadata.get("user_id", "")
    root = span(1, "answer_question", begin - 4_000_000, end + 6_000_000, None, 2)
    yield SpanEntry(
        replace(
            root,
            status_code=2 if failed else 1,
            status_message="the provider refused" if failed else "",
            attributes={"http.route": "/questions", "customer": customer},
        )
    )
    yield SpanEntry(span(2, "load_customer", begin - 3_000_000, begin - 1_000_000))
    yield _call(span(3, "chat gpt-4o", begin, found, kind=3), calls[0])
    yield SpanEntry(
        replace(
            span(4, "Tool: find_order", found + 1_000_000, asked_again),
            attributes={"tool.name": "find_order"},
            events=(Event("cache miss", found + 1_500_000, {"key": f"order:{customer}"}),),
        )
    )
    yield SpanEntry(
        replace(
            span(5, "SELECT orders", found + 2_000_000, asked_again - 500_000, 4, 3),
            attributes={"db.system": "postgresql", "db.rows": 1},
        )
    )
    yield _call(span(6, "chat gpt-4o", int(last.started_at * 1e9), end, kind=3), calls[1])


def _call(span: Span, entry: Entry) -> SpanEntry:
    failed = entry.status == "ERROR"
    told = replace(
        span,
        status_code=2 if failed else 1,
        status_message=entry.error_message or "" if failed else "",
        attributes={"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"},
    )
    return SpanEntry(told, replace(entry, span_id=span.span_id, trace_id=span.trace_id))


def _span_id(trace_id: str, number: int) -> str:
    return hashlib.blake2b(f"{trace_id}{number}".encode(), digest_size=8).hexdigest()
