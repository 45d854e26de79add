"""Traces as charts see them: what is known of a span, and of all the spans of a trace together."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from promptlayer_patch._spans.model import Span
from promptlayer_patch.store.spans.encoding import COLUMNS, decode_span

__all__ = ["SPAN_GROUPS", "SPAN_NUMBERS", "TRACE_GROUPS", "TRACE_NUMBERS", "SpanFacts", "Trace", "newest"]

_CHUNK = 500
_MOST_S = 9e9  # as nanoseconds, nearly the largest number of SQLite
_MARGIN_S = 1e-3  # for what is lost of nanoseconds in seconds
_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("UNSET", "OK", "ERROR")
_TOOL_NAMES = ("gen_ai.tool.name", "tool.name", "tool_name")
_TOOL_PREFIX = "Tool: "

Number: TypeAlias = "float | None"


class SpanFacts:
    """One span, and the request that belongs to it, if there is one."""

    def __init__(self, row: Sequence[Any]) -> None:
        self._row = tuple(row[: len(COLUMNS)])
        plain = dict(zip(COLUMNS, self._row, strict=True))
        self.trace_id: str = plain["trace_id"]
        self.span_id: str = plain["span_id"]
        self.parent_id: str | None = plain["parent_id"]
        self.name: str = plain["name"]
        self.kind = _KINDS[plain["kind"]] if 0 <= plain["kind"] < len(_KINDS) else _KINDS[0]
        self.status = _STATUSES[plain["status_code"]] if 0 <= plain["status_code"] < 3 else _STATUSES[0]
        self.start_s: float = plain["start_ns"] / 1e9
        self.end_s: float = plain["end_ns"] / 1e9
        self.request_id: int | None
        self.model: str | None
        self.cost: float | None
        self.input_tokens: int | None
        self.output_tokens: int | None
        prompt_id: int | None
        (
            self.request_id,
            self.model,
            self.cost,
            self.input_tokens,
            self.output_tokens,
            prompt_id,
        ) = row[len(COLUMNS) :]
        self.prompt_id = None if prompt_id is None else str(prompt_id)

    @cached_property
    def span(self) -> Span:
        """The whole span; taken out of its compressed form only where somebody asks."""
        return decode_span(self._row)

    @property
    def duration_ms(self) -> float:
        return max(0.0, self.end_s - self.start_s) * 1000

    @property
    def tokens(self) -> Number:
        return _sum((self.input_tokens, self.output_tokens))

    @property
    def tool_name(self) -> str | None:
        for name in _TOOL_NAMES:
            if isinstance(found := self.span.attributes.get(name), str):
                return found
        return self.name[len(_TOOL_PREFIX) :] if self.name.startswith(_TOOL_PREFIX) else None

    @property
    def type(self) -> str:
        """What the span says it is, else whether it is a call of a model."""
        said = self.span.attributes.get("node_type")
        if isinstance(said, str):
            return said
        return "SPAN" if self.request_id is None else "LLM_CALL"

    @property
    def workflow_id(self) -> str | None:
        said = self.span.attributes.get("workflow_id")
        return str(said) if isinstance(said, (str, int)) else None


class Trace:
    """All spans of one trace, in the order they started."""

    def __init__(self, spans: Sequence[SpanFacts]) -> None:
        self.spans = tuple(spans)

    @property
    def id(self) -> str:
        return self.spans[0].trace_id

    @property
    def name(self) -> str:
        """Of the first span that is inside no other."""
        known = {span.span_id for span in self.spans}
        return next((span.name for span in self.spans if span.parent_id not in known), self.spans[0].name)

    @property
    def start_s(self) -> float:
        return self.spans[0].start_s

    @property
    def end_s(self) -> float:
        return max(span.end_s for span in self.spans)

    @property
    def duration_ms(self) -> float:
        return max(0.0, self.end_s - self.start_s) * 1000

    @property
    def status(self) -> str:
        """`ERROR` if any span has one."""
        return "ERROR" if any(span.status == "ERROR" for span in self.spans) else "OK"

    @cached_property
    def requests(self) -> tuple[SpanFacts, ...]:
        """One span for each request: several may belong to the same."""
        return tuple({span.request_id: span for span in self.spans if span.request_id is not None}.values())

    def sum(self, number: Callable[[SpanFacts], Number]) -> Number:
        return _sum(number(span) for span in self.requests)

    @property
    def depth(self) -> int:
        """How many spans are inside each other, at most."""
        parents = {span.span_id: span.parent_id for span in self.spans}
        depths: dict[str, int] = {}
        for span_id in parents:
            path: list[str] = []
            at: str | None = span_id
            while at is not None and at in parents and at not in depths:
                depths[at] = 0  # so that spans which are each other's parents come to an end
                path.append(at)
                at = parents[at]
            depth = depths.get(at, 0) if at is not None else 0
            for one in reversed(path):
                depth += 1
                depths[one] = depth
        return max(depths.values())


SPAN_NUMBERS: Mapping[str, Callable[[SpanFacts], Number]] = {
    "span_duration_ms": lambda span: span.duration_ms,
    "span_cost_usd": lambda span: span.cost,
    "span_tokens": lambda span: span.tokens,
    "span_input_tokens": lambda span: span.input_tokens,
    "span_output_tokens": lambda span: span.output_tokens,
}
SPAN_GROUPS: Mapping[str, Callable[[SpanFacts], Iterable[str | None]]] = {
    "span_tool_name": lambda span: (span.tool_name,),
    "span_name": lambda span: (span.name,),
    "span_type": lambda span: (span.type,),
    "span_kind": lambda span: (span.kind,),
    "span_status": lambda span: (span.status,),
}
TRACE_NUMBERS: Mapping[str, Callable[[Trace], Number]] = {
    "trace_duration_ms": lambda trace: trace.duration_ms,
    "trace_total_cost_usd": lambda trace: trace.sum(lambda span: span.cost),
    "trace_total_tokens": lambda trace: trace.sum(lambda span: span.tokens),
    "trace_input_tokens": lambda trace: trace.sum(lambda span: span.input_tokens),
    "trace_output_tokens": lambda trace: trace.sum(lambda span: span.output_tokens),
    "trace_span_count": lambda trace: len(trace.spans),
    "trace_depth": lambda trace: trace.depth,
}
TRACE_GROUPS: Mapping[str, Callable[[Trace], Iterable[str | None]]] = {
    "trace_status": lambda trace: (trace.status,),
    "trace_name": lambda trace: (trace.name,),
    "trace_models_used": lambda trace: (span.model for span in trace.spans),
    "trace_prompt_ids": lambda trace: (span.prompt_id for span in trace.spans),
    "trace_workflow_ids": lambda trace: (span.workflow_id for span in trace.spans),
    "trace_tool_names": lambda trace: (span.tool_name for span in trace.spans),
}
"""By PromptLayer's names, and so are the other three."""


