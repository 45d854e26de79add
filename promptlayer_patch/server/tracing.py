"""Traces: taking spans in OpenTelemetry's form and in PromptLayer's own, giving them back, closing them."""

from __future__ import annotations

import re
from typing import Any

from promptlayer_patch._spans import otlp
from promptlayer_patch._spans.bulk import span_in
from promptlayer_patch._spans.model import BadExport, BadSpan, Span
from promptlayer_patch._spans.scrubbing import scrubbed_span
from promptlayer_patch.server.endpoints import Answer, Call, Endpoint, RawBody
from promptlayer_patch.server.fields import iso
from promptlayer_patch.server.refusals import BadRequest, Conflict, Invalid, NotFound
from promptlayer_patch.server.span_requests import Requests
from promptlayer_patch.server.tracing_bodies import (
    BulkBody,
    BulkTaken,
    CloseAfter,
    SpanBody,
    TraceEnded,
    TraceRead,
)
from promptlayer_patch.server.writing import record_json
from promptlayer_patch.store import Unstorable
from promptlayer_patch.store.registry.registry import Registry
from promptlayer_patch.store.spans.spans import PutSpans, SpanEntry, Spans, StoredSpan, TraceClosed

__all__ = ["ENDPOINTS"]

_TRACE_ID = re.compile("[0-9a-f]{32}")
_MOST_SHOWN = 20_000
"""Spans in one answer: a program that never ends its trace would fill all memory."""


def _bulk(call: Call[BulkBody, None]) -> dict[str, Any]:
    requests = Requests(Registry(call.workspace.store))
    entries = [_bulk_entry(requests, number, said) for number, said in enumerate(call.body.spans)]
    put = _put(call, entries, drop_closed=True, close=call.body.close_after)
    return {
        "success": True,
        "spans": [{"id": one.id, "name": one.span.name, "span_id": one.span.span_id} for one in put.stored],
        "request_logs": [
            {"id": one.request_id, "span_id": one.span.span_id}
            for one in put.stored
            if one.request_id is not None
        ],
        **_rejections(put.rejected),
    }


def _bulk_entry(requests: Requests, number: int, said: SpanBody) -> SpanEntry:
    try:
        span = scrubbed_span(span_in(said.model_dump(exclude={"log_request"})))
    except BadSpan as reason:
        raise Invalid([(("body", "spans", number), str(reason), "value_error")]) from None
    return requests.logged(span, said.log_request, f"body.spans.{number}.log_request")


def _rejections(spans: tuple[Span, ...]) -> dict[str, Any]:
    if not spans:
        return {}
    return {
        "rejected_span_ids": [span.span_id for span in spans],
        "rejected_trace_ids": list(dict.fromkeys(span.trace_id for span in spans)),
        "rejection_reason": "trace_closed",
    }


def _otlp(call: Call[RawBody, CloseAfter]) -> Answer:
    encoding = otlp.Encoding(call.body.content_type)
    try:
        export = otlp.read(call.body.content, encoding)
    except BadExport as reason:
        raise BadRequest(str(reason)) from None
    requests = Requests(Registry(call.workspace.store))
    entries = [requests.told(scrubbed_span(span)) for span in export.spans]
    _put(call, entries, drop_closed=False, close=call.query.close_after)
    return Answer(otlp.answer(export.rejected, encoding), content_type=encoding.value)


def _put(call: Call[Any, Any], entries: list[SpanEntry], *, drop_closed: bool, close: bool) -> PutSpans:
    try:
        return Spans(call.workspace.store).put(
            entries,
            drop_closed=drop_closed,
            close=close,
            fresh=call.workspace.committer.fresh,
            repeats=call.workspace.committer.repeats,
            to_json=record_json,
        )
    except TraceClosed as closed:
        raise Conflict(str(closed), error=str(closed), trace_ids=list(closed.trace_ids)) from None
    except Unstorable as error:
        raise BadRequest(str(error)) from None


def _read(call: Call[None, None]) -> dict[str, Any]:
    trace_id = _trace_id(call)
    with call.workspace.reading() as store:
        spans = Spans(store).trace(trace_id, limit=_MOST_SHOWN + 1)
    if not spans:
        raise NotFound("there is no such trace")
    cut = {"truncated": True} if len(spans) > _MOST_SHOWN else {}
    return {
        "success": True,
        "trace_id": trace_id,
        "spans": [_shown(one) for one in spans[:_MOST_SHOWN]],
        **cut,
    }


def _close(call: Call[Any, None]) -> dict[str, Any]:
    try:
        closure = Spans(call.workspace.store).close(_trace_id(call))
    except TraceClosed:
        raise Conflict("Trace already closed") from None
    if closure is None:
        raise NotFound("there is no such trace")
    moment = iso(closure.closed_at)
    return {
        "success": True,
        "closure": {
            "id": closure.id,
            "workspace_id": call.workspace.id,
            "trace_id": closure.trace_id,
            "status": "closed",
            "created_at": moment,
            "updated_at": moment,
        },
    }


def _trace_id(call: Call[Any, Any]) -> str:
    trace_id = call.path["trace_id"].lower()
    if not _TRACE_ID.fullmatch(trace_id):
        raise NotFound("there is no such trace")
    return trace_id


_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUS_CODES = ("UNSET", "OK", "ERROR")


def _shown(stored: StoredSpan) -> dict[str, Any]:
    span = stored.span
    return {
        "id": stored.id,
        "name": span.name,
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "request_log_id": stored.request_id,
        "start_time": iso(span.start_ns / 1e9),
        "end_time": iso(span.end_ns / 1e9),
        "kind": f"SpanKind.{_KINDS[span.kind]}",
        "status": {
            "status_code": f"StatusCode.{_STATUS_CODES[span.status_code]}",
            "description": span.status_message or None,
        },
        "attributes": span.attributes,
        "events": [
            {"name": event.name, "timestamp": event.time_ns, "attributes": event.attributes}
            for event in span.events
        ],
        "links": [
            {"context": {"trace_id": link.trace_id, "span_id": link.span_id}, "attributes": link.attributes}
            for link in span.links
        ],
        "resource": {"attributes": span.resource},
    }


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/spans-bulk",
        handler=_bulk,
        summary="store spans, and the requests in them",
        ok=201,
        body=BulkBody,
        answers=BulkTaken,
    ),
    Endpoint(
        method="POST",
        path="/v1/traces",
        handler=_otlp,
        summary="store spans as OpenTelemetry exports them",
        raw=tuple(encoding.value for encoding in otlp.Encoding),
        query=CloseAfter,
        refuses=(409,),
    ),
    Endpoint(
        method="GET",
        path="/api/public/v2/traces/{trace_id}",
        handler=_read,
        summary="read a trace",
        answers=TraceRead,
        refuses=(404,),
    ),
    Endpoint(
        method="POST",
        path="/api/public/v2/traces/{trace_id}/close",
        handler=_close,
        summary="close a trace for good",
        ok=201,
        answers=TraceEnded,
        refuses=(404, 409),
    ),
)
