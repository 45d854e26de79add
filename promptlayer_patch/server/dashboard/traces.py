"""Traces: the list of them, and one as a tree with its times."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from promptlayer_patch.server.dashboard.missing import missing
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.dashboard.traces_span import KINDS, SpanView, view
from promptlayer_patch.server.dashboard.traces_tree import SCALE, lines
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.store import Store
from promptlayer_patch.store.spans.trace_listing import TraceCursor, Traces
from promptlayer_patch.store.spans.trace_reading import SpanLine, outline, span

__all__ = ["ENDPOINTS"]

_LISTED = 50
_SPANS = 1_000
"""So many spans of a trace are drawn; of a larger one, the first."""


class TracesQuery(BaseModel):
    before: int | None = Field(None, ge=0, le=2**63 - 1)
    """With `trace`: where the page before ended."""
    trace: str = Field("", max_length=100)
    format: str | None = None


class TraceQuery(BaseModel):
    span: str | None = Field(None, max_length=100)
    """The one to look at; the first one if it is not said."""
    format: str | None = None


def _traces(call: Call[None, TracesQuery]) -> Answer:
    asked = call.query
    after = None if asked.before is None else TraceCursor(asked.before, asked.trace)
    with call.workspace.reading() as store:
        found = Traces(store).page(_LISTED, after=after)
    data = {"section": "Traces", "traces": found.items, "next": found.next, "first": after is None}
    return page(call, "traces.html", data, title="Traces")


def _trace(call: Call[None, TraceQuery]) -> Answer:
    trace_id = call.path["id"]
    with call.workspace.reading() as store:
        trace = Traces(store).get(trace_id)
        if trace is None:
            return missing(call, "There is no such trace.", section="Traces")
        if call.headers.get("hx-request") == "true" and call.query.format is None:
            # The tree is there; only another span of it is looked at.
            chosen = _chosen(store, trace_id, call.query.span)
            return page(call, "traces_span.html", {"span": chosen}, title="Span")
        found = outline(store, trace_id, _SPANS)
        tree = lines(found.spans)
        asked = call.query.span or tree[0].span.span_id
        data: dict[str, Any] = {
            "section": "Traces",
            "trace": trace,
            "closed_at": found.closed_at,
            "count": found.count,
            "lines": tree,
            "scale": SCALE,
            "requests": found.requests,
            "span": _chosen(store, trace_id, asked),
        }
    if call.query.format != "json":
        data["kind_of"] = _kind
    return page(call, "traces_trace.html", data, title="Trace")


def _chosen(store: Store, trace_id: str, span_id: str | None) -> SpanView | None:
    found = None if span_id is None else span(store, trace_id, span_id)
    return None if found is None else view(found)


def _kind(one: SpanLine) -> str:
    """What the bar is coloured by."""
    if one.status_code == 2:
        return "error"
    if one.request_id is not None:
        return "model"
    return KINDS[one.kind] if 0 <= one.kind < len(KINDS) else KINDS[0]


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/traces",
        handler=_traces,
        summary="traces, those that began last first",
        auth=Auth.SESSION,
        query=TracesQuery,
    ),
    Endpoint(
        method="GET",
        path="/traces/{id}",
        handler=_trace,
        summary="one trace as a tree with its times",
        auth=Auth.SESSION,
        query=TraceQuery,
        refuses=(404,),
    ),
)