def newest(
    connection: sqlite3.Connection, since_s: float, until_s: float, at_most: int
) -> tuple[list[Trace], bool]:
    """The traces with a span in this time that have the newest spans, and whether these are all of them."""
    found = connection.execute(
        "SELECT trace_id FROM spans WHERE start_ns BETWEEN ? AND ? ORDER BY start_ns DESC LIMIT ?",
        (_nanoseconds(since_s - _MARGIN_S), _nanoseconds(until_s + _MARGIN_S), at_most + 1),
    ).fetchall()
    ids = list(dict.fromkeys(trace_id for (trace_id,) in found[:at_most]))
    return list(_read(connection, ids)), len(found) <= at_most


def _read(connection: sqlite3.Connection, trace_ids: Sequence[str]) -> Iterator[Trace]:
    spans: dict[str, list[SpanFacts]] = {trace_id: [] for trace_id in trace_ids}
    for first in range(0, len(trace_ids), _CHUNK):
        chunk = trace_ids[first : first + _CHUNK]
        for row in connection.execute(_SPANS.format(marks=", ".join("?" * len(chunk))), chunk):
            spans[row[0]].append(SpanFacts(row))
    return (Trace(own) for own in spans.values())


_SPANS = f"""
    SELECT {", ".join(f"spans.{name}" for name in COLUMNS)}, requests.request_id, requests.model,
        requests.cost, requests.input_tokens, requests.output_tokens, request_prompts.prompt_id
    FROM spans
    LEFT JOIN requests ON requests.request_id = (
        SELECT max(own.request_id) FROM requests AS own
        WHERE own.span_id = spans.logged_as
            AND (own.trace_id = spans.trace_id OR own.trace_id IS NULL)
    )
    LEFT JOIN request_prompts ON request_prompts.request_id = requests.request_id
    WHERE spans.trace_id IN ({{marks}}) ORDER BY spans.start_ns, spans.id
"""


def _nanoseconds(seconds: float) -> int:
    return int(min(max(seconds, 0.0), _MOST_S) * 1e9)


def _sum(numbers: Iterable[Number]) -> Number:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
