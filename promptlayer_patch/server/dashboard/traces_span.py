"""One span, as a page shows what is said in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._blueprint.reading import as_json
from promptlayer_patch.store.spans.spans import StoredSpan

__all__ = ["KINDS", "STATUSES", "Fact", "Happening", "SpanView", "view"]

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
_VALUE_CHARS = 20_000
_FOLDED_FROM = 200
_LINE_CHARS = 80
_SHOWN = 300
"""So many attributes, and so many events."""
_WHOLE_CHARS = 200_000
"""Of all the values of some attributes together; behind them, the beginnings of the others."""
_BEGINNING_CHARS = 100


@dataclass(frozen=True, slots=True)
class Fact:
    """An attribute."""

    name: str
    value: str
    folded: bool
    """Whether it is too long to be read in passing."""
    cut: bool


@dataclass(frozen=True, slots=True)
class Happening:
    """An event."""

    name: str
    offset_s: float | None
    """From the beginning of the span; `None` if the event does not say when it was."""
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class SpanView:
    """A span in words."""

    span_id: str
    trace_id: str
    parent_id: str | None
    name: str
    kind: str
    status: str
    status_message: str
    started_at: float
    duration_s: float
    request_id: int | None
    facts: tuple[Fact, ...]
    events: tuple[Happening, ...]
    links: tuple[tuple[str, str], ...]
    """Trace and span."""
    program: tuple[Fact, ...]
    scope: str
    left_out: int
    """How many attributes and events are not shown."""


def view(stored: StoredSpan) -> SpanView:
    """What is said in a span."""
    span = stored.span
    return SpanView(
        span_id=span.span_id,
        trace_id=span.trace_id,
        parent_id=span.parent_id,
        name=span.name,
        kind=KINDS[span.kind] if 0 <= span.kind < len(KINDS) else KINDS[0],
        status=STATUSES[span.status_code] if 0 <= span.status_code < len(STATUSES) else STATUSES[0],
        status_message=span.status_message,
        started_at=span.start_ns / 1e9,
        duration_s=max(0, span.end_ns - span.start_ns) / 1e9,
        request_id=stored.request_id,
        facts=_facts(span.attributes),
        events=tuple(
            Happening(
                event.name,
                (event.time_ns - span.start_ns) / 1e9 if event.time_ns else None,
                _facts(event.attributes),
            )
            for event in span.events[:_SHOWN]
        ),
        links=tuple((link.trace_id, link.span_id) for link in span.links[:_SHOWN]),
        program=_facts(span.resource),
        scope=f"{span.scope_name} {span.scope_version}".strip(),
        left_out=sum(
            max(0, len(many) - _SHOWN) for many in (span.attributes, span.events, span.links, span.resource)
        ),
    )


def _facts(attributes: Mapping[str, Any]) -> tuple[Fact, ...]:
    facts, room = [], _WHOLE_CHARS
    for name, value in list(attributes.items())[:_SHOWN]:
        text = _readable(value)
        shown = text[: min(_VALUE_CHARS, max(room, _BEGINNING_CHARS))]
        room -= len(shown)
        folded = len(shown) > _FOLDED_FROM or "\n" in shown
        facts.append(Fact(name, shown, folded, len(text) > len(shown)))
    return tuple(facts)


def _readable(value: Any) -> str:
    """JSON that is long with a line for each member, also where it is the text of an attribute."""
    if isinstance(value, str):
        if not value.lstrip().startswith(("{", "[")) or len(value) > _VALUE_CHARS:
            return value
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    line = as_json(value)
    return line if len(line) <= _LINE_CHARS else as_json(value, 2)
